//! The SQL of the audit log.

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::{AssertSqlSafe, FromRow, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::{Hash, Record, time_of_micros};
use super::views::AuditView;
use super::walk::Head;
use crate::features::access::Authorized;
use crate::infra::db::{DbError, Log, PgConnection, Transaction, like_literal, literal, push_span};
use crate::infra::failpoint;
use crate::kernel::{OperationId, TenantId};

/// One change, or one disclosure of a secret.
#[derive(Debug)]
pub struct Entry<'a> {
    pub caller: &'a Authorized<'a>,
    /// What, e.g. `tenant.create`.
    pub action: &'static str,
    /// Of which tenant.
    pub tenant: Option<TenantId>,
    /// By which operation.
    pub operation: Option<OperationId>,
    /// Facts, never a secret.
    pub detail: serde_json::Value,
}

/// Writes one row; the database chains it. Must be the last statement before the commit: from here
/// to there every other writer waits.
///
/// # Errors
/// When the statement fails; the caller's transaction must then not commit.
pub(in crate::features) async fn record(
    connection: &mut PgConnection,
    entry: Entry<'_>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.audit_log (caller, action, tenant_id, operation_id, detail)
         values ($1, $2, $3, $4, $5::text::json)",
    )
    .bind(entry.caller.to_string())
    .bind(entry.action)
    .bind(entry.tenant)
    .bind(entry.operation)
    .bind(entry.detail.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a transaction in the control database with its row: the part of a change that is there, where the rest is in a
/// realm. Nothing is written in a dry run.
///
/// # Errors
/// When the control database does not answer.
pub(in crate::features) async fn record_and_commit(
    mut tx: Transaction<'_>,
    entry: Entry<'_>,
    is_dry_run: bool,
) -> Result<(), DbError> {
    if is_dry_run {
        return Ok(tx.rollback().await?);
    }
    let action = entry.action;
    record(&mut tx, entry).await?;
    tx.commit().await?;
    failpoint::pass(|| format!("{action}.committed")).await;
    Ok(())
}

/// The same as a statement's text, for a batch that goes to the server at once; the last but the
/// commit. Where a condition holds.
#[must_use]
pub(in crate::features) fn statement(entry: &Entry<'_>, condition: &str) -> String {
    let id = |id: Option<String>| id.map_or_else(|| "null".to_owned(), |id| literal(&id));
    format!(
        "insert into control.audit_log (caller, action, tenant_id, operation_id, detail)
         select {}, {}, {}::uuid, {}::uuid, {}::json where {condition}",
        literal(&entry.caller.to_string()),
        literal(entry.action),
        id(entry.tenant.map(|id| id.to_string())),
        id(entry.operation.map(|id| id.to_string())),
        literal(&entry.detail.to_string()),
    )
}

/// Which tenant's rows are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfTenant {
    /// This one's.
    Id(TenantId),
    /// Those of every tenant that has this slug or had it when it was deleted.
    Slug(String),
}

/// Which rows a list holds.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this tenant.
    pub tenant: Option<OfTenant>,
    pub action: Option<String>,
    /// Of this caller.
    pub caller: Option<String>,
    /// From this moment on.
    pub since: Option<OffsetDateTime>,
    /// Before this moment.
    pub until: Option<OffsetDateTime>,
    /// Of this operation.
    pub operation: Option<OperationId>,
    /// Before this position.
    pub before: Option<i64>,
}

/// A row with nothing that a hostile hand could make unreadable: times as numbers, no nulls.
const COLUMNS: &str = "coalesce(log.sequence, 0) as sequence, coalesce(log.id, 0) as id,
    coalesce(trunc(extract(epoch from log.at) * 1000000)::text, '') as at,
    coalesce(log.caller, '') as caller, coalesce(log.action, '') as action, log.tenant_id, log.operation_id,
    coalesce(log.detail::text, '') as detail, coalesce(log.hash, ''::bytea) as hash";

/// The log, as lists of a span of time read it: the clock was read while rows were numbered.
const LOG: Log = Log { table: "control.audit_log", number: "sequence", time: "at" };

#[derive(FromRow)]
struct Row {
    sequence: i64,
    id: i64,
    at: String,
    caller: String,
    action: String,
    tenant_id: Option<Uuid>,
    operation_id: Option<Uuid>,
    detail: String,
    hash: Vec<u8>,
}

#[derive(FromRow)]
struct NamedRow {
    #[sqlx(flatten)]
    row: Row,
    slug: Option<String>,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self {
            sequence: row.sequence,
            id: row.id,
            at: time_of_micros(&row.at),
            caller: row.caller,
            action: row.action,
            tenant_id: row.tenant_id,
            operation_id: row.operation_id,
            detail: row.detail,
            hash: Hash::of_bytes(&row.hash),
        }
    }
}

impl From<NamedRow> for AuditView {
    fn from(named: NamedRow) -> Self {
        let record = Record::from(named.row);
        Self {
            sequence: record.sequence,
            at: record.at,
            caller: record.caller,
            action: record.action,
            tenant: named.slug,
            tenant_id: record.tenant_id,
            operation_id: record.operation_id,
            detail: serde_json::from_str(&record.detail).unwrap_or(serde_json::Value::Null),
            hash: record.hash,
        }
    }
}

/// One page of the rows that a filter lets through, the newest first. Each filter has an index, so that a rare one
/// does not read the whole log: only what is asked for stands in the statement.
pub(super) async fn page(
    connection: &mut PgConnection,
    filter: &AuditFilter,
    (limit, offset): (i64, i64),
) -> Result<Vec<AuditView>, DbError> {
    let mut query = QueryBuilder::new(format!(
        "select {COLUMNS}, tenant.slug
         from control.audit_log as log left join control.tenants as tenant on tenant.id = log.tenant_id
         where true "
    ));
    match &filter.tenant {
        Some(OfTenant::Id(id)) => query.push(" and log.tenant_id = ").push_bind(*id),
        Some(OfTenant::Slug(slug)) => query
            .push(" and log.tenant_id in (select id from control.tenants where slug = ")
            .push_bind(slug)
            .push(")"),
        None => &mut query,
    };
    if let Some(prefix) = &filter.action {
        query.push(" and log.action like ").push_bind(format!("{}%", like_literal(prefix)));
    }
    if let Some(caller) = &filter.caller {
        query.push(" and log.caller = ").push_bind(caller);
    }
    push_span(&mut query, LOG, (filter.since, filter.until));
    if let Some(operation) = filter.operation {
        query.push(" and log.operation_id = ").push_bind(operation);
    }
    if let Some(before) = filter.before {
        query.push(" and log.sequence < ").push_bind(before);
    }
    query.push(" order by log.sequence desc limit ").push_bind(limit);
    query.push(" offset ").push_bind(offset);
    let rows: Vec<NamedRow> = query.build_query_as().fetch_all(connection).await?;
    Ok(rows.into_iter().map(AuditView::from).collect())
}

/// Makes a transaction see the log as it is now, whatever is written meanwhile.
pub(super) async fn see_one_state(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("set transaction isolation level repeatable read, read only").execute(connection).await?;
    Ok(())
}

/// The time, by the database's clock.
pub(super) async fn now(connection: &mut PgConnection) -> Result<OffsetDateTime, DbError> {
    Ok(sqlx::query_scalar("select now()").fetch_one(connection).await?)
}

/// The recorded end of the chain.
pub(super) async fn head(connection: &mut PgConnection) -> Result<Option<Head>, DbError> {
    let head: Option<(i64, Vec<u8>)> =
        sqlx::query_as("select sequence, hash from control.audit_head").fetch_optional(connection).await?;
    Ok(head.map(|(sequence, hash)| Head { sequence, hash: Hash::of_bytes(&hash) }))
}

/// The stored hash of a row.
pub(super) async fn hash_of(connection: &mut PgConnection, sequence: i64) -> Result<Option<Hash>, DbError> {
    let hash: Option<Vec<u8>> = sqlx::query_scalar("select hash from control.audit_log where sequence = $1")
        .bind(sequence)
        .fetch_optional(connection)
        .await?;
    Ok(hash.and_then(|hash| Hash::of_bytes(&hash)))
}

/// The first position of a period and the last.
pub(super) async fn bounds(
    connection: &mut PgConnection,
    since: Option<OffsetDateTime>,
    until: Option<OffsetDateTime>,
) -> Result<(Option<i64>, Option<i64>), DbError> {
    Ok(sqlx::query_as(
        "select min(sequence) filter (where $1::timestamptz is null or at >= $1),
                max(sequence) filter (where $2::timestamptz is null or at < $2)
         from control.audit_log",
    )
    .bind(since)
    .bind(until)
    .fetch_one(connection)
    .await?)
}

/// Whether there is a row without a position, which only a hostile hand can have made.
pub(super) async fn has_unplaced(connection: &mut PgConnection) -> Result<bool, DbError> {
    let statement = "select exists (select from control.audit_log where sequence is null)";
    Ok(sqlx::query_scalar(statement).fetch_one(connection).await?)
}

/// All rows, or those between two positions, in order. They come as they are read: nothing is
/// collected, and along the index of positions nothing is sorted. `unplaced`: whether there are
/// rows that it does not hold, which then come first.
pub(super) fn rows(
    connection: &mut PgConnection,
    between: Option<(i64, i64)>,
    unplaced: bool,
) -> BoxStream<'_, Result<Record, DbError>> {
    let nulls = if unplaced { " nulls first" } else { "" };
    let statement = format!(
        "select {COLUMNS} from control.audit_log as log
         where $1::bigint is null or log.sequence between $1 and $2
         order by log.sequence{nulls}, log.id"
    );
    let (first, last) = between.unzip();
    let rows = sqlx::query_as::<_, Row>(AssertSqlSafe(statement)).bind(first).bind(last).fetch(connection);
    Box::pin(rows.map_ok(Record::from).map_err(DbError::from))
}

/// So many of the rows behind a position, in order, as they are read.
pub(super) fn rows_behind(
    connection: &mut PgConnection,
    position: i64,
    limit: i64,
) -> BoxStream<'_, Result<Record, DbError>> {
    let statement = format!(
        "select {COLUMNS} from control.audit_log as log
         where log.sequence > $1 order by log.sequence, log.id limit $2"
    );
    let rows =
        sqlx::query_as::<_, Row>(AssertSqlSafe(statement)).bind(position).bind(limit).fetch(connection);
    Box::pin(rows.map_ok(Record::from).map_err(DbError::from))
}
