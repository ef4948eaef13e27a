//! The SQL of what tenants use.

use time::Date;
use uuid::Uuid;

use super::meter::Counted;
use super::month::Month;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// Adds counts, and gives what there is now. Two servers add in the same order, so that neither waits for the other
/// for ever.
pub(super) async fn add(control: &mut PgConnection, counts: &[Counted]) -> Result<Vec<Counted>, DbError> {
    let tenants: Vec<Uuid> = counts.iter().map(|it| it.tenant.uuid()).collect();
    let months: Vec<Date> = counts.iter().map(|it| it.month.first_day()).collect();
    let requests: Vec<i64> = counts.iter().map(|it| it.requests).collect();
    let now: Vec<(TenantId, Date, i64)> = sqlx::query_as(
        "insert into control.request_counts as kept (tenant_id, month, requests)
         select tenant_id, month, requests
         from unnest($1::uuid[], $2::date[], $3::bigint[]) as given (tenant_id, month, requests)
         order by tenant_id, month
         on conflict (tenant_id, month) do update set requests = kept.requests + excluded.requests
         returning tenant_id, month, requests",
    )
    .bind(tenants)
    .bind(months)
    .bind(requests)
    .fetch_all(control)
    .await?;
    let now =
        now.into_iter().map(|(tenant, month, requests)| Counted { tenant, month: month.into(), requests });
    Ok(now.collect())
}

/// The requests of a tenant in a month.
pub(in crate::features) async fn requests(
    control: &mut PgConnection,
    tenant: TenantId,
    month: Month,
) -> Result<i64, DbError> {
    let found: Option<i64> =
        sqlx::query_scalar("select requests from control.request_counts where tenant_id = $1 and month = $2")
            .bind(tenant)
            .bind(month.first_day())
            .fetch_optional(control)
            .await?;
    Ok(found.unwrap_or_default())
}
