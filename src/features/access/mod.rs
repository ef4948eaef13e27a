//! Who may do what: permissions, conditions, what a user's roles grant, and the check of a caller
//! that every service function of the platform asks for before it reads or writes.
//!
//! A fact feature that uses no other, so that every other can use it. What it decides by is written
//! by `iam`. Start reading at [`authorize`], then [`rights`].

mod authorize;
mod authorized;
mod cache;
pub mod condition;
mod error;
mod grants;
mod model;
mod permission;
pub mod rights;
mod store;

pub use authorize::About;
pub(in crate::features) use authorize::{RealmSession, authorize, authorize_in_realm, authorize_machine};
pub use authorized::Authorized;
pub(crate) use cache::GrantsCache;
pub use condition::{Condition, ConditionError};
pub use error::AccessError;
pub use grants::{Decision, DecisionView, Grant, Grants, Held, HeldView};
pub use model::UserState;
pub use permission::{NotAPermission, Permission};
pub use rights::Right;
pub(in crate::features) use store::{
    conditional_grants, grants_of_group, grants_of_operator, grants_of_role, grants_of_user, roles_with,
    state,
};
