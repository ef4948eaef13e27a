//! Looking at webhooks.

use serde_json::Map;

use super::error::WebhookError;
use super::store;
use super::views::Webhook;
use crate::features::iam::{Realm, RowsTx};
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, RealmRef, WebhookId};

/// Requires a permission on the webhooks of a tenant, which it gives. They have no attributes that conditions could look
/// at.
pub(super) fn authorize<'a>(
    work: &mut RowsTx<'a>,
    permission: &'static str,
) -> Result<&'a RealmRef, WebhookError> {
    work.authorize(permission, &Map::new())?;
    if work.is_platform() { Err(WebhookError::NoTenant) } else { Ok(work.place()) }
}

/// The webhook of a tenant.
pub(super) async fn find(
    control: &mut PgConnection,
    at: &RealmRef,
    id: WebhookId,
) -> Result<Webhook, WebhookError> {
    let found = store::find(control, (at.id, id)).await?;
    found.ok_or_else(|| WebhookError::NotFound { id, at: at.hinted() })
}

/// The webhooks of a tenant, the oldest first: at most fifty.
///
/// # Errors
/// Without `webhook:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<Webhook>, WebhookError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "webhook:read")?;
    let found = store::list(work.control().await?, at.id).await?;
    work.close().await?;
    Ok(found)
}

/// A webhook, without its secrets.
///
/// # Errors
/// Without `webhook:read`; [`WebhookError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(realm: &mut Realm, caller: &Caller, id: WebhookId) -> Result<Webhook, WebhookError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "webhook:read")?;
    let found = find(work.control().await?, at, id).await?;
    work.close().await?;
    Ok(found)
}
