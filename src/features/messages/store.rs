//! The SQL of what became of messages, in the control database.

use uuid::Uuid;

use super::history::{FailedMessage, Standing};
use super::model::{Delivery, Known, MessageState};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Page, TenantId};

/// What is known of a message.
pub(super) async fn known(
    control: &mut PgConnection,
    (tenant, id): (TenantId, Uuid),
) -> Result<Option<Known>, DbError> {
    Ok(sqlx::query_as(
        "select state, attempt, detail, created_at < now() - interval '72 hours' as is_overdue
         from control.messages where tenant_id = $1 and id = $2",
    )
    .bind(tenant)
    .bind(id)
    .fetch_optional(control)
    .await?)
}

/// What is known of messages.
pub(super) async fn standing(
    control: &mut PgConnection,
    tenant: TenantId,
    ids: &[Uuid],
) -> Result<Vec<Standing>, DbError> {
    Ok(sqlx::query_as(
        "select id, state, attempts, detail, updated_at from control.messages
         where tenant_id = $1 and id = any($2)",
    )
    .persistent(false)
    .bind(tenant)
    .bind(ids)
    .fetch_all(control)
    .await?)
}

/// Those that failed, or may not have arrived, the latest first.
pub(super) async fn failed(control: &mut PgConnection, page: Page) -> Result<Vec<FailedMessage>, DbError> {
    Ok(sqlx::query_as(
        "select messages.id, tenant_id, slug as tenant, kind, messages.state, attempts, detail as reason,
                messages.updated_at
         from control.messages left join control.tenants on tenants.id = tenant_id
         where messages.state in ('failed', 'unknown')
         order by messages.updated_at desc, tenant_id desc, messages.id desc limit $1 offset $2",
    )
    .persistent(false)
    .bind(i64::from(page.limit))
    .bind(page.offset())
    .fetch_all(control)
    .await?)
}

/// Says that a message is on its way from here on; `false` where it may be, or was, sent by somebody else.
pub(super) async fn begin(control: &mut PgConnection, message: &Delivery) -> Result<bool, DbError> {
    let begun = sqlx::query(
        "insert into control.messages as kept (id, tenant_id, kind, state, attempt, attempts)
         values ($1, $2, $3, 'sending', $4, 1)
         on conflict (tenant_id, id) do update
             set state = 'sending', attempt = excluded.attempt, attempts = kept.attempts + 1, detail = null,
                 updated_at = now()
             where kept.state in ('deferred', 'failed') or (kept.state = 'unknown' and $5)",
    )
    .bind(message.id)
    .bind(message.tenant)
    .bind(&message.kind)
    .bind(message.attempt)
    .bind(message.asked_again)
    .execute(control)
    .await?;
    Ok(begun.rows_affected() > 0)
}

/// Records what came of an attempt that was begun, where no later one was.
pub(super) async fn end(
    control: &mut PgConnection,
    (tenant, id, attempt): (TenantId, Uuid, Uuid),
    (state, detail): (MessageState, Option<&str>),
) -> Result<(), DbError> {
    sqlx::query(
        "update control.messages set state = $3, detail = $4, updated_at = now()
         where tenant_id = $5 and id = $1 and attempt = $2 and state in ('sending', 'unknown')",
    )
    .bind(id)
    .bind(attempt)
    .bind(state)
    .bind(detail)
    .bind(tenant)
    .execute(control)
    .await?;
    Ok(())
}

/// Records an attempt that ended before it was begun, or did not have to be.
pub(super) async fn put(
    control: &mut PgConnection,
    message: &Delivery,
    (state, detail): (MessageState, Option<&str>),
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.messages as kept (id, tenant_id, kind, state, attempt, attempts, detail)
         values ($1, $2, $3, $4, $5, 1, $6)
         on conflict (tenant_id, id) do update
             set state = excluded.state, attempt = excluded.attempt, attempts = kept.attempts + 1,
                 detail = excluded.detail, updated_at = now()
             where kept.state in ('deferred', 'failed') or (kept.state = 'unknown' and $7)",
    )
    .bind(message.id)
    .bind(message.tenant)
    .bind(&message.kind)
    .bind(state)
    .bind(message.attempt)
    .bind(detail)
    .bind(message.asked_again)
    .execute(control)
    .await?;
    Ok(())
}

/// Records that a message waits; what was attempted before stays as it is.
pub(super) async fn hold(control: &mut PgConnection, message: &Delivery, why: &str) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.messages as kept (id, tenant_id, kind, state, attempt, attempts, detail)
         values ($1, $2, $3, 'deferred', $4, 1, $5)
         on conflict (tenant_id, id) do update
             set state = 'deferred', detail = excluded.detail, updated_at = now()
             where kept.state in ('deferred', 'failed') or (kept.state = 'unknown' and $6)",
    )
    .bind(message.id)
    .bind(message.tenant)
    .bind(&message.kind)
    .bind(message.attempt)
    .bind(why)
    .bind(message.asked_again)
    .execute(control)
    .await?;
    Ok(())
}

/// Ends a message that is to be tried again, where there is nothing to say any more.
pub(super) async fn drop_deferred(
    control: &mut PgConnection,
    (tenant, id): (TenantId, Uuid),
    why: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.messages set state = 'failed', detail = $3, updated_at = now()
         where tenant_id = $1 and id = $2 and state = 'deferred'",
    )
    .bind(tenant)
    .bind(id)
    .bind(why)
    .execute(control)
    .await?;
    Ok(())
}

/// Forgets what became of messages a month ago, some at a time.
pub(super) async fn forget_old(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.messages using (
             select tenant_id, id from control.messages where updated_at < now() - interval '30 days'
             order by updated_at limit 500 for update skip locked) as oldest
         where messages.tenant_id = oldest.tenant_id and messages.id = oldest.id",
    )
    .persistent(false)
    .execute(control)
    .await?;
    Ok(())
}
