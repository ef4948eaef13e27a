//! What can go wrong with a tenant's facts.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::infra::db::DbError;
use crate::kernel::{Failure, Stale, TenantId};

/// A request about tenants that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum TenantError {
    /// No tenant of that slug or id.
    #[error("no tenant {name:?}")]
    #[failure(NotFound, "tenant_not_found")]
    #[hint("see which there are" => TenantAction::List)]
    #[details(name, nearest = null)]
    #[neighbour(nearest.as_deref())]
    NotFound {
        name: String,
        /// A slug that is one slip away: another tenant, which may not be meant.
        nearest: Option<String>,
    },
    /// The tenant of that slug was purged.
    #[error("tenant {name:?} was {} {} by {by}", if *made { "purged" } else { "never finished; its creation was rolled back" }, at.date())]
    #[failure(NotFound, "tenant_not_found")]
    #[hint("what was purged cannot be undeleted; its slug is free")]
    #[hint("see what was done to it" => AuditAction::OfTenant(*id))]
    #[details(name, nearest = null, id, purged = made, at = at.format(&Rfc3339).unwrap_or_default(), by)]
    Purged {
        name: String,
        id: TenantId,
        /// Whether it was ever in use.
        made: bool,
        at: OffsetDateTime,
        by: String,
    },
    /// The tenant of that slug was renamed.
    #[error("no tenant {name:?}: it is called {slug} now")]
    #[failure(NotFound, "tenant_renamed")]
    #[hint("{name} is now called {slug} since {}", since.date() => TenantAction::Show(Some(slug.clone())))]
    #[details(name, slug, since = since.format(&Rfc3339).unwrap_or_default())]
    Renamed { name: String, slug: String, since: OffsetDateTime },
    /// Another tenant has the slug.
    #[error("slug {slug:?} is taken by another tenant")]
    #[failure(Conflict, "slug_taken")]
    #[hint("see who has it" => TenantAction::Show(Some(slug.clone())))]
    #[details(slug)]
    SlugTaken { slug: String },
    /// A change says two things of one label.
    #[error("label {key} is named twice")]
    #[failure(Invalid, "label_twice")]
    #[details(key)]
    LabelTwice { key: String },
    /// A change both adds and removes a module.
    #[error("module {module} is both added and removed")]
    #[failure(Invalid, "module_twice")]
    #[details(module)]
    ModuleTwice { module: String },
    /// A tenant would have too many modules.
    #[error("a tenant has at most {most} modules, and it would have {count}")]
    #[failure(Invalid, "too_many_modules")]
    #[details(count, most)]
    TooManyModules { count: usize, most: usize },
    /// The tenant no longer exists, and cannot be changed.
    #[error("tenant {slug:?} no longer exists")]
    #[failure(Conflict, "tenant_gone")]
    #[hint("see which there are" => TenantAction::List)]
    #[details(slug)]
    Gone { slug: String },
    /// The tenant is suspended.
    #[error("tenant {slug:?} is suspended since {}: {reason}", since.date())]
    #[failure(Conflict, "tenant_suspended")]
    #[hint("let it be used again" => TenantAction::Resume(slug.clone()))]
    #[details(slug, reason, since = since.format(&Rfc3339).unwrap_or_default())]
    Suspended { slug: String, reason: String, since: OffsetDateTime },
    /// The tenant is in the trash.
    #[error("tenant {slug:?} is deleted and kept until {}", purge_after.date())]
    #[failure(Conflict, "tenant_trashed")]
    #[hint("undelete it" => TenantAction::Undelete(slug.clone()))]
    #[details(slug, purge_after = purge_after.format(&Rfc3339).unwrap_or_default())]
    Trashed { slug: String, purge_after: OffsetDateTime },
    /// The tenant is not in a state in which this can be done.
    #[error("tenant {slug:?} is {state}, not active")]
    #[failure(Conflict, "tenant_not_active")]
    #[hint("see where it stands" => OperationAction::ListOf(slug.clone()))]
    #[hint("finish or roll back what was started" => TenantAction::Repair(Some(slug.clone())))]
    #[details(slug, state)]
    NotActive { slug: String, state: &'static str },
    /// The tenant was changed since the caller read it.
    #[error(transparent)]
    #[failure(transparent)]
    Stale(#[from] Stale),
    /// Another try of the same request has taken its Idempotency-Key meanwhile.
    #[error(transparent)]
    #[failure(transparent)]
    Attempt(#[from] Box<IamError>),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}
