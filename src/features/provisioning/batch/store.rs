//! The SQL of batches.

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;

use crate::features::access::Authorized;
use crate::features::tenants::{Profile, TenantState};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{BatchId, Labels, OperationId, TenantId};

/// Records a batch.
pub(super) async fn insert(
    control: &mut PgConnection,
    id: BatchId,
    (verb, tenants): (&str, usize),
    caller: &Authorized<'_>,
    reverses: Option<BatchId>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.batches (id, verb, tenants, caller, reverses) values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(verb)
    .bind(i32::try_from(tenants).unwrap_or(i32::MAX))
    .bind(caller.to_string())
    .bind(reverses)
    .execute(control)
    .await?;
    Ok(())
}

/// What a batch did to each of its tenants, if there is such a batch, and how many tenants an earlier
/// rollback of it was for, at most.
pub(super) async fn verb(
    control: &mut PgConnection,
    id: BatchId,
) -> Result<Option<(String, Option<i32>)>, DbError> {
    Ok(sqlx::query_as(
        "select verb, (select max(back.tenants) from control.batches as back where back.reverses = $1)
         from control.batches where id = $1",
    )
    .bind(id)
    .fetch_optional(control)
    .await?)
}

/// A change of a batch, and how its tenant stands now.
#[derive(Debug, FromRow)]
pub(super) struct MemberRow {
    pub(super) id: OperationId,
    pub(super) tenant_id: TenantId,
    pub(super) slug: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) request: Value,
    pub(super) tenant_state: TenantState,
    pub(super) labels: Json<Labels>,
    #[sqlx(flatten)]
    pub(super) profile: Profile,
    /// Whether nothing else opened, closed or removed the tenant since.
    pub(super) is_last: bool,
    /// Whether a rollback of the batch began to change the tenant back, and is not finished.
    pub(super) is_half_reversed: bool,
    /// An operation of the tenant that is not over, and is neither of the batch nor of a rollback of it.
    pub(super) other_id: Option<OperationId>,
    pub(super) other_kind: Option<String>,
}

/// Operations that are not over.
const OPEN: &str = "('running', 'stopped', 'rolling_back')";

/// Those of this batch, and of rollbacks of it.
const OWN: &str = "(batch_id = $1 or batch_id in (select id from control.batches where reverses = $1))";

/// The changes of a batch, by slug.
pub(super) async fn members(control: &mut PgConnection, id: BatchId) -> Result<Vec<MemberRow>, DbError> {
    let statement = format!(
        "select operations.id, tenant_id, slug, operations.kind, operations.state, request,
                tenants.state as tenant_state, labels,
                tier, segment, business_type, modules, max_users, max_storage_bytes, max_requests_a_month,
                not exists (select from control.operations as later
                            where later.tenant_id = operations.tenant_id and later.state <> 'rolled_back'
                              and later.kind in ('suspend', 'resume', 'delete', 'undelete', 'purge')
                              and later.batch_id is distinct from $1
                              and (later.created_at, later.id) > (operations.created_at, operations.id)) as is_last,
                exists (select from control.operations as back
                        join control.batches on batches.id = back.batch_id and batches.reverses = $1
                        where back.tenant_id = operations.tenant_id and back.state in {OPEN}) as is_half_reversed,
                other.id as other_id, other.kind as other_kind
         from control.operations join control.tenants on tenants.id = tenant_id
         left join lateral (
             select id, kind from control.operations as it
             where it.tenant_id = tenants.id and it.state in {OPEN} and {OWN} is not true limit 1) as other on true
         where batch_id = $1 order by slug, operations.created_at"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_all(control).await?)
}

/// Whether an operation is of a batch, or of a rollback of it.
pub(super) async fn is_own(
    control: &mut PgConnection,
    batch: BatchId,
    operation: OperationId,
) -> Result<bool, DbError> {
    let statement = format!("select exists (select from control.operations where id = $2 and {OWN})");
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(batch).bind(operation).fetch_one(control).await?)
}

/// A change of a tenant.
#[derive(Debug, FromRow)]
pub(super) struct LastChange {
    kind: String,
    caller: String,
    created_at: OffsetDateTime,
    pub(super) batch_id: Option<BatchId>,
}

impl LastChange {
    pub(super) fn words(&self) -> String {
        format!("{} by {} on {}", self.kind, self.caller, self.created_at.date())
    }
}

/// The last operation that opened, closed or removed a tenant, this one left out.
pub(super) async fn last_change(
    control: &mut PgConnection,
    tenant: TenantId,
    own: OperationId,
) -> Result<Option<LastChange>, DbError> {
    Ok(sqlx::query_as(
        "select kind, caller, created_at, batch_id from control.operations
         where tenant_id = $1 and id <> $2 and state <> 'rolled_back'
           and kind in ('suspend', 'resume', 'delete', 'undelete', 'purge')
         order by created_at desc, id desc limit 1",
    )
    .bind(tenant)
    .bind(own)
    .fetch_optional(control)
    .await?)
}
