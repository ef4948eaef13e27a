//! Who may do what in a realm: schema `nexus` of a tenant's database or of the control database.
//! Users, groups that nest, roles, permissions with conditions, sign-in, operators' access.
//!
//! A fact feature. Every service function takes a [`Realm`] and the caller, and decides by what the
//! realm grants to that caller. Start reading at [`Realm`]; how grants decide is in `access`.

mod actor;
pub mod apply;
pub mod custom_fields;
mod error;
mod first;
pub mod groups;
pub mod idempotency;
pub mod log;
mod messages;
pub mod model;
mod notes;
pub mod operators;
pub(in crate::features) mod people;
pub mod permissions;
mod realm;
mod revocation;
pub mod roles;
mod rows;
mod rules;
pub mod self_service;
mod settings;
pub mod signin;
mod store;
mod subject;
pub mod users;

pub use error::IamError;
pub use first::FirstPassword;
pub(in crate::features) use first::{FirstSignIn, check_first_password};
pub(in crate::features) use messages::account_message;
pub use messages::{AccountMessage, Message, SignInSeen};
pub use model::{Name, NameRef, User, UserRef, UserState};
pub use realm::Realm;
pub(crate) use realm::{AfterCommit, RIGHTS_VERSION, RealmTools, require_untampered, session_statements};
pub use revocation::{RevocationHook, TokensOf};
pub(in crate::features) use rows::RowsTx;
pub use rules::Rules;
pub use settings::{
    Currency, Language, NotARegistration, NotASetting, RealmSettings, Registration, SettingsUpdate, TimeZone,
    realm_settings, update_settings,
};
pub(in crate::features) use store::{seed_administrator, seed_statement};
pub use subject::{Subject, includes};
pub(in crate::features) use subject::{active_subjects, nearest_email, subject, subject_by_id};

use crate::features::access;
pub use crate::features::access::{
    Condition, Decision, DecisionView, Grant, Grants, Held, HeldView, NotAPermission, Permission,
};
use crate::kernel::{Caller, UserId};

/// Everything that a user of the realm may do, loaded once; decide with [`Grants::can`].
///
/// # Errors
/// Without `user:read`, unless it is the caller; when there is no such user.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn grants(realm: &mut Realm, caller: &Caller, user: UserId) -> Result<Grants, IamError> {
    let mut work = realm.read(caller).await?;
    if !work.actor.is(user) {
        users::find(&mut work, &UserRef::Id(user), "user:read").await?;
    }
    let found = access::grants_of_user(&mut work.tx, user).await?;
    work.close().await?;
    let at = realm.place().hinted();
    found.ok_or_else(|| IamError::NotFound { what: "user", name: user.to_string(), nearest: None, at })
}
