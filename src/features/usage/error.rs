//! Why something is more than a tenant may use.

use super::month::Month;
use crate::features::tenants::TenantError;
use crate::infra::db::DbError;
use crate::kernel::Failure;

/// More than a tenant may use, or it cannot be known.
#[derive(Debug, thiserror::Error, Failure)]
pub enum UsageError {
    /// The tenant has made all the requests of this month that it may make.
    #[error("tenant {slug:?} may make {limit} requests a month, and has made them in {month}")]
    #[failure(Forbidden, "request_limit_reached")]
    #[hint(
        "an operator of the platform can raise the limit; requests are counted afresh on the first of a month (UTC)"
    )]
    #[details(limit, month = month.to_string())]
    Requests { slug: String, limit: i64, month: Month },
    /// The tenant's files would be larger than they may be.
    #[error("the tenant's files may have {limit} bytes in all; they have {used}, and this one has {more}")]
    #[failure(Forbidden, "storage_limit_reached")]
    #[hint("delete files that are not needed, or ask an operator of the platform to raise the limit")]
    #[details(limit, used, more)]
    Storage { limit: i64, used: i64, more: i64 },
    /// There is no such tenant, or the caller may not see it.
    #[error(transparent)]
    #[failure(transparent)]
    Tenant(#[from] TenantError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
}

impl UsageError {
    /// Whether what was to be written may have been, though nobody said so.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Db(error) if error.state().is_none())
    }
}

/// Requires that a tenant's files may grow by so many bytes, where they may have `most`.
///
/// # Errors
/// [`UsageError::Storage`].
pub fn require_storage(most: Option<i64>, (used, more): (i64, i64)) -> Result<(), UsageError> {
    match most {
        Some(limit) if used.saturating_add(more) > limit => Err(UsageError::Storage { limit, used, more }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_may_fill_the_limit_and_not_go_beyond() {
        assert!(require_storage(Some(100), (60, 40)).is_ok());
        let beyond = require_storage(Some(100), (60, 41)).unwrap_err();
        assert_eq!(beyond.code(), "storage_limit_reached");
        assert!(require_storage(None, (i64::MAX, 1)).is_ok());
    }
}
