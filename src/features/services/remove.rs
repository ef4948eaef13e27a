//! Removing services.

use serde_json::json;
use uuid::Uuid;

use super::change::{Change, Noted, carry_out};
use super::error::ServiceError;
use super::model::{Instance, written};
use super::read::authorize;
use super::store;
use super::views::{RemovedService, Row};
use crate::features::iam::Realm;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, RealmRef, TenantId};

struct Remove<'a>(&'a Instance);

/// Removes a realm's own service: all of its versions and addresses, or those that are named. What is called of it is
/// answered still.
///
/// # Errors
/// Without `service:delete`; [`ServiceError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn remove(
    realm: &mut Realm,
    caller: &Caller,
    which: &Instance,
) -> Result<RemovedService, ServiceError> {
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "service:delete")?;
    carry_out(work, at, &Remove(which)).await
}

impl Change for Remove<'_> {
    type Made = RemovedService;

    async fn make(
        &self,
        control: &mut PgConnection,
        at: &RealmRef,
    ) -> Result<(RemovedService, Option<Noted>), ServiceError> {
        let Self(which) = self;
        store::lock(control).await?;
        let rows = store::named(control, &[at.id], which.name.as_str()).await?;
        let url = which.url.as_deref().map(written);
        let is_named = |row: &Row| {
            which.version.is_none_or(|version| row.version == version.number())
                && url.as_ref().is_none_or(|url| row.url == *url)
        };
        let (gone, kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_named);
        if gone.is_empty() {
            return Err(ServiceError::not_found(&which.name, at));
        }
        let ids: Vec<Uuid> = gone.iter().map(|row| row.instance_id).collect();
        store::delete(control, &ids).await?;
        let is_over = |version: &i32| kept.iter().all(|row| row.version != *version);
        let mut versions: Vec<i32> = gone.iter().map(|row| row.version).filter(is_over).collect();
        versions.sort_unstable();
        versions.dedup();
        let detail = json!({ "service": which.name, "versions": versions, "instances": ids.len() });
        let urls = gone.into_iter().map(|row| row.url).collect();
        let made = RemovedService { name: which.name.to_string(), versions, urls };
        Ok((made, Some(Noted { action: "service.remove", detail })))
    }
}

/// Deletes all services of a tenant, which is destroyed.
pub(in crate::features) async fn forget_tenant(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<(), DbError> {
    store::forget_tenant(control, tenant).await
}
