//! What a tenant uses of what it may use.

use serde_json::Map;

use super::database::Database;
use super::error::BusinessError;
use super::reach::Reach;
use super::store;
use super::views::{DatabaseView, OwnUsageView, Used};
use crate::features::usage::{self, Month};
use crate::features::{files, migrations};
use crate::infra::db::{DbError, History};
use crate::kernel::{Caller, ErrorKind, Failure as _};

/// What a tenant uses in a month, with what it may use: as its realm, the platform's count of requests and its own
/// login at its database say.
///
/// # Errors
/// Without `usage:read`; when the realm or the database cannot be opened.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn usage(at: &impl Reach, caller: &Caller, month: Month) -> Result<OwnUsageView, BusinessError> {
    let mut realm = at.realm().await?;
    let mut work = realm.look(caller).await?;
    work.authorize("usage:read", &Map::new())?;
    let users = work.count_users().await?;
    let files = files::totals(&mut work).await?;
    work.close().await?;
    let control = realm.control().await?;
    let requests = usage::requests(control, at.tenant().id, month).await?;
    let histories = migrations::histories(control).await?;
    // A tenant has a share of the sessions, and this one is not needed any more.
    drop(realm);
    let database = look(&mut *at.database().await?, histories).await?;
    let limits = at.tenant().profile.limits;
    let used = |used, limit| Used { used, limit };
    Ok(OwnUsageView {
        month: month.to_string(),
        users: used(users, limits.max_users),
        storage_bytes: used(files.bytes.saturating_add(files.pending_bytes), limits.max_storage_bytes),
        requests: used(requests, limits.max_requests_a_month),
        database,
    })
}

/// How large a database is, and how far these sets of migrations are there, each given with its history.
async fn look(database: &mut Database, sets: Vec<(String, String)>) -> Result<DatabaseView, DbError> {
    let histories: Vec<_> = sets.into_iter().map(|(set, table)| (set, History::new(&table))).collect();
    let seen = store::seen(database.session(), &histories).await?;
    let readable: Vec<_> = histories.iter().filter(|(set, _)| seen.readable.contains(set)).collect();
    if readable.is_empty() {
        return Ok(DatabaseView { bytes: seen.bytes, schemas: Vec::new() });
    }
    let schemas = match store::versions(database.session(), &readable).await {
        // The tenant's owner has put something else in the place of a history: what it says counts for nothing.
        Err(error) if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy) => Vec::new(),
        versions => versions?,
    };
    Ok(DatabaseView { bytes: seen.bytes, schemas })
}
