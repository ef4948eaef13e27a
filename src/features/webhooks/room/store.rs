//! The SQL of deliveries for which there is no room, in the control database.

use time::OffsetDateTime;
use uuid::Uuid;

use super::super::store::NewDelivery;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{TenantId, WebhookId};

/// How many deliveries of a tenant wait, counted up to a limit, by the index of the open ones of each endpoint.
pub(in super::super) async fn count_waiting(
    control: &mut PgConnection,
    tenant: TenantId,
    most: i64,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from (
             select from control.webhooks cross join lateral (
                 select from control.webhook_deliveries
                 where webhook_id = webhooks.id and state = 'waiting' limit $2) as open
             where webhooks.tenant_id = $1 limit $2) as counted",
    )
    .persistent(false)
    .bind(tenant)
    .bind(most)
    .fetch_one(control)
    .await?)
}

/// Writes deliveries that are not tried; what is written already is left as it is.
pub(in super::super) async fn put_failed(
    control: &mut PgConnection,
    tenant: TenantId,
    (rows, why): (&[NewDelivery<'_>], &str),
) -> Result<(), DbError> {
    let ids: Vec<Uuid> = rows.iter().map(|_| Uuid::now_v7()).collect();
    let webhooks: Vec<Uuid> = rows.iter().map(|row| row.webhook.uuid()).collect();
    let events: Vec<Uuid> = rows.iter().map(|row| row.event).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind).collect();
    let times: Vec<OffsetDateTime> = rows.iter().map(|row| row.at).collect();
    sqlx::query(
        "insert into control.webhook_deliveries
             (id, tenant_id, webhook_id, event_id, event_type, event_at, state, last_error)
         select id, $1, webhook, event, type, at, 'failed', left($7, 1000)
         from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[])
             as given (id, webhook, event, type, at)
         on conflict (webhook_id, event_id) do nothing",
    )
    .persistent(false)
    .bind(tenant)
    .bind(ids)
    .bind(webhooks)
    .bind(events)
    .bind(kinds)
    .bind(times)
    .bind(why)
    .execute(control)
    .await?;
    Ok(())
}

/// Notes that these webhooks miss events from here on.
pub(in super::super) async fn note_missed(
    control: &mut PgConnection,
    webhooks: &[Uuid],
) -> Result<(), DbError> {
    sqlx::query(
        "with found as (
             select id from control.webhooks where id = any($1) and missed_since is null order by id for update
         )
         update control.webhooks set missed_since = now() from found
         where webhooks.id = found.id",
    )
    .persistent(false)
    .bind(webhooks)
    .execute(control)
    .await?;
    Ok(())
}

/// Ends deliveries that cannot be tried.
pub(in super::super) async fn fail_all(
    control: &mut PgConnection,
    (deliveries, why): (&[(WebhookId, Uuid)], &str),
) -> Result<(), DbError> {
    let (webhooks, events): (Vec<Uuid>, Vec<Uuid>) =
        deliveries.iter().map(|(webhook, event)| (webhook.uuid(), *event)).unzip();
    sqlx::query(
        "update control.webhook_deliveries
         set state = 'failed', next_at = null, last_error = left($3, 1000), updated_at = now()
         from unnest($1::uuid[], $2::uuid[]) as given (webhook, event)
         where webhook_id = given.webhook and event_id = given.event and state = 'waiting'",
    )
    .persistent(false)
    .bind(webhooks)
    .bind(events)
    .bind(why)
    .execute(control)
    .await?;
    Ok(())
}
