//! The SQL of subscriptions, in the control database.

use sqlx::FromRow;
use uuid::Uuid;

use super::model::{Event, Subscriber, Turn};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// Makes subscriptions that are new, each with its first event.
pub(super) async fn begin(
    control: &mut PgConnection,
    tenant: TenantId,
    new: &[(&'static Subscriber, Uuid)],
) -> Result<(), DbError> {
    let names: Vec<&str> = new.iter().map(|(subscriber, _)| subscriber.name).collect();
    let firsts: Vec<Uuid> = new.iter().map(|(_, first)| *first).collect();
    sqlx::query(
        "insert into control.event_subscriptions (tenant_id, subscriber, first_event)
         select $1, name, first from unnest($2::text[], $3::uuid[]) as given (name, first)
         on conflict (tenant_id, subscriber) do nothing",
    )
    .bind(tenant)
    .bind(names)
    .bind(firsts)
    .execute(control)
    .await?;
    Ok(())
}

/// Takes a subscription that nobody holds; gives its fence, its first event, and how far it is.
pub(super) async fn take(
    control: &mut PgConnection,
    (tenant, subscriber): (TenantId, &str),
    owner: Uuid,
) -> Result<Option<(i64, Uuid, Option<i64>)>, DbError> {
    Ok(sqlx::query_as(
        "update control.event_subscriptions
         set owner = $3, lease_until = clock_timestamp() + interval '30 seconds', fence = fence + 1
         where tenant_id = $1 and subscriber = $2 and lease_until < clock_timestamp()
         returning fence, first_event, position",
    )
    .bind(tenant)
    .bind(subscriber)
    .bind(owner)
    .fetch_optional(control)
    .await?)
}

/// Whether there is such a subscription.
pub(super) async fn is_known(
    control: &mut PgConnection,
    (tenant, subscriber): (TenantId, &str),
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from control.event_subscriptions where tenant_id = $1 and subscriber = $2)",
    )
    .bind(tenant)
    .bind(subscriber)
    .fetch_one(control)
    .await?)
}

/// Realms that have had events for a subscriber, after one of them and up to so many.
pub(super) async fn realms(
    control: &mut PgConnection,
    (subscriber, after): (&str, TenantId),
    most: i64,
) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select tenant_id from control.event_subscriptions where subscriber = $1 and tenant_id > $2
         order by tenant_id limit $3",
    )
    .bind(subscriber)
    .bind(after)
    .bind(most)
    .fetch_all(control)
    .await?)
}

/// Records how far a subscription is, and holds it for longer; whether it was still held.
pub(super) async fn advance(control: &mut PgConnection, turn: &Turn, position: i64) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update control.event_subscriptions
         set position = $4, lease_until = clock_timestamp() + interval '30 seconds'
         where tenant_id = $1 and subscriber = $2 and fence = $3 and lease_until >= clock_timestamp()",
    )
    .bind(turn.tenant)
    .bind(turn.subscriber.name)
    .bind(turn.fence)
    .bind(position)
    .execute(control)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives a subscription back, where it is held.
pub(super) async fn release(control: &mut PgConnection, turn: &Turn) -> Result<(), DbError> {
    sqlx::query(
        "update control.event_subscriptions set lease_until = '-infinity'
         where tenant_id = $1 and subscriber = $2 and fence = $3",
    )
    .bind(turn.tenant)
    .bind(turn.subscriber.name)
    .bind(turn.fence)
    .execute(control)
    .await?;
    Ok(())
}

/// An event that is parked.
#[derive(Debug, FromRow)]
pub(super) struct ParkedRow {
    pub(super) position: i64,
    pub(super) key: String,
}

/// Those that are parked of a subscriber in a realm, in their order: there are some hundred at most.
pub(super) async fn parked(
    control: &mut PgConnection,
    (tenant, subscriber): (TenantId, &str),
) -> Result<Vec<ParkedRow>, DbError> {
    Ok(sqlx::query_as(
        "select position, key from control.parked_events where tenant_id = $1 and subscriber = $2 order by position",
    )
    .bind(tenant)
    .bind(subscriber)
    .fetch_all(control)
    .await?)
}

/// Parks an event.
pub(super) async fn park(
    control: &mut PgConnection,
    (tenant, subscriber): (TenantId, &str),
    event: &Event,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.parked_events (tenant_id, subscriber, position, event_id, key)
         values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, subscriber, position) do update set event_id = excluded.event_id, key = excluded.key",
    )
    .bind(tenant)
    .bind(subscriber)
    .bind(event.position)
    .bind(event.id)
    .bind(&event.key)
    .execute(control)
    .await?;
    Ok(())
}

/// Ends the parking of an event and of those of its key before it.
pub(super) async fn unpark(
    control: &mut PgConnection,
    (tenant, subscriber): (TenantId, &str),
    (key, position): (&str, i64),
) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.parked_events
         where tenant_id = $1 and subscriber = $2 and position <= $4 and key = $3",
    )
    .bind(tenant)
    .bind(subscriber)
    .bind(key)
    .bind(position)
    .execute(control)
    .await?;
    Ok(())
}

/// Forgets all of a tenant's.
pub(super) async fn forget_tenant(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    sqlx::query("delete from control.parked_events where tenant_id = $1")
        .bind(tenant)
        .execute(&mut *control)
        .await?;
    sqlx::query("delete from control.event_subscriptions where tenant_id = $1")
        .bind(tenant)
        .execute(control)
        .await?;
    Ok(())
}
