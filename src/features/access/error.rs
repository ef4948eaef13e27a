//! Why something may not be done.

use crate::infra::db::DbError;
use crate::kernel::{Caller, Failure};

/// A check of rights that was not passed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum AccessError {
    /// The caller lacks a permission.
    #[error("{caller} lacks permission {permission}")]
    #[failure(Forbidden, "permission_missing")]
    #[hint(if !roles.is_empty(), "give them role {}", roles.join(" or ") => RightsAction::GrantRole(roles[0].to_owned(), InRealm::default()))]
    #[hint(else if *machine_only, "run it where the platform's credentials are")]
    #[details(permission)]
    Forbidden {
        caller: String,
        permission: &'static str,
        /// The built-in roles of the platform that hold it.
        roles: Vec<&'static str>,
        /// Whether no role gives it.
        machine_only: bool,
    },
    /// The caller may not give, take or touch what it does not hold itself.
    #[error("{what} holds {permission}, which the caller does not hold")]
    #[failure(Forbidden, "permission_not_held")]
    #[details(what, permission)]
    Above { what: String, permission: String },
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
}

impl AccessError {
    /// For a permission that a realm's own roles give, or a grant there.
    pub(in crate::features) fn missing(caller: &Caller, permission: &'static str) -> Self {
        Self::Forbidden { caller: caller.to_string(), permission, roles: Vec::new(), machine_only: false }
    }
}
