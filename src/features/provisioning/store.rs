//! The SQL of operations, and of a proof inside a tenant's database.

use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::operations::{OperationFilter, OperationView};
use super::plan::Neighbour;
use crate::features::access::Authorized;
use crate::features::audit;
use crate::features::placement::ServerRecord;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::db::{AdvisoryLock, DbError, Found, LockKey, PgConnection, durably, is_held, literal};
use crate::infra::saga::Journal;
use crate::kernel::{BatchId, OperationId, Page, TenantId};

/// Keeps a tenant from being changed by two operations at a time.
const ONE_AT_A_TIME: &str = "operations_one_at_a_time";

/// An operation that is not over, as it is taken up.
#[derive(Debug, Clone, FromRow)]
pub(super) struct OperationRow {
    pub(super) id: OperationId,
    pub(super) tenant_id: TenantId,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) fence: i64,
}

impl OperationRow {
    /// Whether it ended.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "done" | "rolled_back")
    }
}

/// What takes a tenant's lock and reads, under it, its row, its operation that is not over, and what is
/// recorded of its server.
pub(super) async fn hold(control: &mut PgConnection, name: &TenantRef) -> Result<Held, DbError> {
    let which = tenants::row_of(name);
    let find = format!("select id::text from control.tenants where {which}");
    let read = format!(
        "{}; select id, tenant_id, kind, state, fence from control.operations
         where tenant_id = (select id from control.tenants where {which})
           and state in ('running', 'stopped', 'rolling_back'); {}",
        tenants::row(&which),
        ServerRecord::statement(&format!("(select cluster from control.tenants where {which})")),
    );
    let (lock, rows) = match AdvisoryLock::take_and_read(control, ("tenant", &find), &read).await? {
        Found::Nothing => return Ok(Held::Nothing),
        Found::Busy(rows) => (None, rows),
        Found::Taken(lock, rows) => (Some(lock), rows),
    };
    let (mut tenant, mut unfinished, mut server): (Option<Tenant>, Option<OperationRow>, _) =
        (None, None, None);
    for row in rows {
        if let Some(record) = ServerRecord::of_row(&row)? {
            server = Some(Box::new(record));
        } else if row.try_column("fence").is_ok() {
            unfinished = Some(FromRow::from_row(&row)?);
        } else {
            tenant = Some(FromRow::from_row(&row)?);
        }
    }
    match (lock, tenant) {
        (Some(lock), Some(tenant)) if *lock.key() == LockKey::of("tenant", tenant.id) => {
            Ok(Held::Taken(lock, Box::new(tenant), unfinished, server))
        }
        // The slug changed hands between two statements.
        (Some(lock), _) => {
            lock.release(control).await?;
            Ok(Held::Nothing)
        }
        (None, Some(tenant)) => Ok(Held::Busy(Box::new(tenant), unfinished)),
        (None, None) => Ok(Held::Nothing),
    }
}

/// What came of [`hold`].
pub(super) enum Held {
    /// There is no such tenant.
    Nothing,
    /// Another process holds it; what it was a moment ago.
    Busy(Box<Tenant>, Option<OperationRow>),
    /// It is held.
    Taken(AdvisoryLock, Box<Tenant>, Option<OperationRow>, Option<Box<ServerRecord>>),
}

/// What is written with an operation's intent.
pub(super) struct NewOperation<'a> {
    pub(super) id: OperationId,
    pub(super) tenant: TenantId,
    pub(super) kind: &'static str,
    pub(super) steps: &'a [(&'static str, bool)],
    pub(super) facts: Value,
    /// What it is called in the audit log.
    pub(super) action: &'static str,
    /// An unfinished operation that it takes the place of.
    pub(super) instead_of: Option<OperationId>,
    /// The statement that changes the tenant's row with it, and gives it.
    pub(super) change: Option<String>,
    /// The batch that it is a part of.
    pub(super) batch: Option<BatchId>,
}

/// Writes an operation's intent under the tenant's lock, in one round trip: the operation with its
/// steps, what changes of the tenant's row, the audit row. Its fence, and the row if it changed.
/// `None` where another operation is not over.
pub(super) async fn intend(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    new: NewOperation<'_>,
) -> Result<Option<(i64, Option<Tenant>)>, DbError> {
    let (id, tenant, kind) = (new.id, new.tenant, new.kind);
    let superseded = new.instead_of.map(|other| {
        format!(
            "update control.operations set state = 'rolled_back', updated_at = now(), finished_at = now(),
                    error = jsonb_build_object('code', 'superseded', 'message', 'operation {id} took its place')
             where id = '{other}'"
        )
    });
    let line = OperationLine { id, tenant, kind, facts: &new.facts, batch: new.batch, placed: None };
    let operation = operation_statement(caller, &line);
    let entry = audit::Entry {
        caller,
        action: new.action,
        tenant: Some(tenant),
        operation: Some(id),
        detail: new.facts,
    };
    let statements: Vec<String> = superseded
        .into_iter()
        .chain([operation])
        .chain(new.change)
        .chain([Journal::plan_statement(id, new.steps), audit::statement(&entry)])
        .collect();
    let rows = match durably(control, &statements).await {
        Err(error) if error.violates(ONE_AT_A_TIME) => return Ok(None),
        other => other?,
    };
    let fence = rows.first().map_or(Err(sqlx::Error::RowNotFound), |row| row.try_get("fence"))?;
    let changed = rows.get(1).map(Tenant::from_row).transpose()?;
    Ok(Some((fence, changed)))
}

/// An operation that is about to be written.
pub(super) struct OperationLine<'a> {
    pub(super) id: OperationId,
    pub(super) tenant: TenantId,
    pub(super) kind: &'static str,
    pub(super) facts: &'a Value,
    /// The batch that it is a part of.
    pub(super) batch: Option<BatchId>,
    /// Of a tenant whose row was just written: the server, where it is to be looked at, and the store
    /// that must still take tenants.
    pub(super) placed: Option<(Option<&'a str>, &'a str)>,
}

/// The statement that writes an operation's line, and gives its fence; no row where a place takes no
/// tenants any more.
fn operation_statement(caller: &Authorized<'_>, new: &OperationLine<'_>) -> String {
    let takes = |table: &str, name: &str| {
        format!(
            "exists (select from control.{table} where name = {} and state = 'active'
                         and (capacity is null or tenants <= capacity))",
            literal(name)
        )
    };
    let condition = new.placed.map_or_else(
        || "true".to_owned(),
        |(cluster, store)| {
            let cluster = cluster.map_or_else(|| "true".to_owned(), |name| takes("clusters", name));
            format!("{cluster} and {}", takes("stores", store))
        },
    );
    format!(
        "insert into control.operations (id, tenant_id, kind, state, caller, request, batch_id)
         select '{}'::uuid, '{}'::uuid, {}, 'running', {}, {}::jsonb, {}::uuid where {condition} returning fence",
        new.id,
        new.tenant,
        literal(new.kind),
        literal(&caller.to_string()),
        literal(&new.facts.to_string()),
        new.batch.map_or_else(|| "null".to_owned(), |batch| format!("'{batch}'")),
    )
}

/// Writes an operation's line in the caller's transaction; its fence. `None` where another one is not
/// over or a place takes no tenants any more: the transaction must be rolled back then. Writing the
/// tenant's row locked the rows of its places, so that this is known until the commit.
pub(super) async fn insert(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    new: &OperationLine<'_>,
) -> Result<Option<i64>, DbError> {
    let statement = AssertSqlSafe(operation_statement(caller, new));
    match sqlx::raw_sql(statement).fetch_optional(control).await.map_err(DbError::from) {
        Err(error) if error.violates(ONE_AT_A_TIME) => Ok(None),
        row => Ok(row?.map(|row| row.try_get("fence")).transpose()?),
    }
}

/// Notes that an operation waits for another process.
pub(super) async fn leave_to_another(control: &mut PgConnection, id: OperationId) -> Result<(), DbError> {
    sqlx::query("update control.operations set planned = true where id = $1")
        .bind(id)
        .execute(control)
        .await?;
    Ok(())
}

/// An operation.
pub(super) async fn operation(
    control: &mut PgConnection,
    id: OperationId,
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as("select id, tenant_id, kind, state, fence from control.operations where id = $1")
        .bind(id)
        .fetch_optional(control)
        .await?)
}

/// The tenant's operation that is not over, if there is one.
pub(super) async fn unfinished(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, tenant_id, kind, state, fence from control.operations
         where tenant_id = $1 and state in ('running', 'stopped', 'rolling_back')",
    )
    .bind(tenant)
    .fetch_optional(control)
    .await?)
}

/// All operations that are not over, the oldest first.
pub(super) async fn all_unfinished(control: &mut PgConnection) -> Result<Vec<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, tenant_id, kind, state, fence from control.operations
         where state in ('running', 'stopped', 'rolling_back') order by created_at",
    )
    .fetch_all(control)
    .await?)
}

/// Takes an operation up again, forward or back, with a new fence; one that goes forward becomes a part
/// of the batch that finishes it. `None` when it is over.
pub(super) async fn take_up(
    control: &mut PgConnection,
    id: OperationId,
    backward: bool,
    batch: Option<BatchId>,
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "update control.operations
         set state = case when $2 or state = 'rolling_back' then 'rolling_back' else 'running' end,
             fence = nextval('control.fences'), error = null, planned = false, updated_at = now(),
             batch_id = case when $2 or state = 'rolling_back' then batch_id else coalesce($3, batch_id) end
         where id = $1 and state in ('running', 'stopped', 'rolling_back')
         returning id, tenant_id, kind, state, fence",
    )
    .bind(id)
    .bind(backward)
    .bind(batch)
    .fetch_optional(control)
    .await?)
}

/// The operation that made a tenant, and the slug that was asked for.
pub(super) async fn creation(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<(OperationId, Option<String>)>, DbError> {
    Ok(sqlx::query_as(
        "select id, request ->> 'slug' from control.operations where tenant_id = $1 and kind in ('create', 'claim') order by created_at desc limit 1",
    )
    .bind(tenant)
    .fetch_optional(control)
    .await?)
}

/// Whether a living session holds the lock of a tenant.
pub(super) async fn is_locked(control: &mut PgConnection, key: &LockKey) -> Result<bool, DbError> {
    let statement = format!("select {}", is_held("$1::text"));
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).bind(key.as_str()).fetch_one(control).await?)
}

/// Another active tenant on the same server and in the same store, for a proof of isolation. Who may
/// connect to one that was there before Nexus is its owner's business.
pub(super) async fn neighbour(
    control: &mut PgConnection,
    tenant: &Tenant,
) -> Result<Option<Neighbour>, DbError> {
    Ok(sqlx::query_as(
        "select database_name, bucket from control.tenants
         where state = 'active' and not adopted and cluster = $2 and store = $3 and id <> $1 order by id desc limit 1",
    )
    .bind(tenant.id)
    .bind(&tenant.cluster)
    .bind(&tenant.store)
    .fetch_optional(control)
    .await?)
}

/// The ids of the tenants that are made and not gone, open or closed.
pub(super) async fn settled_tenants(control: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from control.tenants where state in ('pooled', 'active', 'suspended', 'trashed') order by slug",
    )
    .fetch_all(control)
    .await?)
}

/// Operations, the newest first; a running one without a living process is `interrupted`, or
/// `planned` where no process took it up yet.
pub(super) async fn list(
    control: &mut PgConnection,
    filter: &OperationFilter,
    page: Page,
) -> Result<Vec<OperationView>, DbError> {
    let held = is_held("'nexus:tenant:' || tenant_id::text");
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "with operation as (
             select operations.*, tenants.slug
             from control.operations join control.tenants on tenants.id = tenant_id
             where ($1::uuid is null or tenant_id = $1) and ($2::uuid is null or operations.id = $2)
               and ($7::uuid is null or batch_id = $7)
               and ($8::timestamptz is null or (operations.created_at, operations.id) < ($8, $9))
         ), seen as (
             select operation.*, case
                 when state in ('running', 'rolling_back') and not {held}
                 then case when planned then 'planned' else 'interrupted' end else state end as seen_state
             from operation
         )
         select id, tenant_id, slug, kind, seen_state as state, caller, error, batch_id, created_at, updated_at, finished_at
         from seen where ($3::text is null or seen_state = $3)
           and (not $6 or state in ('running', 'stopped', 'rolling_back'))
         order by created_at desc, id desc limit $4 offset $5"
    )))
    .bind(filter.tenant)
    .bind(filter.id)
    .bind(filter.state.map(super::operations::OperationState::as_str))
    .bind(i64::from(page.limit))
    .bind(page.offset())
    .bind(filter.open)
    .bind(filter.batch)
    .bind(filter.before.map(|(at, _)| at))
    .bind(filter.before.map(|(_, id)| id))
    .fetch_all(control)
    .await?)
}

/// Writes a row as the tenant, and reads it back. The caller rolls it back.
pub(super) async fn write_and_read(tenant: &mut PgConnection) -> Result<bool, DbError> {
    sqlx::query("insert into nexus.settings (key, value) values ('nexus.proof', '\"written\"')")
        .execute(&mut *tenant)
        .await?;
    Ok(sqlx::query_scalar("select value = '\"written\"' from nexus.settings where key = 'nexus.proof'")
        .fetch_one(tenant)
        .await?)
}
