//! The SQL of the doctor. It reads, and nothing else.

use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection};

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

/// What on a server will stop Nexus, or already does.
#[derive(Debug, Clone, Default, FromRow)]
pub(super) struct Stoppers {
    /// Databases whose collations are of another version than the system's.
    pub(super) collations: Vec<String>,
    /// Transactions that were prepared and not ended within a second, as `gid in database by owner, for
    /// 9 s`.
    pub(super) prepared: Vec<String>,
    /// A statement that ends the first of them, and where it is to be run.
    pub(super) first_prepared: Option<String>,
    pub(super) prepared_in: Option<String>,
    /// Locks in the shared table, and how many fit.
    pub(super) locks: i64,
    pub(super) lock_room: i64,
    /// Who holds most of them: process, role, how many.
    pub(super) holder_pid: Option<i32>,
    pub(super) holder: Option<String>,
    /// Replication slots that hold back much, as `name (so many MB, inactive)`.
    pub(super) slots: Vec<String>,
    pub(super) first_slot: Option<String>,
    /// Age of the oldest transaction, in transactions, and in which database.
    pub(super) oldest: i64,
    pub(super) oldest_in: Option<String>,
    /// Databases whose drop was cut short.
    pub(super) half_dropped: Vec<String>,
    /// What is wrong in the server's files, as `file line: what`.
    pub(super) files: Vec<String>,
    /// In how many days this login's password ends.
    pub(super) login_ends_in: Option<f64>,
}

/// Asks a server what will stop Nexus.
pub(super) async fn stoppers(connection: &mut PgConnection) -> Result<Stoppers, DbError> {
    Ok(sqlx::query_as(
        "with held as materialized (
             select l.pid, count(*) as locks from pg_locks as l where not l.fastpath group by l.pid
         ), holder as (
             select held.pid, held.locks, coalesce(a.usename::text, '?') as role
             from held left join pg_stat_activity as a on a.pid = held.pid order by held.locks desc limit 1
         ), old as (
             select gid, database::text as database, owner::text as owner, prepared
             from pg_prepared_xacts where prepared < clock_timestamp() - interval '1 second'
         ), slot as (
             select slot_name::text as name, active,
                    case when not pg_is_in_recovery()
                         then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) / 1048576 end as mb, wal_status
             from pg_replication_slots
         ), bad as (select name, active, mb from slot
                    where wal_status in ('lost', 'unreserved') or mb > 10240 or not active and mb > 1024)
         select array(select datname::text from pg_database
                      where datcollversion is distinct from pg_database_collation_actual_version(oid)
                        and datcollversion is not null order by datname) as collations,
                array(select gid || ' in ' || database || ' by ' || owner || ', for '
                             || extract(epoch from clock_timestamp() - prepared)::bigint || ' s'
                      from old order by prepared) as prepared,
                (select gid from old order by prepared limit 1) as first_prepared,
                (select database from old order by prepared limit 1) as prepared_in,
                coalesce((select sum(locks)::bigint from held), 0) as locks,
                current_setting('max_locks_per_transaction')::bigint
                    * (current_setting('max_connections')::bigint
                       + current_setting('max_prepared_transactions')::bigint) as lock_room,
                (select pid from holder) as holder_pid,
                (select role || ' holds ' || locks from holder) as holder,
                array(select name || ' (' || round(coalesce(mb, 0)) || ' MB'
                             || case when active then ')' else ', nobody reads it)' end from bad) as slots,
                (select name from bad limit 1) as first_slot,
                (select max(greatest(age(datfrozenxid), mxid_age(datminmxid)))::bigint from pg_database) as oldest,
                (select datname::text from pg_database
                 order by greatest(age(datfrozenxid), mxid_age(datminmxid)) desc limit 1) as oldest_in,
                array(select datname::text from pg_database as db where datconnlimit = -2
                      -- One that is being dropped at this moment is locked.
                      and not exists (select from pg_locks where locktype = 'object' and objid = db.oid
                                      and classid = 'pg_database'::regclass and mode = 'AccessExclusiveLock')
                      order by datname)
                    as half_dropped,
                case when not (select rolsuper from pg_roles where rolname = current_user) then array[]::text[]
                     else array(select 'pg_hba.conf line ' || line_number || ': ' || error
                                from pg_hba_file_rules where error is not null)
                          || array(select sourcefile || ' line ' || sourceline || ': ' || error
                                   from pg_file_settings
                                   where error is not null and error not like '%restarting%') end as files,
                (select extract(epoch from rolvaliduntil - now())::float8 / 86400 from pg_roles
                 where rolname = current_user and rolvaliduntil <> 'infinity') as login_ends_in",
    )
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

/// Most dead jobs that are counted.
pub(super) const MOST_DEAD: i64 = 1_000;

/// How many jobs are dead, counted up to one more than [`MOST_DEAD`].
pub(super) async fn dead_jobs(control: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from (select from control.jobs where state = 'dead' limit $1) as dead",
    )
    .bind(MOST_DEAD + 1)
    .fetch_one(control)
    .await?)
}

/// A job that is not what it seems.
#[derive(Debug, FromRow)]
pub(super) struct StuckJob {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) minutes: i64,
}

/// Jobs whose lease ended more than another lease ago, at most ten: nobody takes them over.
pub(super) async fn stuck_jobs(control: &mut PgConnection) -> Result<Vec<StuckJob>, DbError> {
    Ok(sqlx::query_as(
        "select id, kind, (extract(epoch from now() - updated_at) / 60)::bigint as minutes from control.jobs
         where state = 'running' and due_at < now() - interval '30 seconds' order by due_at limit 10",
    )
    .fetch_all(control)
    .await?)
}

/// Schedules whose next run is overdue by more than two minutes.
pub(super) async fn late_schedules(control: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select name from control.job_schedules where next_at < now() - interval '2 minutes' order by name",
    )
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
