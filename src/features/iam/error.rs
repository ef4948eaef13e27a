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
use crate::kernel::{ErrorKind, Failure};

/// A request about users and their rights that failed.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    /// Nobody, or nothing, of that name.
    #[error("no {what} {name:?} in this realm")]
    NotFound {
        /// `user`, `role`, `group`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// There is one of that name already.
    #[error("there is a {what} {name:?} already")]
    Exists {
        /// `user`, `role`, `group`, `permission`.
        what: &'static str,
        /// Its name.
        name: String,
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
    LastAdministrator,
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
    #[error("group {0:?} has groups in it")]
    HasGroups(String),
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
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Exists { .. }
            | Self::State { .. }
            | Self::Cycle { .. }
            | Self::Depth(_)
            | Self::HasGroups(_)
            | Self::BuiltIn(_) => ErrorKind::Conflict,
            Self::UnknownPermission { .. } | Self::Condition(_) | Self::Date(_) | Self::Declaration(_) => {
                ErrorKind::Invalid
            }
            Self::Forbidden { .. } | Self::Above { .. } | Self::LastAdministrator => ErrorKind::Forbidden,
            Self::Token | Self::SignIn | Self::CodeNeeded | Self::Code => ErrorKind::Unauthenticated,
            Self::Tampered(_) => ErrorKind::Integrity,
            _ => self.inner().map_or(ErrorKind::Internal, Failure::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { what: "user", .. } => "user_not_found",
            Self::NotFound { what: "role", .. } => "role_not_found",
            Self::NotFound { what: "group", .. } => "group_not_found",
            Self::NotFound { .. } => "not_found",
            Self::Exists { what: "user", .. } => "user_exists",
            Self::Exists { what: "role", .. } => "role_exists",
            Self::Exists { what: "group", .. } => "group_exists",
            Self::Exists { .. } => "exists",
            Self::State { .. } => "user_state",
            Self::UnknownPermission { .. } => "permission_unknown",
            Self::Condition(_) => "condition_invalid",
            Self::Forbidden { .. } => "permission_missing",
            Self::Above { .. } => "permission_not_held",
            Self::LastAdministrator => "last_administrator",
            Self::Cycle { .. } => "group_cycle",
            Self::Depth(_) => "group_depth",
            Self::BuiltIn(_) => "role_built_in",
            Self::HasGroups(_) => "group_not_empty",
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
                vec![format!("did you mean {nearest}?")]
            }
            Self::NotFound { what, .. } => {
                vec![format!("see which there are, with the same --tenant: nexus {what} list")]
            }
            Self::UnknownPermission { name, .. } => {
                vec![format!(
                    "register it, with the same --tenant: nexus permission register {name} --description TEXT"
                )]
            }
            Self::State { hint, .. } => vec![hint.clone()],
            Self::LastAdministrator => {
                vec![
                    "make another administrator first, with the same --tenant: nexus role grant Admin --user E-MAIL"
                        .to_owned(),
                ]
            }
            Self::HasGroups(name) => {
                vec![format!(
                    "see them: nexus group tree; move them: nexus group move NAME --to-top (in {name})"
                )]
            }
            _ => self.inner().map(Failure::hints).unwrap_or_default(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NotFound { what, name, nearest } => {
                json!({ "what": what, "name": name, "nearest": nearest })
            }
            Self::UnknownPermission { name, nearest } => json!({ "name": name, "nearest": nearest }),
            Self::Exists { what, name } => json!({ "what": what, "name": name }),
            Self::Forbidden { permission, .. } => json!({ "permission": permission }),
            Self::Above { what, permission } => json!({ "what": what, "permission": permission }),
            _ => self.inner().map_or(Value::Null, Failure::details),
        }
    }
}
