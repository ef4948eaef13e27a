//! The SQL of operations, lists apart, and of a proof inside a tenant's database.

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, Row};
use uuid::Uuid;

use super::queue::DrivenBy;
use crate::features::access::Authorized;
use crate::features::audit;
use crate::features::iam::idempotency::{self, Attempt};
use crate::features::placement::ServerRecord;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::db::{
    AdvisoryLock, DbError, Found, LockKey, PgConnection, durably, in_one_batch, is_held, literal,
};
use crate::infra::saga::Journal;
use crate::kernel::{BatchId, OperationId, TenantId};

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
    pub(super) driven_by: DrivenBy,
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
        "{}; select id, tenant_id, kind, state, fence, driven_by from control.operations
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
    /// Who takes it up, where this process does not.
    pub(super) waits: Option<DrivenBy>,
    /// The attempt to carry out a request once that it is a part of.
    pub(super) attempt: Option<&'a Attempt>,
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
    let (batch, waits, attempt) = (new.batch, new.waits, new.attempt);
    let line = OperationLine { id, tenant, kind, facts: &new.facts, batch, store: None, waits, attempt };
    let operation = operation_statement(caller, &line, "true");
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
        .chain([Journal::plan_statement(id, new.steps, "true"), audit::statement(&entry, "true")])
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
    /// Of a tenant whose row was just written: the store that must still take tenants.
    pub(super) store: Option<&'a str>,
    /// Who takes it up, where this process does not.
    pub(super) waits: Option<DrivenBy>,
    /// The attempt to carry out a request once that it is a part of.
    pub(super) attempt: Option<&'a Attempt>,
}

/// The condition that a server or a store takes tenants, of which it has at most `tenants`.
fn takes(table: &str, name: &str, tenants: &str) -> String {
    format!(
        "exists (select from control.{table} where name = {} and state = 'active'
                     and (capacity is null or {tenants} capacity))",
        literal(name)
    )
}

/// The statement that writes an operation's line where a condition holds, and gives its fence. It marks the request's
/// key, and fails where another attempt holds that by now.
fn operation_statement(caller: &Authorized<'_>, new: &OperationLine<'_>, condition: &str) -> String {
    let marked = new.attempt.map(|attempt| idempotency::mark_statement(attempt, condition));
    let (with, attempt) = match marked {
        Some(mark) => (
            format!("with marked as ({mark}) "),
            "coalesce((select attempt from marked), '00000000-0000-0000-0000-000000000000')",
        ),
        None => (String::new(), "null::uuid"),
    };
    format!(
        "{with}insert into control.operations (id, tenant_id, kind, state, caller, request, batch_id, planned, driven_by,
                                        attempt)
         select '{}'::uuid, '{}'::uuid, {}, 'running', {}, {}::jsonb, {}::uuid, {}, {}, {attempt}
         where {condition} returning fence",
        new.id,
        new.tenant,
        literal(new.kind),
        literal(&caller.to_string()),
        literal(&new.facts.to_string()),
        new.batch.map_or_else(|| "null".to_owned(), |batch| format!("'{batch}'")),
        new.waits.is_some(),
        literal(new.waits.unwrap_or_default().as_str()),
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
    let condition = new.store.map_or_else(|| "true".to_owned(), |store| takes("stores", store, "tenants <="));
    let statement = AssertSqlSafe(operation_statement(caller, new, &condition));
    match sqlx::raw_sql(statement).fetch_optional(control).await.map_err(DbError::from) {
        Err(error) if error.violates(ONE_AT_A_TIME) => Ok(None),
        row => Ok(row?.map(|row| row.try_get("fence")).transpose()?),
    }
}

/// Writes an operation's intent and takes the lock of its tenant, in the transaction that changes the
/// tenant's row, in one round trip; its fence and the lock. `None` where another operation is not over,
/// or another process holds the tenant: the transaction must be rolled back then.
pub(super) async fn take_with_intent(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    line: &OperationLine<'_>,
    steps: &[(&'static str, bool)],
    action: &'static str,
) -> Result<Option<(i64, AdvisoryLock)>, DbError> {
    let (id, key) = (line.id, LockKey::of("tenant", line.tenant));
    let (tenant, operation) = (Some(line.tenant), Some(id));
    let entry = audit::Entry { caller, action, tenant, operation, detail: line.facts.clone() };
    let statements = [
        operation_statement(caller, line, "true"),
        Journal::plan_statement(id, steps, "true"),
        AdvisoryLock::try_statement(&key, "true"),
        audit::statement(&entry, "true"),
    ];
    let rows = sqlx::raw_sql(AssertSqlSafe(statements.join("; "))).fetch_all(control).await;
    let rows = match rows.map_err(DbError::from) {
        Err(error) if error.violates(ONE_AT_A_TIME) => return Ok(None),
        other => other?,
    };
    let fence = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get("fence")?;
    Ok(rows.iter().find_map(|row| AdvisoryLock::of_row(&key, row)).map(|lock| (fence, lock)))
}

/// The intent to make a tenant: statements that each do nothing where the tenant's row was not written.
pub(super) struct NewTenantIntent<'a> {
    pub(super) line: OperationLine<'a>,
    /// Its server and its store, which must take one more.
    pub(super) places: (&'a str, &'a str),
    /// The statement that writes its row where a condition holds, and gives it.
    pub(super) row: &'a (dyn Fn(&str) -> String + Sync),
    /// The statement that seals its secrets, which says whether it did.
    pub(super) secrets: String,
    /// What it has of the operator's migrations.
    pub(super) record_template_sets: Option<String>,
    pub(super) steps: &'a [(&'static str, bool)],
    pub(super) action: &'static str,
}

/// What [`reserve`] found or wrote.
pub(super) struct Reserved {
    /// What became of its secrets.
    pub(super) secrets: PgRow,
    /// `None` where its slug is taken or a place takes no tenants: nothing was written then.
    pub(super) written: Option<(Tenant, i64, AdvisoryLock)>,
    /// The bucket of another active tenant at the same places. Whose database was there before Nexus is
    /// not asked: who may open that is its owner's business.
    pub(super) neighbour: Option<String>,
}

/// That there is the row of a tenant that is being written.
pub(super) fn is_written(tenant: TenantId) -> String {
    format!("exists (select from control.tenants where id = '{tenant}')")
}

/// Writes the intent to make a tenant, takes the tenant's lock and finds a neighbour, in one round trip
/// and one transaction that is on the disk then. The rows of its places are locked first, so that what
/// is read of them holds until the commit; the audit log comes last, because others who write it wait
/// from there on.
pub(super) async fn reserve(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    new: NewTenantIntent<'_>,
) -> Result<Reserved, DbError> {
    let (id, tenant, (cluster, store)) = (new.line.id, new.line.tenant, new.places);
    let (written, key) = (is_written(tenant), LockKey::of("tenant", tenant));
    let has_room =
        format!("{} and {}", takes("clusters", cluster, "tenants <"), takes("stores", store, "tenants <"));
    let lock = |table: &str, name: &str| {
        format!("select from control.{table} where name = {} for no key update", literal(name))
    };
    let entry = audit::Entry {
        caller,
        action: new.action,
        tenant: Some(tenant),
        operation: Some(id),
        detail: new.line.facts.clone(),
    };
    let statements: Vec<String> = [lock("clusters", cluster), lock("stores", store), (new.row)(&has_room)]
        .into_iter()
        .chain([new.secrets])
        .chain(new.record_template_sets)
        .chain([operation_statement(caller, &new.line, &written)])
        .chain([
            Journal::plan_statement(id, new.steps, &written),
            AdvisoryLock::try_statement(&key, &written),
            neighbour_statement(tenant, (cluster, store)),
            audit::statement(&entry, &written),
        ])
        .collect();
    let rows = durably(control, &statements).await?;
    let (mut tenant, mut fence, mut lock, mut neighbour, mut secrets) = (None, None, None, None, None);
    for row in rows {
        if row.try_column("slug").is_ok() {
            tenant = Some(Tenant::from_row(&row)?);
        } else if row.try_column("fence").is_ok() {
            fence = Some(row.try_get("fence")?);
        } else if row.try_column("neighbour").is_ok() {
            neighbour = Some(row.try_get("neighbour")?);
        } else if row.try_column("made").is_ok() {
            secrets = Some(row);
        } else {
            lock = lock.or(AdvisoryLock::of_row(&key, &row));
        }
    }
    let written = match (tenant, fence, lock) {
        (Some(tenant), Some(fence), Some(lock)) => Some((tenant, fence, lock)),
        (None, None, None) => None,
        _ => return Err(sqlx::Error::RowNotFound.into()),
    };
    Ok(Reserved { secrets: secrets.ok_or(sqlx::Error::RowNotFound)?, written, neighbour })
}

/// The operation that an attempt to carry out a request recorded, and its tenant.
pub(super) async fn of_attempt(
    control: &mut PgConnection,
    attempt: Uuid,
) -> Result<Option<(OperationId, TenantId)>, DbError> {
    Ok(sqlx::query_as("select id, tenant_id from control.operations where attempt = $1")
        .bind(attempt)
        .fetch_optional(control)
        .await?)
}

/// An operation.
pub(super) async fn operation(
    control: &mut PgConnection,
    id: OperationId,
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, tenant_id, kind, state, fence, driven_by from control.operations where id = $1",
    )
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
        "select id, tenant_id, kind, state, fence, driven_by from control.operations
         where tenant_id = $1 and state in ('running', 'stopped', 'rolling_back')",
    )
    .bind(tenant)
    .fetch_optional(control)
    .await?)
}

/// All operations that are not over, the oldest first.
pub(super) async fn all_unfinished(control: &mut PgConnection) -> Result<Vec<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, tenant_id, kind, state, fence, driven_by from control.operations
         where state in ('running', 'stopped', 'rolling_back') order by created_at",
    )
    .fetch_all(control)
    .await?)
}

/// Takes an operation up again, forward or back, with a new fence; one that goes forward becomes a part
/// of the batch that finishes it. A worker's attempts are counted, and the next one waits for up to a minute; what
/// a person takes up is the person's. `None` when it is over, or not the workers'.
pub(super) async fn take_up(
    control: &mut PgConnection,
    id: OperationId,
    backward: bool,
    (driven_by, batch): (DrivenBy, Option<BatchId>),
) -> Result<Option<OperationRow>, DbError> {
    Ok(sqlx::query_as(
        "update control.operations
         set state = case when $2 or state = 'rolling_back' then 'rolling_back' else 'running' end,
             fence = nextval('control.fences'), error = null, planned = false, updated_at = now(),
             batch_id = case when $2 or state = 'rolling_back' then batch_id else coalesce($3, batch_id) end,
             driven_by = $4, attempts = case when $4 = 'worker' then attempts + 1 else 0 end,
             retry_at = case when $4 = 'worker' then now() + interval '1 second' * least(60, 2 ^ attempts) end
         where id = $1 and state in ('running', 'stopped', 'rolling_back') and ($4 = 'person' or driven_by = 'worker')
         returning id, tenant_id, kind, state, fence, driven_by",
    )
    .bind(id)
    .bind(backward)
    .bind(batch)
    .bind(driven_by)
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

/// The bucket of another active tenant at the same places, for a proof of isolation.
pub(super) async fn neighbour(
    control: &mut PgConnection,
    tenant: &Tenant,
) -> Result<Option<String>, DbError> {
    let statement = neighbour_statement(tenant.id, (&tenant.cluster, &tenant.store));
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_optional(control).await?;
    Ok(row.map(|row| row.try_get("neighbour")).transpose()?)
}

fn neighbour_statement(tenant: TenantId, (cluster, store): (&str, &str)) -> String {
    format!(
        "select bucket as neighbour from control.tenants
         where state = 'active' and not adopted and cluster = {} and store = {} and id <> '{tenant}'
         order by id desc limit 1",
        literal(cluster),
        literal(store)
    )
}

/// The ids of the tenants that are made and not gone, open or closed.
pub(super) async fn settled_tenants(control: &mut PgConnection) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from control.tenants where state in ('pooled', 'active', 'suspended', 'trashed') order by slug",
    )
    .fetch_all(control)
    .await?)
}

/// Writes a row as the tenant, and reads it back, in one round trip; nothing of it stays.
pub(super) async fn write_and_read(tenant: &mut PgConnection) -> Result<bool, DbError> {
    let batch = "begin; insert into nexus.settings (key, value) values ('nexus.proof', '\"written\"');
                 select value = '\"written\"' as read from nexus.settings where key = 'nexus.proof'; rollback";
    let rows = in_one_batch(tenant, batch.to_owned()).await?;
    Ok(rows.first().map(|row| row.try_get("read")).transpose()?.unwrap_or(false))
}
