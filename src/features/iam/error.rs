//! What can go wrong with users and their rights.

use crate::features::access::ConditionError;
use crate::features::access::Permission;
use crate::features::secrets::SecretsError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::crypto::password::PasswordError;
use crate::infra::db::DbError;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::{Failure, shell};

/// A request about users and their rights that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum IamError {
    /// No user, role, group or session of that name.
    #[error("no {what} {name:?} in {}", if *.what == "operator" { "the platform's realm" } else { "this realm" })]
    #[failure(if matches!(*what, "user" | "operator"), NotFound, "user_not_found")]
    #[failure(if *what == "role", NotFound, "role_not_found")]
    #[failure(if *what == "group", NotFound, "group_not_found")]
    #[failure(NotFound, "not_found")]
    #[hint(if let Some(nearest) = nearest, "did you mean {}?", shell::word(nearest))]
    #[hint(else if *what == "session", "see which there are: nexus user sessions list E-MAIL{at}")]
    // Operators are at home in the platform's realm, whichever tenant this is about.
    #[hint(else if *what == "operator", "see which there are: nexus user list")]
    #[hint(else, "see which there are: nexus {what} list{at}")]
    #[details(what, name, nearest)]
    NotFound {
        /// `user`, `role`, `group`.
        what: &'static str,
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// Some of several users are not there.
    #[error("no users {} in this realm; nothing was done", listed(.names))]
    #[failure(NotFound, "user_not_found")]
    #[hints(nearest.iter().map(|near| format!("did you mean {}?", shell::word(near))))]
    #[hint("see which there are: nexus user list{at}")]
    #[details(names, nearest)]
    NoUsers {
        names: Vec<String>,
        nearest: Vec<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// The realm has a user, role or group of that name already.
    #[error("there is a {what} {name:?} already")]
    #[failure(if *what == "user", Conflict, "user_exists")]
    #[failure(if *what == "role", Conflict, "role_exists")]
    #[failure(if *what == "group", Conflict, "group_exists")]
    #[failure(Conflict, "exists")]
    #[hint("see it: nexus {what} show {}{at}", shell::word(name))]
    #[details(what, name)]
    Exists {
        /// `user`, `role`, `group`.
        what: &'static str,
        name: String,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// The user is in a state in which this cannot be done.
    #[error("user {user:?} is {state}: {why}")]
    #[failure(Conflict, "user_state")]
    #[hint(hint)]
    State { user: String, state: &'static str, why: &'static str, hint: String },
    /// A permission that nobody registered.
    #[error("permission {name:?} is not registered")]
    #[failure(Invalid, "permission_unknown")]
    #[hint(if let Some(nearest) = nearest, "did you mean {}?", shell::word(nearest))]
    #[hint(else, "register it: nexus permission register {}{at} --description TEXT", shell::word(name))]
    #[details(name, nearest)]
    UnknownPermission {
        name: String,
        nearest: Option<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// A pattern that stands for no registered permission.
    #[error("pattern {name:?} stands for no permission that is registered")]
    #[failure(Invalid, "permission_unknown")]
    #[hint(
        "see which are registered, and which are administrative and allowed by name: nexus permission list{at}"
    )]
    #[hint(
        "register one that it stands for: nexus permission register RESOURCE:ACTION{at} --description TEXT"
    )]
    EmptyPattern {
        name: String,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// What is to be denied is still allowed, by a pattern.
    #[error("role {role:?} allows {permission} by {}; nothing was changed", .by.join(", "))]
    #[failure(Conflict, "permission_covered")]
    #[hints(covered_hints(role, by, at))]
    #[details(role, permission, by)]
    Covered {
        role: String,
        permission: String,
        /// The patterns that cover it, as the role holds them.
        by: Vec<String>,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// A condition that does not parse.
    #[error(transparent)]
    #[failure(Invalid, "condition_invalid")]
    Condition(#[from] ConditionError),
    /// The caller lacks a permission.
    #[error("{caller} lacks permission {permission}")]
    #[failure(Forbidden, "permission_missing")]
    #[details(permission)]
    Forbidden { caller: String, permission: Permission },
    /// The caller may not give, take or touch what it does not hold itself.
    #[error("{what} holds {permission}, which the caller does not hold itself")]
    #[failure(Forbidden, "permission_not_held")]
    #[details(what, permission)]
    Above { what: String, permission: String },
    /// Nobody would be left who may do everything.
    #[error("nobody who may do everything (*:*) would be left in this realm; nothing was changed")]
    #[failure(Forbidden, "last_administrator")]
    #[hint("make another administrator first: nexus role grant Admin --user E-MAIL{at}")]
    LastAdministrator {
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// A group would be part of itself.
    #[error("group {group:?} cannot be part of {parent:?}, which is part of it")]
    #[failure(Conflict, "group_cycle")]
    Cycle { group: String, parent: String },
    /// Groups would be nested too deeply.
    #[error("groups are nested at most {0} deep")]
    #[failure(Conflict, "group_depth")]
    Depth(i32),
    /// A built-in role can be changed, not lost.
    #[error("role {0:?} is built in: it can be changed, not deleted or renamed")]
    #[failure(Conflict, "role_built_in")]
    BuiltIn(String),
    /// A group that is not empty of groups.
    #[error("group {name:?} has groups in it")]
    #[failure(Conflict, "group_not_empty")]
    #[hint("see them: nexus group tree{at}")]
    #[hint("move each away first: nexus group move {} --to-top{at}", shell::word(part))]
    HasGroups {
        name: String,
        part: String,
        /// The realm, as [`super::Place::flag`] writes it.
        at: String,
    },
    /// The password is not accepted, or could not be hashed.
    #[error(transparent)]
    #[failure(transparent)]
    Password(#[from] PasswordError),
    /// The single-use token is wrong, used, too old, or its user is shut out: one answer for all.
    #[error("the token is not good, or not any more")]
    #[failure(Unauthenticated, "token_invalid")]
    Token,
    /// The sign-in failed: one answer for all reasons.
    #[error("the e-mail address, the password or the code is wrong, or the account is locked")]
    #[failure(Unauthenticated, "sign_in_refused")]
    SignIn,
    /// The password is right, and a code is needed.
    #[error("a code of the second factor is needed")]
    #[failure(Unauthenticated, "code_needed")]
    CodeNeeded,
    /// The code of the second factor is wrong.
    #[error("the code is wrong, or was used already")]
    #[failure(Unauthenticated, "code_wrong")]
    Code,
    /// A date that does not fit.
    #[error("{0}")]
    #[failure(Invalid, "date_invalid")]
    Date(&'static str),
    /// A declaration that contradicts itself.
    #[error("the declaration is wrong: {0}")]
    #[failure(Invalid, "declaration_invalid")]
    Declaration(String),
    /// Something hangs on the realm's tables that Nexus did not make.
    #[error("the realm's tables were tampered with: {0}")]
    #[failure(Integrity, "realm_tampered")]
    Tampered(String),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// A right could not be taken on.
    #[error(transparent)]
    #[failure(transparent)]
    Cluster(#[from] ClusterError),
    /// The system has no random numbers.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// A file for secrets that are shown once failed.
    #[error(transparent)]
    #[failure(transparent)]
    File(#[from] PrivateFileError),
    /// A sealed secret failed.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// The tokens of those who lose something could not be taken back.
    #[error("tokens could not be taken back: {0}")]
    #[failure(transparent)]
    TakeBack(Box<dyn Failure>),
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
