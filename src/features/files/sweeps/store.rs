//! The SQL of which tenants have files to be swept, in the control database.

use time::OffsetDateTime;

use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// A tenant is due in six hours at the latest: uploads are waited for a day, and what is due by then is known once it
/// was looked at.
pub(super) async fn expect(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.file_sweeps as kept (tenant_id, due_at) values ($1, now() + interval '6 hours')
         on conflict (tenant_id) do update set due_at = least(kept.due_at, excluded.due_at), expected_at = now()",
    )
    .bind(tenant)
    .execute(control)
    .await?;
    Ok(())
}

/// Tenants of one part of a round.
const PART: i64 = 200;

/// Takes up the next part of the day's round, if it is due: tenants that made requests lately are due now, unless it is
/// known of them already. Whichever server comes first does it; a part is [`PART`] tenants, and there is one a minute.
pub(super) async fn expect_missed(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "with round as (
             select after from control.file_sweep_rounds where next_at <= now() for update skip locked
         ), part as (
             select id, state from control.tenants
             where id > (select coalesce(after, '00000000-0000-0000-0000-000000000000') from round)
             order by id limit $1
         ), whole as (
             select count(*) = $1 as goes_on, (select id from part order by id desc limit 1) as last from part
         ), moved as (
             update control.file_sweep_rounds
             set after = case when goes_on then last end,
                 next_at = now() + case when goes_on then interval '1 minute' else interval '1 day' end
             from whole where exists (select from round)
         )
         insert into control.file_sweeps (tenant_id, due_at, expected_at)
         select id, now(), '-infinity' from part
         where state = 'active' and exists (
             select from control.request_counts
             where tenant_id = id and month >= date_trunc('month', now() - interval '2 days'))
         on conflict (tenant_id) do nothing",
    )
    .bind(PART)
    .execute(control)
    .await?;
    Ok(())
}

/// Those that are due, the longest first, which nobody else takes up for an hour.
pub(super) async fn claim(control: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "with due as (
             select tenant_id from control.file_sweeps where due_at <= now()
             order by due_at limit 10 for update skip locked
         )
         update control.file_sweeps set due_at = now() + interval '1 hour'
         from due where file_sweeps.tenant_id = due.tenant_id returning file_sweeps.tenant_id",
    )
    .fetch_all(control)
    .await?)
}

/// The tenant is due then; not at once, so that who has a lot to sweep keeps no other waiting.
pub(super) async fn set_due(
    control: &mut PgConnection,
    tenant: TenantId,
    next: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.file_sweeps set due_at = greatest($2, now() + interval '1 minute') where tenant_id = $1",
    )
    .bind(tenant)
    .bind(next)
    .execute(control)
    .await?;
    Ok(())
}

/// Nothing is left. The row goes, unless a server may remember that it wrote it.
pub(super) async fn forget(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    let gone = sqlx::query(
        "delete from control.file_sweeps where tenant_id = $1 and expected_at < now() - interval '2 hours'",
    );
    if gone.bind(tenant).execute(&mut *control).await?.rows_affected() == 0 {
        sqlx::query(
            "update control.file_sweeps set due_at = now() + interval '6 hours' where tenant_id = $1",
        )
        .bind(tenant)
        .execute(control)
        .await?;
    }
    Ok(())
}

/// The tenant is not in use: it is looked at tomorrow, unless it is gone for good.
pub(super) async fn retry_tomorrow(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    let gone = sqlx::query(
        "delete from control.file_sweeps where tenant_id = $1 and not exists (
             select from control.tenants where id = $1 and state <> 'deleted')",
    );
    if gone.bind(tenant).execute(&mut *control).await?.rows_affected() == 0 {
        sqlx::query("update control.file_sweeps set due_at = now() + interval '1 day' where tenant_id = $1")
            .bind(tenant)
            .execute(control)
            .await?;
    }
    Ok(())
}
