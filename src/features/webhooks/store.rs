//! The SQL of webhooks, in the control database.

use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;
use uuid::Uuid;

use super::deliveries::{DeliveryFilter, WebhookDelivery};
use super::health::AttemptResult;
use super::model::{
    DISABLE_AFTER, DeliveryState, DisabledReason, MOST_WEBHOOKS, ROTATION_HOURS, WebhookState,
};
use super::views::Webhook;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{TenantId, WebhookId};

/// The columns of [`Webhook`].
const COLUMNS: &str = "id, url, description, events, state, disabled_reason, disabled_at, missed_since,
    case when previous_secret_until > now() then previous_secret_until end as previous_secret_until, public_key,
    created_by, created_at, updated_at, last_success_at, last_failure_at, failing_since";

/// The columns of [`WebhookDelivery`].
const DELIVERY: &str =
    "id, event_id, event_type, event_at, state, attempts, next_at, last_status::int as last_status,
    last_error, last_response, last_duration_ms, created_at, updated_at";

/// A webhook that is written.
pub(super) struct NewRow<'a> {
    pub(super) id: WebhookId,
    pub(super) tenant: TenantId,
    pub(super) url: &'a str,
    pub(super) description: &'a str,
    pub(super) events: &'a [String],
    pub(super) public_key: Option<&'a str>,
    pub(super) created_by: &'a str,
}

/// Writes a webhook.
pub(super) async fn insert(control: &mut PgConnection, row: &NewRow<'_>) -> Result<Webhook, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "insert into control.webhooks (id, tenant_id, url, description, events, public_key, created_by)
         values ($1, $2, $3, $4, $5, $6, left($7, 200)) returning {COLUMNS}"
    )))
    .bind(row.id)
    .bind(row.tenant)
    .bind(row.url)
    .bind(row.description)
    .bind(row.events)
    .bind(row.public_key)
    .bind(row.created_by)
    .fetch_one(control)
    .await?)
}

/// How many webhooks a tenant has. Others who would make one wait until this transaction ends.
pub(super) async fn count(control: &mut PgConnection, tenant: TenantId) -> Result<i64, DbError> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('webhooks ' || $1::text, 0))")
        .bind(tenant)
        .execute(&mut *control)
        .await?;
    Ok(sqlx::query_scalar("select count(*) from control.webhooks where tenant_id = $1")
        .bind(tenant)
        .fetch_one(control)
        .await?)
}

/// The webhooks of a tenant, the oldest first: there are few.
pub(super) async fn list(control: &mut PgConnection, tenant: TenantId) -> Result<Vec<Webhook>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from control.webhooks where tenant_id = $1 order by id limit $2"
    )))
    .bind(tenant)
    .bind(MOST_WEBHOOKS)
    .fetch_all(control)
    .await?)
}

pub(super) async fn find(
    control: &mut PgConnection,
    (tenant, id): (TenantId, WebhookId),
) -> Result<Option<Webhook>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from control.webhooks where tenant_id = $1 and id = $2"
    )))
    .bind(tenant)
    .bind(id)
    .fetch_optional(control)
    .await?)
}

/// The same, kept as it is until the end of the transaction.
pub(super) async fn lock(
    control: &mut PgConnection,
    (tenant, id): (TenantId, WebhookId),
) -> Result<Option<Webhook>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from control.webhooks where tenant_id = $1 and id = $2 for update"
    )))
    .bind(tenant)
    .bind(id)
    .fetch_optional(control)
    .await?)
}

/// Writes what somebody has changed.
pub(super) async fn update(
    control: &mut PgConnection,
    id: WebhookId,
    (url, description, events, public_key): (&str, &str, &[String], Option<&str>),
) -> Result<Webhook, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "update control.webhooks
         set url = $2, description = $3, events = $4, public_key = $5, updated_at = now()
         where id = $1 returning {COLUMNS}"
    )))
    .bind(id)
    .bind(url)
    .bind(description)
    .bind(events)
    .bind(public_key)
    .fetch_one(control)
    .await?)
}

/// Sends no more. What it misses from here on, and what it did before, can be replayed.
pub(super) async fn disable(
    control: &mut PgConnection,
    id: WebhookId,
    reason: DisabledReason,
) -> Result<Webhook, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "update control.webhooks
         set state = 'disabled', disabled_reason = $2, disabled_at = now(), updated_at = now(),
             missed_since = least(coalesce(missed_since, now()), coalesce(failing_since, now()))
         where id = $1 returning {COLUMNS}"
    )))
    .bind(id)
    .bind(reason)
    .fetch_one(control)
    .await?)
}

/// Sends again, as if nothing had ever failed.
pub(super) async fn enable(control: &mut PgConnection, id: WebhookId) -> Result<Webhook, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "update control.webhooks
         set state = 'active', disabled_reason = null, disabled_at = null, failing_since = null, paused_until = null,
             updated_at = now()
         where id = $1 returning {COLUMNS}"
    )))
    .bind(id)
    .fetch_one(control)
    .await?)
}

/// Notes until when the secret before the present one signs, too.
pub(super) async fn note_rotation(control: &mut PgConnection, id: WebhookId) -> Result<Webhook, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "update control.webhooks
         set previous_secret_until = now() + make_interval(hours => $2), updated_at = now()
         where id = $1 returning {COLUMNS}"
    )))
    .bind(id)
    .bind(ROTATION_HOURS)
    .fetch_one(control)
    .await?)
}

/// Notes that what was missed is on its way.
pub(super) async fn note_replay(control: &mut PgConnection, id: WebhookId) -> Result<(), DbError> {
    sqlx::query("update control.webhooks set missed_since = null where id = $1 and state = 'active'")
        .bind(id)
        .execute(control)
        .await?;
    Ok(())
}

pub(super) async fn delete(control: &mut PgConnection, id: WebhookId) -> Result<(), DbError> {
    sqlx::query("delete from control.webhooks where id = $1").bind(id).execute(control).await?;
    Ok(())
}

/// A webhook and what it is sent.
#[derive(Debug, FromRow)]
pub(super) struct Wanting {
    pub(super) id: WebhookId,
    pub(super) events: Vec<String>,
    /// It has taken events, and refused none since.
    pub(super) is_healthy: bool,
}

/// The webhooks of a tenant that events are sent to.
pub(super) async fn active(control: &mut PgConnection, tenant: TenantId) -> Result<Vec<Wanting>, DbError> {
    Ok(sqlx::query_as(
        "select id, events, last_success_at is not null and failing_since is null as is_healthy
         from control.webhooks where tenant_id = $1 and state = 'active' order by id",
    )
    .bind(tenant)
    .fetch_all(control)
    .await?)
}

/// A delivery that is written.
pub(super) struct NewDelivery<'a> {
    pub(super) webhook: WebhookId,
    pub(super) event: Uuid,
    pub(super) kind: &'a str,
    pub(super) at: OffsetDateTime,
}

/// Writes deliveries that wait; one that failed waits again where that is asked for, with all of its attempts before
/// it. Gives the webhooks and events of those that wait from here on.
pub(super) async fn put_waiting(
    control: &mut PgConnection,
    tenant: TenantId,
    (rows, again): (&[NewDelivery<'_>], bool),
) -> Result<Vec<(WebhookId, Uuid)>, DbError> {
    let ids: Vec<Uuid> = rows.iter().map(|_| Uuid::now_v7()).collect();
    let webhooks: Vec<Uuid> = rows.iter().map(|row| row.webhook.uuid()).collect();
    let events: Vec<Uuid> = rows.iter().map(|row| row.event).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind).collect();
    let times: Vec<OffsetDateTime> = rows.iter().map(|row| row.at).collect();
    Ok(sqlx::query_as(
        "insert into control.webhook_deliveries as kept
             (id, tenant_id, webhook_id, event_id, event_type, event_at, state, next_at)
         select id, $1, webhook, event, type, at, 'waiting', now()
         from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[])
             as given (id, webhook, event, type, at)
         on conflict (webhook_id, event_id) do update
             set state = 'waiting', attempts = 0, next_at = now(), updated_at = now()
             where $7 and kept.state = 'failed' and kept.tenant_id = excluded.tenant_id
         returning webhook_id, event_id",
    )
    .persistent(false)
    .bind(tenant)
    .bind(ids)
    .bind(webhooks)
    .bind(events)
    .bind(kinds)
    .bind(times)
    .bind(again)
    .fetch_all(control)
    .await?)
}

/// Has a delivery wait again, whatever came of it, with all of its attempts before it.
pub(super) async fn send_again(control: &mut PgConnection, id: Uuid) -> Result<WebhookDelivery, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "update control.webhook_deliveries
         set state = 'waiting', attempts = 0, next_at = now(), updated_at = now()
         where id = $1 returning {DELIVERY}"
    )))
    .bind(id)
    .fetch_one(control)
    .await?)
}

/// Deliveries of a webhook, the newest first.
pub(super) async fn deliveries(
    control: &mut PgConnection,
    filter: &DeliveryFilter,
    (limit, offset): (i64, i64),
) -> Result<Vec<WebhookDelivery>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {DELIVERY} from control.webhook_deliveries
         where webhook_id = $1 {} and ($2::uuid is null or id < $2) order by id desc limit $3 offset $4",
        in_state(filter.state)
    )))
    .bind(filter.webhook)
    .bind(filter.before)
    .bind(limit)
    .bind(offset)
    .fetch_all(control)
    .await?)
}

/// How many there are, up to a limit.
pub(super) async fn count_deliveries(
    control: &mut PgConnection,
    filter: &DeliveryFilter,
    limit: Option<i64>,
) -> Result<u64, DbError> {
    let counted: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
        "select count(*) from (select from control.webhook_deliveries where webhook_id = $1 {} limit $2) as counted",
        in_state(filter.state)
    )))
    .bind(filter.webhook)
    .bind(limit)
    .fetch_one(control)
    .await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

/// Written out: a plan for any state would not use the index of the few that are open.
fn in_state(state: Option<DeliveryState>) -> &'static str {
    match state {
        None => "",
        Some(DeliveryState::Waiting) => " and state = 'waiting' ",
        Some(DeliveryState::Delivered) => " and state = 'delivered' ",
        Some(DeliveryState::Failed) => " and state = 'failed' ",
    }
}

pub(super) async fn delivery(
    control: &mut PgConnection,
    (webhook, id): (WebhookId, Uuid),
) -> Result<Option<WebhookDelivery>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {DELIVERY} from control.webhook_deliveries where webhook_id = $1 and id = $2"
    )))
    .bind(webhook)
    .bind(id)
    .fetch_optional(control)
    .await?)
}

/// What a job works with.
#[derive(Debug, FromRow)]
pub(super) struct Due {
    pub(super) url: String,
    pub(super) webhook_state: WebhookState,
    pub(super) state: DeliveryState,
    pub(super) attempts: i32,
    pub(super) has_previous: bool,
    pub(super) has_key_pair: bool,
    /// It has taken events, and none was refused since.
    pub(super) is_healthy: bool,
    /// Seconds for which the receiver asked to be left alone.
    pub(super) pause: Option<f64>,
}

/// A delivery and its webhook; `None` where the webhook was deleted.
pub(super) async fn due(
    control: &mut PgConnection,
    (tenant, webhook, event): (TenantId, WebhookId, Uuid),
) -> Result<Option<Due>, DbError> {
    Ok(sqlx::query_as(
        "select url, webhooks.state as webhook_state, webhook_deliveries.state, attempts,
                coalesce(previous_secret_until > now(), false) as has_previous, public_key is not null as has_key_pair,
                last_success_at is not null and failing_since is null as is_healthy,
                extract(epoch from paused_until - clock_timestamp())::float8 as pause
         from control.webhooks join control.webhook_deliveries on webhook_id = webhooks.id
         where webhooks.id = $2 and webhooks.tenant_id = $1 and event_id = $3",
    )
    .persistent(false)
    .bind(tenant)
    .bind(webhook)
    .bind(event)
    .fetch_optional(control)
    .await?)
}

/// Records what came of an attempt, where none is recorded that came after it; `next`: seconds until the next one.
/// Whether it was.
pub(super) async fn record_attempt(
    control: &mut PgConnection,
    (webhook, event, attempt): (WebhookId, Uuid, i32),
    (result, took): (&AttemptResult, u64),
    next: Option<f64>,
) -> Result<bool, DbError> {
    let state = match (result.is_success, next) {
        (true, _) => DeliveryState::Delivered,
        (false, Some(_)) => DeliveryState::Waiting,
        (false, None) => DeliveryState::Failed,
    };
    let done = sqlx::query(
        "update control.webhook_deliveries
         set state = $4, attempts = $3, next_at = clock_timestamp() + make_interval(secs => $5), last_status = $6,
             last_error = left($7, 1000), last_response = left($8, 1024), last_duration_ms = $9,
             updated_at = clock_timestamp()
         where webhook_id = $1 and event_id = $2 and attempts = $3 - 1 and state = 'waiting'",
    )
    .bind(webhook)
    .bind(event)
    .bind(attempt)
    .bind(state)
    .bind(next)
    .bind(result.status.and_then(|status| i16::try_from(status).ok()))
    .bind(result.error.as_deref())
    .bind(result.response.as_deref())
    .bind(i32::try_from(took).unwrap_or(i32::MAX))
    .execute(control)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a delivery that cannot be tried.
pub(super) async fn fail(
    control: &mut PgConnection,
    (webhook, event): (WebhookId, Uuid),
    why: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.webhook_deliveries
         set state = 'failed', next_at = null, last_error = left($3, 1000), updated_at = now()
         where webhook_id = $1 and event_id = $2 and state = 'waiting'",
    )
    .bind(webhook)
    .bind(event)
    .bind(why)
    .execute(control)
    .await?;
    Ok(())
}

/// Notes a success of a webhook: at most once a second, for many come at once, and each would wait for the other.
pub(super) async fn note_success(control: &mut PgConnection, webhook: WebhookId) -> Result<(), DbError> {
    sqlx::query(
        "update control.webhooks
         set last_success_at = clock_timestamp(), failing_since = null, paused_until = null
         where id = $1 and (last_success_at is null or failing_since is not null or paused_until is not null
                            or last_success_at < clock_timestamp() - interval '1 second')",
    )
    .bind(webhook)
    .execute(control)
    .await?;
    Ok(())
}

/// Notes a failure of a webhook; whether it has taken nothing for [`DISABLE_AFTER`], and has failed twelve hours ago or
/// earlier.
pub(super) async fn note_failure(
    control: &mut PgConnection,
    (webhook, pause): (WebhookId, Option<f64>),
) -> Result<bool, DbError> {
    let failing: Option<bool> = sqlx::query_scalar(
        "update control.webhooks
         set last_failure_at = clock_timestamp(), failing_since = coalesce(failing_since, clock_timestamp()),
             paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs => $2))
         where id = $1
         returning state = 'active' and failing_since <= clock_timestamp() - interval '12 hours'
             and greatest(failing_since, coalesce(last_success_at, failing_since))
                 <= clock_timestamp() - make_interval(secs => $3)",
    )
    .bind(webhook)
    .bind(pause)
    .bind(DISABLE_AFTER.as_secs_f64())
    .fetch_optional(control)
    .await?;
    Ok(failing.unwrap_or_default())
}

/// Whether events are sent to a webhook.
pub(super) async fn is_active(control: &mut PgConnection, id: WebhookId) -> Result<bool, DbError> {
    let found: Option<bool> =
        sqlx::query_scalar("select state = 'active' from control.webhooks where id = $1")
            .bind(id)
            .fetch_optional(control)
            .await?;
    Ok(found.unwrap_or_default())
}

/// Forgets deliveries of a month ago, up to so many: they are the first. Their ids tell when they were written, so that
/// no younger one is read.
pub(super) async fn forget_old(control: &mut PgConnection, most: usize) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.webhook_deliveries using (
             select id from control.webhook_deliveries
             where id < rpad(lpad(to_hex((extract(epoch from now() - interval '30 days') * 1000)::bigint), 12, '0'), 32, '0')::uuid
             order by id limit $1 for update skip locked) as oldest
         where webhook_deliveries.id = oldest.id and created_at < now() - interval '30 days'",
    )
    .persistent(false)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .execute(control)
    .await?;
    Ok(())
}

/// Forgets all of a tenant's.
pub(super) async fn forget_tenant(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    for table in ["webhook_deliveries", "webhooks"] {
        sqlx::query(AssertSqlSafe(format!("delete from control.{table} where tenant_id = $1")))
            .persistent(false)
            .bind(tenant)
            .execute(&mut *control)
            .await?;
    }
    Ok(())
}

/// The later one of a moment and of when the oldest events are from that are kept; and whether that is the latter.
pub(super) async fn since_kept(
    control: &mut PgConnection,
    moment: OffsetDateTime,
    days: i64,
) -> Result<(OffsetDateTime, bool), DbError> {
    Ok(sqlx::query_as(
        "select greatest($1, now() - make_interval(days => $2::int)), $1 < now() - make_interval(days => $2::int)",
    )
    .bind(moment)
    .bind(days)
    .fetch_one(control)
    .await?)
}
