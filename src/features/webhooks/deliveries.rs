//! What became of events at a webhook.

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::WebhookError;
use super::model::DeliveryState;
use super::read::{authorize, find};
use super::store;
use crate::features::iam::Realm;
use crate::kernel::{Caller, Page, Pagination, Total, WebhookId};

/// What became of an event at a webhook. Kept for 30 days.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
pub struct WebhookDelivery {
    pub id: Uuid,
    /// The event; `webhook-id` is `evt_` and its digits.
    pub event_id: Uuid,
    #[schema(example = "order.shipped")]
    pub event_type: String,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub event_at: OffsetDateTime,
    pub state: DeliveryState,
    /// How often it was sent, since it was asked for last.
    pub attempts: i32,
    /// When it is sent next; `null` where it is not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_at: Option<OffsetDateTime>,
    /// The status of the last answer; `null` where there was none.
    #[schema(example = 503)]
    pub last_status: Option<i32>,
    /// Why the last attempt failed; `null` where it did not.
    pub last_error: Option<String>,
    /// At most 1,024 characters of the last answer's body.
    pub last_response: Option<String>,
    /// How long the last attempt took, in milliseconds.
    pub last_duration_ms: Option<i32>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Which deliveries a list holds.
#[derive(Debug, Clone)]
pub struct DeliveryFilter {
    pub webhook: WebhookId,
    pub state: Option<DeliveryState>,
    /// Only those that come after this one in the list.
    pub before: Option<Uuid>,
}

impl DeliveryFilter {
    /// Of a webhook, all of them.
    #[must_use]
    pub fn of(webhook: WebhookId) -> Self {
        Self { webhook, state: None, before: None }
    }
}

/// Deliveries of a webhook, the newest first.
///
/// # Errors
/// Without `webhook:read`; [`WebhookError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn deliveries(
    realm: &mut Realm,
    caller: &Caller,
    filter: &DeliveryFilter,
    page: Page,
) -> Result<Vec<WebhookDelivery>, WebhookError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "webhook:read")?;
    let control = work.control().await?;
    find(control, at, filter.webhook).await?;
    let rows = store::deliveries(control, filter, (i64::from(page.limit), page.offset())).await?;
    work.close().await?;
    Ok(rows)
}

/// The same, with where the page stands among all.
///
/// # Errors
/// As [`deliveries`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page_of_deliveries(
    realm: &mut Realm,
    caller: &Caller,
    filter: &DeliveryFilter,
    (page, total): (Page, Total),
) -> Result<(Vec<WebhookDelivery>, Pagination), WebhookError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "webhook:read")?;
    let control = work.control().await?;
    find(control, at, filter.webhook).await?;
    let mut rows = store::deliveries(control, filter, (page.fetched(), page.offset())).await?;
    let counting = store::count_deliveries(control, filter, total.limit());
    let place = Pagination::of((page, total), &mut rows, filter.before.is_none(), counting).await?;
    work.close().await?;
    Ok((rows, place))
}

/// One delivery.
///
/// # Errors
/// Without `webhook:read`; [`WebhookError::NotFound`], [`WebhookError::NoDelivery`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delivery(
    realm: &mut Realm,
    caller: &Caller,
    (webhook, id): (WebhookId, Uuid),
) -> Result<WebhookDelivery, WebhookError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "webhook:read")?;
    let control = work.control().await?;
    find(control, at, webhook).await?;
    let missing = || WebhookError::NoDelivery { id, webhook, at: at.hinted() };
    let found = store::delivery(control, (webhook, id)).await?.ok_or_else(missing)?;
    work.close().await?;
    Ok(found)
}
