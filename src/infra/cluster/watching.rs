//! What a session does to tables while it works: which locks it holds, for how long, and which
//! tables it writes anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ClusterError;
use crate::infra::db::{DbError, PgConnection};

/// The modes of table locks, the weakest first (manual, chapter 13.3.1).
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// A table that was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub mode: String,
    /// Between the first and the last time that it was seen.
    pub time: Duration,
}

/// The locks of a session, as seen from another again and again.
#[derive(Debug, Default)]
pub struct Locks {
    seen: BTreeMap<String, (usize, Instant, Instant)>,
}

impl Locks {
    /// Looks once: `watcher` is in the same database as the session with this process.
    pub async fn look(&mut self, watcher: &mut PgConnection, process: i32) -> Result<(), ClusterError> {
        let rows = held(watcher, process).await?;
        let now = Instant::now();
        for (table, mode) in rows {
            let mode = MODES.iter().position(|name| *name == mode).unwrap_or(0);
            let seen = self.seen.entry(table).or_insert((mode, now, now));
            seen.0 = seen.0.max(mode);
            seen.2 = now;
        }
        Ok(())
    }

    /// What was seen, by table. What was held at the end was held until `end`.
    #[must_use]
    pub fn held(self, end: Instant, at_the_end: bool) -> BTreeMap<String, Held> {
        let told = |(mode, first, last): (usize, Instant, Instant)| Held {
            mode: MODES[mode].to_owned(),
            time: if at_the_end { end } else { last }.saturating_duration_since(first),
        };
        self.seen.into_iter().map(|(table, seen)| (table, told(seen))).collect()
    }
}

/// Locks on tables that were not made by initdb (manual, chapter 68.2).
async fn held(watcher: &mut PgConnection, process: i32) -> Result<Vec<(String, String)>, DbError> {
    Ok(sqlx::query_as(
        "select quote_ident(nspname) || '.' || quote_ident(relname), mode
         from pg_locks join pg_class on pg_class.oid = relation join pg_namespace on pg_namespace.oid = relnamespace
         where pid = $1 and locktype = 'relation' and granted and relation >= 16384
           and database = (select oid from pg_database where datname = current_database())
           and relkind in ('r', 'p', 'm')",
    )
    .bind(process)
    .fetch_all(watcher)
    .await?)
}

/// The process of a session.
///
/// # Errors
/// When the connection is broken.
pub async fn process_of(session: &mut PgConnection) -> Result<i32, ClusterError> {
    Ok(sqlx::query_scalar("select pg_backend_pid()").fetch_one(session).await?)
}

/// The file of each table, which changes when the table is written anew.
pub async fn table_files(watcher: &mut PgConnection) -> Result<BTreeMap<String, i64>, ClusterError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select quote_ident(nspname) || '.' || quote_ident(relname), relfilenode::bigint
         from pg_class join pg_namespace on pg_namespace.oid = relnamespace
         where pg_class.oid >= 16384 and relkind in ('r', 'm') and relpersistence <> 't'
           and not starts_with(nspname, 'pg_')",
    )
    .fetch_all(watcher)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The size of databases in bytes.
pub async fn database_sizes(
    admin: &mut PgConnection,
    names: &[&str],
) -> Result<Vec<(String, i64)>, ClusterError> {
    Ok(sqlx::query_as(
        "select datname::text, pg_database_size(oid) from pg_database where datname = any($1::text[])",
    )
    .bind(names)
    .fetch_all(admin)
    .await?)
}

/// The id of each database of a server, and what becomes another text when its own row, a setting in it, or
/// its owner was written: the server counts none of these among what is written in the database.
pub async fn database_ids(admin: &mut PgConnection) -> Result<Vec<(String, (i64, String))>, ClusterError> {
    let rows: Vec<(String, i64, String)> = sqlx::query_as(
        "with setting (base, role, xmin) as materialized (
             select setdatabase, setrole, xmin::text from pg_db_role_setting
         ), of_base (base, written) as materialized (
             select base, string_agg(xmin, '.' order by role) from setting where base <> 0 group by base
         ), membership (role, written) as materialized (
             select member, string_agg(xmin::text, '.' order by roleid) from pg_auth_members group by member
         )
         select datname::text, db.oid::bigint,
                concat_ws('.', db.xmin, of_base.written, 'owner', owner.xmin, membership.written, everywhere.xmin)
         from pg_database as db join pg_authid as owner on owner.oid = datdba
         left join of_base on of_base.base = db.oid left join membership on membership.role = datdba
         left join setting as everywhere on everywhere.base = 0 and everywhere.role = datdba",
    )
    .fetch_all(admin)
    .await?;
    Ok(rows.into_iter().map(|(name, id, written)| (name, (id, written))).collect())
}
