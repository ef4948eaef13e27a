//! Files as runs took them, and what of each set is in which tenant. For whoever moves tenants.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::error::MigrationsError;
use super::model::{BUILT_IN, File, Set};
use super::store;
use crate::kernel::TenantId;

/// Stores files of a set as they are now: what was approved is what runs. To be called in the
/// transaction of the run's intent.
///
/// # Errors
/// When the statement fails, e.g. because the set is gone.
pub async fn store_files(tx: &mut PgConnection, set: &Set, files: &[&File]) -> Result<(), MigrationsError> {
    Ok(store::insert_files(tx, &set.name, files).await?)
}

/// A file as it was stored.
///
/// # Errors
/// [`MigrationsError::NotStored`].
pub async fn file(
    control: &mut PgConnection,
    set: &str,
    version: i64,
    checksum: &[u8],
) -> Result<File, MigrationsError> {
    let found = store::stored_file(control, set, version, checksum).await?;
    let (description, up, down) =
        found.ok_or_else(|| MigrationsError::NotStored { set: set.to_owned(), version })?;
    let name = format!("{set}/{version}");
    File::new(version, description, (&name, up), down.map(|text| (name.as_str(), text)))
}

/// What new tenants are born with: set, version, checksum; by set and version. Nexus's own set is
/// not among it: of that they have whatever the binary has.
///
/// # Errors
/// When the statement fails.
pub async fn released(control: &mut PgConnection) -> Result<Vec<(String, i64, Vec<u8>)>, MigrationsError> {
    Ok(store::released(control).await?)
}

/// Has new tenants be born with a stored file, and with no other of its version.
///
/// # Errors
/// [`MigrationsError::NotStored`].
pub async fn release(
    tx: &mut PgConnection,
    set: &str,
    version: i64,
    checksum: &[u8],
) -> Result<(), MigrationsError> {
    store::withdraw(tx, set, version).await?;
    if store::release(tx, set, version, checksum).await? {
        Ok(())
    } else {
        Err(MigrationsError::NotStored { set: set.to_owned(), version })
    }
}

/// Has new tenants not be born with a version any more.
///
/// # Errors
/// When the statement fails.
pub async fn withdraw(tx: &mut PgConnection, set: &str, version: i64) -> Result<(), MigrationsError> {
    Ok(store::withdraw(tx, set, version).await?)
}

/// The newest version of a set in each tenant, as last seen; a tenant without any is left out.
///
/// # Errors
/// When the statement fails.
pub async fn versions(
    control: &mut PgConnection,
    set: &str,
) -> Result<HashMap<TenantId, i64>, MigrationsError> {
    Ok(match set {
        BUILT_IN => store::built_in_versions(control).await?,
        _ => store::versions(control, set).await?,
    })
}

/// Notes the newest version of a set in a tenant; 0: it has none.
///
/// # Errors
/// When the statement fails.
pub async fn record_version(
    tx: &mut PgConnection,
    tenant: TenantId,
    set: &str,
    version: i64,
) -> Result<(), MigrationsError> {
    match (set, version) {
        (BUILT_IN, _) => store::record_built_in_version(tx, tenant, version).await?,
        (_, 0) => store::delete_version(tx, tenant, set).await?,
        _ => store::record_version(tx, tenant, set, version).await?,
    }
    Ok(())
}
