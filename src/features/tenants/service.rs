//! Reading tenants, lists apart.

use std::str::FromStr;

use super::error::TenantError;
use super::model::{Tenant, TenantState};
use super::selector::Selector;
use super::store;
use crate::features::access::{self, About, Authorized, rights};
use crate::infra::db::{DbError, PgConnection, literal};
use crate::kernel::slug::SlugError;
use crate::kernel::{Caller, Slug, TenantId, suggest};

/// How a person names a tenant: by its slug, or by its id, which also finds one that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TenantRef {
    /// By its slug.
    Slug(Slug),
    /// By its id, which never changes.
    Id(TenantId),
}

impl FromStr for TenantRef {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<TenantId>() {
            // A UUID without hyphens could be a slug, too, if it begins with a letter.
            Ok(id) if text.len() == 36 => Ok(Self::Id(id)),
            _ => text.parse().map(Self::Slug),
        }
    }
}

impl TenantRef {
    /// The tenant that a caller may do something to, also where it is renamed at this moment.
    #[must_use]
    pub fn for_caller(&self, caller: &Authorized<'_>) -> Self {
        caller.only().map_or_else(|| self.clone(), Self::Id)
    }

    /// What rights are asked for about.
    #[must_use]
    pub fn about(&self) -> About<'_> {
        match self {
            Self::Slug(slug) => About::Slug(slug.as_str()),
            Self::Id(id) => About::Tenant(*id),
        }
    }
}

impl std::fmt::Display for TenantRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slug(slug) => slug.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// The tenant, if there is one.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn find(
    connection: &mut PgConnection,
    caller: &Caller,
    name: &TenantRef,
) -> Result<Option<Tenant>, TenantError> {
    let caller = &access::authorize(connection, caller, &rights::TENANT_READ, name.about()).await?;
    Ok(look_up(connection, name).await?.filter(|tenant| caller.is_for(tenant.id)))
}

/// The same for other features.
pub(in crate::features) async fn look_up(
    connection: &mut PgConnection,
    name: &TenantRef,
) -> Result<Option<Tenant>, DbError> {
    match name {
        TenantRef::Slug(slug) => store::by_slug(connection, slug.as_str()).await,
        TenantRef::Id(id) => store::by_id(connection, *id).await,
    }
}

/// The tenant.
///
/// # Errors
/// [`TenantError::NotFound`], with the nearest slug.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(
    connection: &mut PgConnection,
    caller: &Caller,
    name: &TenantRef,
) -> Result<Tenant, TenantError> {
    let caller = &access::authorize(connection, caller, &rights::TENANT_READ, name.about()).await?;
    read(connection, caller, name).await
}

/// The tenant, for whoever may do something to it.
///
/// # Errors
/// [`TenantError::NotFound`], also where it is another one than what was asked for.
pub(in crate::features) async fn read(
    connection: &mut PgConnection,
    caller: &Authorized<'_>,
    name: &TenantRef,
) -> Result<Tenant, TenantError> {
    if let Some(tenant) = look_up(connection, name).await?.filter(|tenant| caller.is_for(tenant.id)) {
        return Ok(tenant);
    }
    Err(missing(connection, name).await?)
}

/// The tenant whose realm the caller is about to enter. Its own users need nothing for that; what they
/// may do inside is for their roles there to say.
///
/// # Errors
/// [`TenantError::NotFound`]; for others than its users, without `tenant:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn enter(
    connection: &mut PgConnection,
    caller: &Caller,
    name: &TenantRef,
) -> Result<Tenant, TenantError> {
    if let Caller::User { realm, .. } = caller
        && *realm != TenantId::PLATFORM
        && let Some(tenant) = store::by_id(connection, *realm).await?
        && (*name == TenantRef::Id(tenant.id) || name.to_string() == tenant.slug)
    {
        return Ok(tenant);
    }
    let caller = &access::authorize(connection, caller, &rights::TENANT_READ, name.about()).await?;
    read(connection, caller, name).await
}

/// The tenants that other processes changed since an earlier reading with this horizon, each with the
/// transaction that did, and the horizon for the next one: for who keeps something of tenants in memory. The
/// same change is told again for as long as an older transaction is under way.
///
/// # Errors
/// Without the platform's credentials; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn changed_since(
    connection: &mut PgConnection,
    caller: &Caller,
    horizon: Option<i64>,
) -> Result<(Vec<(TenantId, i64)>, i64), TenantError> {
    access::authorize(connection, caller, &rights::TENANT_READ, About::Platform).await?;
    Ok(store::changed_since(connection, horizon).await?)
}

/// The condition of a statement that selects the tenant of a name among `control.tenants`.
#[must_use]
pub(in crate::features) fn row_of(name: &TenantRef) -> String {
    match name {
        TenantRef::Slug(slug) => format!("slug = {} and state <> 'deleted'", literal(slug.as_str())),
        TenantRef::Id(id) => format!("id = '{id}'"),
    }
}

/// Why there is no tenant of that name: it was renamed or purged, or there is none.
pub(in crate::features) async fn missing(
    connection: &mut PgConnection,
    name: &TenantRef,
) -> Result<TenantError, DbError> {
    let name = name.to_string();
    if let Some((_, slug, since)) = store::renamed(connection, &name).await? {
        return Ok(TenantError::Renamed { name, slug, since });
    }
    if let Some((id, made, at, by)) = store::gone(connection, &name).await? {
        return Ok(TenantError::Purged { name, id, made, at, by });
    }
    let first: String = name.chars().take(1).collect();
    let near = store::slugs(connection, &first, 10_000).await?;
    let nearest = suggest::one_slip_away(&name, near.iter().map(String::as_str)).map(str::to_owned);
    Ok(TenantError::NotFound { name, nearest })
}

/// The ids and slugs of all tenants that fit a selector, by slug.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn select(
    connection: &mut PgConnection,
    caller: &Caller,
    selector: &Selector,
) -> Result<Vec<(TenantId, String)>, TenantError> {
    let caller = &access::authorize(connection, caller, &rights::TENANT_READ, About::Platform).await?;
    read_selected(connection, caller, selector).await
}

/// The same for other features.
pub(in crate::features) async fn read_selected(
    connection: &mut PgConnection,
    _: &Authorized<'_>,
    selector: &Selector,
) -> Result<Vec<(TenantId, String)>, TenantError> {
    Ok(store::selected(connection, selector).await?)
}

/// The keys of labels that tenants have, the first twenty.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn label_keys(connection: &mut PgConnection, caller: &Caller) -> Result<Vec<String>, TenantError> {
    access::authorize(connection, caller, &rights::TENANT_READ, About::Platform).await?;
    Ok(store::label_keys(connection).await?)
}

/// The slugs that a tenant gave up in the last 30 days and that nobody took since, the last first.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn former_slugs(
    connection: &mut PgConnection,
    caller: &Caller,
    tenant: TenantId,
) -> Result<Vec<String>, TenantError> {
    access::authorize(connection, caller, &rights::TENANT_READ, About::Tenant(tenant)).await?;
    Ok(store::former_slugs(connection, tenant).await?)
}

/// Slugs that begin with a text, for completion.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn slugs(
    connection: &mut PgConnection,
    caller: &Caller,
    prefix: &str,
    limit: i64,
) -> Result<Vec<String>, TenantError> {
    access::authorize(connection, caller, &rights::TENANT_READ, About::Platform).await?;
    Ok(store::slugs(connection, prefix, limit).await?)
}

impl Tenant {
    /// The tenant, if it is in use.
    ///
    /// # Errors
    /// [`TenantError::Suspended`], [`TenantError::Trashed`], or [`TenantError::NotActive`] otherwise.
    pub fn active(self) -> Result<Self, TenantError> {
        match self.state {
            TenantState::Active => Ok(self),
            _ => Err(self.unusable()),
        }
    }

    /// The tenant, if it is made and not gone, open or closed.
    ///
    /// # Errors
    /// [`TenantError::NotActive`] otherwise.
    pub fn in_use(self) -> Result<Self, TenantError> {
        match self.state {
            TenantState::Pooled | TenantState::Active | TenantState::Suspended | TenantState::Trashed => {
                Ok(self)
            }
            _ => Err(self.unusable()),
        }
    }

    /// Why nothing can be done with it in the state that it is in.
    #[must_use]
    pub fn unusable(self) -> TenantError {
        let (suspension, trash) = (self.suspension(), self.trash());
        match (self.state, suspension, trash) {
            (TenantState::Trashed, _, Some(trash)) => {
                TenantError::Trashed { slug: self.slug, purge_after: trash.purge_after }
            }
            (TenantState::Suspended, Some(why), _) => {
                TenantError::Suspended { slug: self.slug, reason: why.reason, since: why.at }
            }
            (TenantState::Deleted, _, _) => TenantError::Gone { slug: self.slug },
            (state, _, _) => TenantError::NotActive { slug: self.slug, state: state.as_str() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_named_by_id_or_slug() {
        let id = TenantId::new();
        assert_eq!(id.to_string().parse(), Ok(TenantRef::Id(id)));
        assert_eq!("acme".parse(), Ok(TenantRef::Slug("acme".parse().unwrap())));
        assert!("Acme".parse::<TenantRef>().is_err());
    }
}
