//! The SQL of the doctor. It reads, and nothing else.

use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::infra::db::{CONTROL, DbError, PgConnection};

/// What a server says of itself.
#[derive(Debug, Clone, FromRow)]
pub(super) struct ServerFacts {
    pub(super) version_num: i32,
    pub(super) superuser: bool,
    pub(super) max_connections: i64,
    pub(super) reserved: i64,
    pub(super) sessions: i64,
    pub(super) fsync: String,
    pub(super) synchronous_commit: String,
    pub(super) full_page_writes: String,
    pub(super) data_checksums: String,
    pub(super) log_statement: String,
    pub(super) log_min_error_statement: String,
    pub(super) log_min_duration_statement: String,
    pub(super) log_parameter_max_length_on_error: String,
    pub(super) password_encryption: String,
    /// Settings that hold for this login or database alone.
    pub(super) own_settings: Vec<String>,
    pub(super) tls: bool,
    pub(super) now: OffsetDateTime,
    /// The folder of its data, where the login may know.
    pub(super) data_directory: Option<String>,
    /// Databases that belong to nobody and let everybody in.
    pub(super) open: Vec<String>,
    /// Templates that nobody can enter.
    pub(super) templates: Vec<String>,
}

/// No statement of this session can change anything from here on (manual, chapter 20.11).
pub(super) async fn read_only(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::raw_sql("set default_transaction_read_only to on").execute(connection).await?;
    Ok(())
}

/// Asks a server about itself. `control` is the control database's name, where it is there.
pub(super) async fn server(
    connection: &mut PgConnection,
    control: Option<&str>,
) -> Result<ServerFacts, DbError> {
    Ok(sqlx::query_as(
        "select current_setting('server_version_num')::int as version_num,
                (select rolsuper from pg_roles where rolname = current_user) as superuser,
                current_setting('max_connections')::bigint as max_connections,
                current_setting('superuser_reserved_connections')::bigint as reserved,
                (select count(*) from pg_stat_activity where backend_type = 'client backend') as sessions,
                current_setting('fsync') as fsync,
                current_setting('synchronous_commit') as synchronous_commit,
                current_setting('full_page_writes') as full_page_writes,
                current_setting('data_checksums') as data_checksums,
                current_setting('log_statement') as log_statement,
                current_setting('log_min_error_statement') as log_min_error_statement,
                current_setting('log_min_duration_statement') as log_min_duration_statement,
                current_setting('log_parameter_max_length_on_error') as log_parameter_max_length_on_error,
                current_setting('password_encryption') as password_encryption,
                array(select name from pg_settings
                      where source in ('database', 'user', 'database user')) as own_settings,
                coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as tls,
                clock_timestamp() as now,
                case when pg_has_role(current_user, 'pg_read_all_settings', 'member')
                     then current_setting('data_directory') end as data_directory,
                array(select datname::text from pg_database
                      where (datname in ('postgres', 'template1') or datname = $1)
                        and (datacl is null or exists (select from aclexplode(datacl) where grantee = 0))
                      order by datname) as open,
                array(select datname::text from pg_database
                      where datistemplate and not datallowconn) as templates",
    )
    .bind(control)
    .fetch_one(connection)
    .await?)
}

/// An operation that was begun a while ago and is not over.
#[derive(Debug, FromRow)]
pub(super) struct OldOperation {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) slug: String,
    pub(super) minutes: i64,
}

/// Operations that were begun more than `minutes` ago and are not over: at most ten, the oldest
/// first.
pub(super) async fn old_operations(
    control: &mut PgConnection,
    minutes: i32,
) -> Result<Vec<OldOperation>, DbError> {
    Ok(sqlx::query_as(
        "select o.id, o.kind, o.state, t.slug::text as slug,
                (extract(epoch from now() - o.created_at) / 60)::bigint as minutes
         from control.operations o join control.tenants t on t.id = o.tenant_id
         where o.state in ('running', 'stopped', 'rolling_back')
           and o.created_at < now() - make_interval(mins => $1)
         order by o.created_at limit 10",
    )
    .bind(minutes)
    .fetch_all(control)
    .await?)
}

/// The slugs of tenants in the trash whose time is over, at most ten. By the row's own fields, so
/// that a control database that has no trash yet has nothing in it.
pub(super) async fn overdue(control: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select t.slug::text from control.tenants t
         where t.state = 'trashed' and (to_jsonb(t) ->> 'purge_after')::timestamptz < now()
         order by t.slug limit 10",
    )
    .fetch_all(control)
    .await?)
}

/// The head of the audit log's chain, and the last row's place in it.
#[derive(Debug, FromRow)]
pub(super) struct AuditHead {
    pub(super) head: Option<i64>,
    pub(super) last: Option<i64>,
    pub(super) same_hash: bool,
}

/// Reads the head of the audit log's chain.
pub(super) async fn audit_head(control: &mut PgConnection) -> Result<AuditHead, DbError> {
    Ok(sqlx::query_as(
        "select (select sequence from control.audit_head) as head,
                (select max(sequence) from control.audit_log) as last,
                coalesce((select h.hash = l.hash from control.audit_head h
                          join control.audit_log l on l.sequence = h.sequence), false) as same_hash",
    )
    .fetch_one(control)
    .await?)
}

/// A template as the control database knows it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct TemplateRow {
    pub(super) cluster: String,
    pub(super) database_name: String,
    pub(super) ready: bool,
}

/// The templates of one version of the tenants' schema.
pub(super) async fn templates(control: &mut PgConnection, version: i64) -> Result<Vec<TemplateRow>, DbError> {
    Ok(sqlx::query_as(
        "select cluster, database_name, state = 'ready' as ready from control.templates where version = $1",
    )
    .bind(version)
    .fetch_all(control)
    .await?)
}

/// The newest migration of the control database that was applied.
pub(super) async fn applied(control: &mut PgConnection) -> Result<Option<i64>, DbError> {
    let statement = format!("select max(version) from {}", CONTROL.history());
    Ok(sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(control).await?)
}
