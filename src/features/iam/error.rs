//! What can go wrong with users and their rights.

use super::custom_fields::{FieldName, WrongField};
use super::model::NameRef;
use super::users::RefusedRow;
use crate::features::access::{AccessError, ConditionError};
use crate::features::secrets::SecretsError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::crypto::password::PasswordError;
use crate::infra::db::DbError;
use crate::kernel::hint::{Action, InRealm, RightsAction, UserAction};
use crate::kernel::{AnyFailure, Failure, Hint, Stale, shell, suggest};

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
    #[hint(else if *what == "session", "see which there are" => UserAction::Sessions(at.clone()))]
    // Operators are at home in the platform's realm, whichever tenant this is about.
    #[hint(else if *what == "operator", "see which there are" => UserAction::List(InRealm::default()))]
    #[hint(else, "see which there are" => listed_by(what, at))]
    #[details(what, name, nearest)]
    NotFound {
        /// `user`, `role`, `group`.
        what: &'static str,
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
        at: InRealm,
    },
    /// Some of several users do not exist.
    #[error("no users {} in this realm; nothing was done", listed(.names))]
    #[failure(NotFound, "user_not_found")]
    #[hints(nearest.iter().map(|near| format!("did you mean {}?", shell::word(near))))]
    #[hint("see which there are" => UserAction::List(at.clone()))]
    #[details(names, nearest)]
    NoUsers { names: Vec<String>, nearest: Vec<String>, at: InRealm },
    /// The realm has a user, role or group of that name already.
    #[error("{what} {name:?} already exists")]
    #[failure(if *what == "user", Conflict, "user_exists")]
    #[failure(if *what == "role", Conflict, "role_exists")]
    #[failure(if *what == "group", Conflict, "group_exists")]
    #[failure(Conflict, "exists")]
    #[hint("see the existing one" => shown_by(what, name, at))]
    #[details(what, name)]
    Exists {
        /// `user`, `role`, `group`.
        what: &'static str,
        name: String,
        at: InRealm,
    },
    /// The tenant has all the users that it may have.
    // Without the number: whoever tries to register sees it, too.
    #[error("this tenant has reached its limit of users; nobody was added")]
    #[failure(Forbidden, "user_limit_reached")]
    #[hint("delete users who are not needed, or ask an operator of the platform to raise the limit")]
    UserLimit,
    /// The user is in a state in which this cannot be done.
    #[error("user {user:?} is {state}: {why}")]
    #[failure(Conflict, "user_state")]
    #[hint(hint.clone())]
    State { user: String, state: &'static str, why: &'static str, hint: Hint },
    /// A permission that nobody registered.
    #[error("permission {name:?} is not registered")]
    #[failure(Invalid, "permission_unknown")]
    #[hint(if let Some(nearest) = nearest, "did you mean {}?", shell::word(nearest))]
    #[hint(else, "register it" => RightsAction::RegisterPermission(Some(name.clone()), at.clone()))]
    #[details(name, nearest)]
    UnknownPermission { name: String, nearest: Option<String>, at: InRealm },
    /// A pattern that matches no registered permission.
    #[error("pattern {name:?} matches no registered permission")]
    #[failure(Invalid, "permission_unknown")]
    #[hint(
        "see which are registered, and which are administrative and allowed by name"
            => RightsAction::ListPermissions(at.clone())
    )]
    #[hint("register one that it stands for" => RightsAction::RegisterPermission(None, at.clone()))]
    EmptyPattern { name: String, at: InRealm },
    /// The permission to be removed is still allowed, by a pattern.
    #[error("role {role:?} allows {permission} by {}; nothing was changed", .by.join(", "))]
    #[failure(Conflict, "permission_covered")]
    #[hints(covered_hints(role, by, at))]
    #[details(role, permission, by)]
    Covered {
        role: String,
        permission: String,
        /// The patterns that cover it, as the role holds them.
        by: Vec<String>,
        at: InRealm,
    },
    /// Some of several users cannot be made, and all were to be, or none.
    #[error("{} of the users cannot be created; none was", rows.len())]
    #[failure(Conflict, "none_created")]
    #[details(rows)]
    NoneMade { rows: Vec<RefusedRow> },
    /// Values of custom fields that are not what their fields take.
    #[error("{}", listed_fields(.fields))]
    #[failure(Invalid, "fields_invalid")]
    #[hints(fields.iter().filter_map(|field| field.nearest.as_ref()).map(|near| format!("did you mean {near}?")))]
    #[details(fields)]
    Fields { fields: Vec<WrongField> },
    /// A list that is filtered by a custom field in a way that it is not compared in.
    #[error("parameter {name:?} of the query: {reason}")]
    #[failure(Invalid, "query_invalid")]
    #[hint(if let Some(nearest) = nearest, "did you mean {nearest}?")]
    #[details(name, nearest)]
    FieldFilter { name: String, reason: String, nearest: Option<String> },
    /// No custom field of that id, or of that name.
    #[error("no custom field {field} in this realm")]
    #[failure(NotFound, "custom_field_not_found")]
    #[hint(if let Some(nearest) = nearest, "did you mean {nearest}?")]
    #[hint(else, "see which there are" => RightsAction::ListCustomFields(at.clone()))]
    #[details(field, nearest)]
    NoField { field: String, nearest: Option<String>, at: InRealm },
    /// Users, or groups, have a custom field of that name already.
    #[error("custom field {name:?} already exists")]
    #[failure(Conflict, "custom_field_exists")]
    #[hint(
        "see the existing one"
            => RightsAction::ShowCustomField { name: name.clone(), of_groups: *groups, realm: at.clone() }
    )]
    #[details(name)]
    FieldExists { name: String, groups: bool, at: InRealm },
    /// A custom field that contradicts itself, or is one too many.
    #[error("custom field {field:?}: {reason}")]
    #[failure(Invalid, "custom_field_invalid")]
    #[details(field)]
    FieldRefused { field: String, reason: String },
    /// A choice that is to go, and that somebody has.
    #[error("choice {choice:?} of custom field {field:?} is in use; nothing was changed")]
    #[failure(Conflict, "choice_in_use")]
    #[details(field, choice)]
    ChoiceInUse { field: String, choice: String },
    /// No time zone of that name.
    #[error("no time zone is called {0:?}: names are those of the IANA database, such as Europe/Berlin")]
    #[failure(Invalid, "time_zone_unknown")]
    NoTimeZone(String),
    /// What is to be changed was changed meanwhile.
    #[error(transparent)]
    #[failure(transparent)]
    Stale(#[from] Stale),
    /// A condition that does not parse.
    #[error(transparent)]
    #[failure(Invalid, "condition_invalid")]
    Condition(#[from] ConditionError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// No administrator would be left.
    #[error("no administrator (*:*) would be left in this realm; nothing was changed")]
    #[failure(Forbidden, "last_administrator")]
    #[hint("make another administrator first" => RightsAction::GrantRole("Admin".to_owned(), at.clone()))]
    LastAdministrator { at: InRealm },
    /// A group would be inside itself.
    #[error("group {group:?} cannot be moved into {parent:?}, which is inside it")]
    #[failure(Conflict, "group_cycle")]
    Cycle { group: String, parent: String },
    /// Groups would be nested too deeply.
    #[error("groups are nested at most {0} deep")]
    #[failure(Conflict, "group_depth")]
    Depth(i32),
    /// A built-in role can be changed, not deleted or renamed.
    #[error("role {0:?} is built in: it can be changed, not deleted or renamed")]
    #[failure(Conflict, "role_built_in")]
    BuiltIn(String),
    /// A group that contains other groups.
    #[error("group {name:?} contains other groups")]
    #[failure(Conflict, "group_not_empty")]
    #[hint("see them" => RightsAction::ShowGroupTree(at.clone()))]
    #[hint("move each away first" => RightsAction::MoveGroupToTop(part.clone(), at.clone()))]
    HasGroups { name: String, part: String, at: InRealm },
    /// The password is not accepted, or could not be hashed.
    #[error(transparent)]
    #[failure(transparent)]
    Password(#[from] PasswordError),
    /// The single-use token is wrong or was used, or its user is disabled: one answer for all.
    #[error("the token is not valid, or has expired")]
    #[failure(Unauthenticated, "token_invalid")]
    Token,
    /// The single-use token was good once, and its time is over.
    #[error("the token has expired")]
    #[failure(Unauthenticated, "token_expired")]
    #[hint("ask for a new message")]
    TokenExpired,
    /// The realm takes no registrations.
    #[error("nobody can register here")]
    #[failure(Forbidden, "registration_closed")]
    #[hint("ask an administrator for an invitation")]
    RegistrationClosed,
    /// The realm takes registrations of those who were invited.
    #[error("only who was invited can register here")]
    #[failure(Forbidden, "invitation_needed")]
    #[hint("send the token of the invitation along")]
    InvitationNeeded,
    /// The schema of the realm is older than this program: it has no tables for this yet.
    #[error("the tenant's schema is older than this program, and has no place for this")]
    #[failure(Unavailable, "realm_outdated")]
    #[hint("migrate it" => MigrateAction::All)]
    Outdated,
    /// The sign-in failed: one answer for all reasons.
    #[error("the e-mail address, the password or the code is wrong, or the account is locked")]
    #[failure(Unauthenticated, "sign_in_refused")]
    SignIn,
    /// The password is right, and the second factor is asked for.
    #[error("a code of the second factor is needed")]
    #[failure(Unauthenticated, "mfa_required")]
    #[hint("send the challenge with a code, or a recovery code")]
    CodeNeeded,
    /// The challenge is none, was used, or its time is over.
    #[error("the challenge is not valid, was used or has expired")]
    #[failure(Unauthenticated, "challenge_invalid")]
    #[hint("sign in once more")]
    Challenge,
    /// The password that somebody gives as their own is wrong, or their account is locked.
    #[error("the current password is wrong, or the account is locked")]
    #[failure(Forbidden, "password_wrong")]
    PasswordWrong,
    /// The code of the second factor is wrong.
    #[error("the code is wrong, or was used already")]
    #[failure(Unauthenticated, "code_wrong")]
    Code,
    /// A date that is out of range.
    #[error("{0}")]
    #[failure(Invalid, "date_invalid")]
    Date(&'static str),
    /// A declaration that contradicts itself.
    #[error("the declaration is wrong: {0}")]
    #[failure(Invalid, "declaration_invalid")]
    Declaration(String),
    /// Something is attached to the realm's tables that Nexus did not create.
    #[error("the realm's tables were tampered with: {0}")]
    #[failure(Integrity, "realm_tampered")]
    Tampered(String),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// Another try of the same request has taken its Idempotency-Key meanwhile.
    #[error("another try of this request took its Idempotency-Key meanwhile")]
    #[failure(Busy, "idempotency_key_in_use")]
    Overtaken,
    /// An answer could not be sealed.
    #[error("an answer could not be sealed: {0}")]
    #[failure(Internal, "seal_failed")]
    Unsealed(String),
    /// The role of the realm's owner could not be assumed.
    #[error(transparent)]
    #[failure(transparent)]
    Cluster(#[from] ClusterError),
    /// The system has no random numbers.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// Whoever asked could not take in what is reported.
    #[error("{0}")]
    #[failure(transparent)]
    Report(AnyFailure),
    /// A sealed secret failed.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// The tokens of users who lost rights could not be revoked.
    #[error("tokens could not be revoked: {0}")]
    #[failure(transparent)]
    RevocationHook(Box<dyn Failure>),
}

impl IamError {
    /// Of a statement on tables that a realm of an older version does not have. 42P01, 42703: there is no such
    /// table, or column.
    pub(super) fn of_older_realm(error: DbError) -> Self {
        match error.state() {
            Some("42P01" | "42703") => Self::Outdated,
            _ => Self::Db(error),
        }
    }

    /// Of a custom field that cannot be as it is wanted.
    pub(super) fn refused_field(name: &FieldName, reason: &str) -> Self {
        Self::FieldRefused { field: name.to_string(), reason: reason.to_owned() }
    }

    /// Of a role or group that is not among those that there are; with the nearest of them.
    pub(super) fn not_among(what: &'static str, name: &NameRef, known: &[String], at: InRealm) -> Self {
        let name = name.to_string();
        let nearest = suggest::alike(&name, known.iter().map(String::as_str)).map(str::to_owned);
        Self::NotFound { what, name, nearest, at }
    }
}

/// What lists things of a kind.
fn listed_by(what: &str, at: &InRealm) -> Action {
    match what {
        "role" => RightsAction::ListRoles(at.clone()).into(),
        "group" => RightsAction::ListGroups(at.clone()).into(),
        _ => UserAction::List(at.clone()).into(),
    }
}

/// What shows a thing of a kind.
fn shown_by(what: &str, name: &str, at: &InRealm) -> Action {
    let (name, at) = (name.to_owned(), at.clone());
    match what {
        "role" => RightsAction::ShowRole(name, at).into(),
        "group" => RightsAction::ShowGroup(name, at).into(),
        _ => UserAction::Show(name, at).into(),
    }
}

/// What is wrong with several fields.
fn listed_fields(fields: &[WrongField]) -> String {
    fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Names, each quoted, with commas between them.
fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// What to do where a role goes on allowing what was to be denied. `by` are permissions as the
/// role holds them, a condition behind `when`.
fn covered_hints(role: &str, by: &[String], at: &InRealm) -> Vec<Hint> {
    let deny = by.iter().map(|held| {
        let pattern = held.split_once(' ').map_or(held.as_str(), |(pattern, _)| pattern).to_owned();
        let disallow = RightsAction::Disallow { role: role.to_owned(), pattern, realm: at.clone() };
        Hint::new("remove that from it", disallow)
    });
    let allow = RightsAction::Allow(role.to_owned(), at.clone());
    deny.chain([Hint::new("before that, let it keep what it should", allow)]).collect()
}
