//! Looking at services.

use serde_json::Map;

use super::error::ServiceError;
use super::model::{ServiceName, ServiceVersion};
use super::store;
use super::views::{Row, Service, seen, services};
use crate::features::iam::{Realm, RowsTx};
use crate::kernel::{Caller, RealmRef, TenantId};

/// Requires a permission on the services of a realm, which it gives.
pub(super) fn authorize<'a>(
    work: &mut RowsTx<'a>,
    permission: &'static str,
) -> Result<&'a RealmRef, ServiceError> {
    work.authorize(permission, &Map::new())?;
    Ok(work.place())
}

/// The realms whose services are seen in a realm.
pub(super) fn realms(at: &RealmRef) -> [TenantId; 2] {
    [TenantId::PLATFORM, at.id]
}

/// The services that are seen in a realm, by name and version.
///
/// # Errors
/// Without `service:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<Service>, ServiceError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "service:read")?;
    let shown = work.may("service:create").then_some(at.id);
    let rows = seen(store::list(work.control().await?, &realms(at)).await?);
    work.close().await?;
    Ok(services(&rows, shown))
}

/// A version of a service; where none is named, the highest.
///
/// # Errors
/// Without `service:read`; [`ServiceError::NotFound`], [`ServiceError::VersionNotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(
    realm: &mut Realm,
    caller: &Caller,
    (name, version): (&ServiceName, Option<ServiceVersion>),
) -> Result<Service, ServiceError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "service:read")?;
    let shown = work.may("service:create").then_some(at.id);
    let rows = seen(store::named(work.control().await?, &realms(at), name.as_str()).await?);
    work.close().await?;
    let rows = of_version(rows, (name, version), at)?;
    let found = services(&rows, shown).pop();
    found.ok_or_else(|| ServiceError::not_found(name, at))
}

/// The rows of a version; where none is named, of the highest.
pub(super) fn of_version(
    mut rows: Vec<Row>,
    (name, wanted): (&ServiceName, Option<ServiceVersion>),
    at: &RealmRef,
) -> Result<Vec<Row>, ServiceError> {
    let highest = rows.iter().map(|row| row.version).max();
    let highest = highest.ok_or_else(|| ServiceError::not_found(name, at))?;
    let version = wanted.map_or(highest, ServiceVersion::number);
    let mut versions: Vec<i32> = rows.iter().map(|row| row.version).collect();
    rows.retain(|row| row.version == version);
    if rows.is_empty() {
        versions.sort_unstable();
        versions.dedup();
        let (name, at) = (name.to_string(), at.hinted());
        return Err(ServiceError::VersionNotFound { name, version, versions, at });
    }
    Ok(rows)
}
