//! What can go wrong with users and their rights.

use serde_json::{Value, json};

use super::condition::ConditionError;
use super::permission::Permission;
use crate::features::secrets::SecretsError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::crypto::password::PasswordError;
use crate::infra::db::DbError;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::{ErrorKind, Failure, shell};

/// A request about users and their rights that failed.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    /// Nobody, or nothing, of that name.
    #[error("no {what} {name:?} in {}", if *.what == "operator" { "the platform's realm" } else { "this realm" })]
    NotFound {
        /// `user`, `role`, `group`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// Some of several users are not there.
    #[error("no users {} in this realm; nothing was done", listed(.names))]
    NoUsers {
        /// Those who were asked for and are not there.
        names: Vec<String>,
        /// The nearest that there are.
        nearest: Vec<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// There is one of that name already.
    #[error("there is a {what} {name:?} already")]
    Exists {
        /// `user`, `role`, `group`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// It is in a state in which this cannot be done.
    #[error("user {user:?} is {state}: {why}")]
    State {
        /// Whom.
        user: String,
        /// Its state.
        state: &'static str,
        /// What that stands in the way of.
        why: &'static str,
        /// The command that helps.
        hint: String,
    },
    /// A permission that nobody registered.
    #[error("permission {name:?} is not registered")]
    UnknownPermission {
        /// What was asked for.
        name: String,
        /// The nearest that is.
        nearest: Option<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// A pattern that stands for no registered permission.
    #[error("pattern {name:?} stands for no permission that is registered")]
    EmptyPattern {
        /// What was asked for.
        name: String,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// What is to be denied is still allowed, by a pattern.
    #[error("role {role:?} allows {permission} by {}; nothing was changed", .by.join(", "))]
    Covered {
        /// Which.
        role: String,
        /// What was to be denied.
        permission: String,
        /// The patterns that cover it, as the role holds them.
        by: Vec<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// A condition that does not parse.
    #[error(transparent)]
    Condition(#[from] ConditionError),
    /// The caller lacks a permission.
    #[error("{caller} lacks permission {permission}")]
    Forbidden {
        /// Who.
        caller: String,
        /// Which.
        permission: Permission,
    },
    /// The caller may not give, take or touch what it does not hold itself.
    #[error("{what} holds {permission}, which the caller does not hold itself")]
    Above {
        /// Whom or what it was about.
        what: String,
        /// Something that the caller does not hold.
        permission: String,
    },
    /// Nobody would be left who may do everything.
    #[error("nobody who may do everything (*:*) would be left in this realm; nothing was changed")]
    LastAdministrator {
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// A group would be part of itself.
    #[error("group {group:?} cannot be part of {parent:?}, which is part of it")]
    Cycle {
        /// Which.
        group: String,
        /// Where it should go.
        parent: String,
    },
    /// Groups would be nested too deeply.
    #[error("groups are nested at most {0} deep")]
    Depth(i32),
    /// A built-in role can be changed, not lost.
    #[error("role {0:?} is built in: it can be changed, not deleted or renamed")]
    BuiltIn(String),
    /// A group that is not empty of groups.
    #[error("group {name:?} has groups in it")]
    HasGroups {
        /// Which.
        name: String,
        /// One that is part of it.
        part: String,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// The password is not accepted, or could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The single-use token is wrong, used, too old, or its user is shut out: one answer for all.
    #[error("the token is not good, or not any more")]
    Token,
    /// The sign-in failed: one answer for all reasons.
    #[error("the e-mail address, the password or the code is wrong, or the account is locked")]
    SignIn,
    /// The password is right, and a code is needed.
    #[error("a code of the second factor is needed")]
    CodeNeeded,
    /// The code of the second factor is wrong.
    #[error("the code is wrong, or was used already")]
    Code,
    /// A date that does not fit.
    #[error("{0}")]
    Date(&'static str),
    /// A declaration that contradicts itself.
    #[error("the declaration is wrong: {0}")]
    Declaration(String),
    /// Something hangs on the realm's tables that Nexus did not make.
    #[error("the realm's tables were tampered with: {0}")]
    Tampered(String),
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A right could not be taken on.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The system has no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A file for secrets that are shown once failed.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// A sealed secret failed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The tokens of those who lose something could not be taken back.
    #[error("tokens could not be taken back: {0}")]
    TakeBack(Box<dyn Failure>),
}

impl From<sqlx::Error> for IamError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl IamError {
    fn inner(&self) -> Option<&dyn Failure> {
        match self {
            Self::Password(error) => Some(error),
            Self::Db(error) => Some(error),
            Self::Cluster(error) => Some(error),
            Self::Random(error) => Some(error),
            Self::File(error) => Some(error),
            Self::Secrets(error) => Some(error),
            Self::TakeBack(error) => Some(&**error),
            _ => None,
        }
    }
}

impl Failure for IamError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::NoUsers { .. } => ErrorKind::NotFound,
            Self::Exists { .. }
            | Self::State { .. }
            | Self::Cycle { .. }
            | Self::Depth(_)
            | Self::HasGroups { .. }
            | Self::Covered { .. }
            | Self::BuiltIn(_) => ErrorKind::Conflict,
            Self::UnknownPermission { .. }
            | Self::EmptyPattern { .. }
            | Self::Condition(_)
            | Self::Date(_)
            | Self::Declaration(_) => ErrorKind::Invalid,
            Self::Forbidden { .. } | Self::Above { .. } | Self::LastAdministrator { .. } => {
                ErrorKind::Forbidden
            }
            Self::Token | Self::SignIn | Self::CodeNeeded | Self::Code => ErrorKind::Unauthenticated,
            Self::Tampered(_) => ErrorKind::Integrity,
            _ => self.inner().map_or(ErrorKind::Internal, Failure::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { what: "user" | "operator", .. } | Self::NoUsers { .. } => "user_not_found",
            Self::NotFound { what: "role", .. } => "role_not_found",
            Self::NotFound { what: "group", .. } => "group_not_found",
            Self::NotFound { .. } => "not_found",
            Self::Exists { what: "user", .. } => "user_exists",
            Self::Exists { what: "role", .. } => "role_exists",
            Self::Exists { what: "group", .. } => "group_exists",
            Self::Exists { .. } => "exists",
            Self::State { .. } => "user_state",
            Self::UnknownPermission { .. } | Self::EmptyPattern { .. } => "permission_unknown",
            Self::Covered { .. } => "permission_covered",
            Self::Condition(_) => "condition_invalid",
            Self::Forbidden { .. } => "permission_missing",
            Self::Above { .. } => "permission_not_held",
            Self::LastAdministrator { .. } => "last_administrator",
            Self::Cycle { .. } => "group_cycle",
            Self::Depth(_) => "group_depth",
            Self::BuiltIn(_) => "role_built_in",
            Self::HasGroups { .. } => "group_not_empty",
            Self::Token => "token_invalid",
            Self::SignIn => "sign_in_refused",
            Self::CodeNeeded => "code_needed",
            Self::Code => "code_wrong",
            Self::Date(_) => "date_invalid",
            Self::Declaration(_) => "declaration_invalid",
            Self::Tampered(_) => "realm_tampered",
            _ => self.inner().map_or("identity_failed", Failure::code),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { nearest: Some(nearest), .. }
            | Self::UnknownPermission { nearest: Some(nearest), .. } => {
                vec![format!("did you mean {}?", shell::word(nearest))]
            }
            Self::NotFound { what: "session", at, .. } => {
                vec![format!("see which there are: nexus user sessions list E-MAIL{at}")]
            }
            // Operators are at home in the platform's realm, whichever tenant this is about.
            Self::NotFound { what: "operator", .. } => {
                vec!["see which there are: nexus user list".to_owned()]
            }
            Self::NotFound { what, at, .. } => vec![format!("see which there are: nexus {what} list{at}")],
            Self::NoUsers { nearest, at, .. } => {
                let meant = nearest.iter().map(|near| format!("did you mean {}?", shell::word(near)));
                meant.chain([format!("see which there are: nexus user list{at}")]).collect()
            }
            Self::Exists { what, name, at } => {
                vec![format!("see it: nexus {what} show {}{at}", shell::word(name))]
            }
            Self::UnknownPermission { name, at, .. } => {
                let name = shell::word(name);
                vec![format!("register it: nexus permission register {name}{at} --description TEXT")]
            }
            Self::EmptyPattern { at, .. } => vec![
                format!(
                    "see which are registered, and which are administrative and allowed by name: nexus permission list{at}"
                ),
                format!(
                    "register one that it stands for: nexus permission register RESOURCE:ACTION{at} --description TEXT"
                ),
            ],
            Self::Covered { role, by, at, .. } => covered_hints(role, by, at),
            Self::State { hint, .. } => vec![hint.clone()],
            Self::LastAdministrator { at } => {
                vec![format!("make another administrator first: nexus role grant Admin --user E-MAIL{at}")]
            }
            Self::HasGroups { part, at, .. } => vec![
                format!("see them: nexus group tree{at}"),
                format!("move each away first: nexus group move {} --to-top{at}", shell::word(part)),
            ],
            _ => self.inner().map(Failure::hints).unwrap_or_default(),
        }
    }

    fn neighbour(&self) -> Option<&str> {
        self.inner().and_then(Failure::neighbour)
    }

    fn details(&self) -> Value {
        match self {
            Self::NotFound { what, name, nearest, .. } => {
                json!({ "what": what, "name": name, "nearest": nearest })
            }
            Self::NoUsers { names, nearest, .. } => json!({ "names": names, "nearest": nearest }),
            Self::Covered { role, permission, by, .. } => {
                json!({ "role": role, "permission": permission, "by": by })
            }
            Self::UnknownPermission { name, nearest, .. } => json!({ "name": name, "nearest": nearest }),
            Self::Exists { what, name, .. } => json!({ "what": what, "name": name }),
            Self::Forbidden { permission, .. } => json!({ "permission": permission }),
            Self::Above { what, permission } => json!({ "what": what, "permission": permission }),
            _ => self.inner().map_or(Value::Null, Failure::details),
        }
    }
}

/// Names, each quoted, with commas between them.
fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// What to type where a role goes on allowing what was to be denied. `by` are permissions as the
/// role holds them, a condition behind `when`.
fn covered_hints(role: &str, by: &[String], at: &str) -> Vec<String> {
    let role = shell::word(role);
    let deny = by.iter().map(|held| {
        let pattern = held.split_once(' ').map_or(held.as_str(), |(pattern, _)| pattern);
        format!("take that from it: nexus role deny {role} {}{at}", shell::word(pattern))
    });
    let allow =
        format!("before that, let it keep what it should: nexus role allow {role} RESOURCE:ACTION{at}");
    deny.chain([allow]).collect()
}
