//! What one tenant's login can take away from all others on its server, and how that is bounded.
//!
//! Sessions: `connection limit`. Temporary files: `temp_file_limit`, which only a superuser sets.
//! The shared lock table holds `max_locks_per_transaction` entries for each session that the server
//! allows, and nothing keeps one session from taking all of them; when it is full no login works
//! any more, not even a superuser's (manual, chapter 20.12). So the functions that take any number
//! of entries out of nothing are not PUBLIC's. What cannot be bounded is in `docs/limits.md`.

use sqlx::AssertSqlSafe;

use super::{APP_ROLE, ClusterError};
use crate::infra::db::{PgConnection, identifier};

/// What the temporary files of one session of an app's login may come to.
pub const TEMP_FILE_LIMIT: &str = "512MB";

/// What a tenant's login may do only where somebody said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facility {
    /// Locks on numbers: each takes an entry of the server's lock table, for as long as its session
    /// lives.
    AdvisoryLocks,
    /// Making large objects: unlinking many in one transaction takes an entry for each.
    LargeObjects,
}

impl Facility {
    /// All.
    pub const ALL: [Self; 2] = [Self::AdvisoryLocks, Self::LargeObjects];

    /// As settings and the audit log call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdvisoryLocks => "advisory_locks",
            Self::LargeObjects => "large_objects",
        }
    }

    /// As a person reads it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AdvisoryLocks => "advisory locks",
            Self::LargeObjects => "large objects",
        }
    }

    /// Its functions in `pg_catalog` (manual, chapters 9.27.10 and 35.3; `pg_proc.dat`). Those that
    /// release are everybody's.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::AdvisoryLocks => &[
                "pg_advisory_lock",
                "pg_advisory_lock_shared",
                "pg_advisory_xact_lock",
                "pg_advisory_xact_lock_shared",
                "pg_try_advisory_lock",
                "pg_try_advisory_lock_shared",
                "pg_try_advisory_xact_lock",
                "pg_try_advisory_xact_lock_shared",
            ],
            Self::LargeObjects => &["lo_creat", "lo_create", "lo_from_bytea"],
        }
    }

    fn functions(self) -> String {
        let arguments: &[&str] = match self {
            Self::AdvisoryLocks => &["bigint", "int, int"],
            Self::LargeObjects => &[],
        };
        let of = |name: &&str| match *name {
            "lo_creat" => vec!["pg_catalog.lo_creat(int)".to_owned()],
            "lo_create" => vec!["pg_catalog.lo_create(oid)".to_owned()],
            "lo_from_bytea" => vec!["pg_catalog.lo_from_bytea(oid, bytea)".to_owned()],
            name => arguments.iter().map(|it| format!("pg_catalog.{name}({it})")).collect(),
        };
        self.names().iter().flat_map(of).collect::<Vec<_>>().join(", ")
    }
}

/// The names of all functions that are not PUBLIC's.
#[must_use]
pub(super) fn bounded_functions() -> Vec<&'static str> {
    Facility::ALL.iter().flat_map(|it| it.names()).copied().collect()
}

/// Takes the facilities from PUBLIC in the database that it is run in. The owner role keeps them: a
/// migration may need them, and nobody logs in as it.
#[must_use]
pub(super) fn bound(owner: &str) -> String {
    let functions = Facility::ALL.map(Facility::functions).join(", ");
    format!(
        "revoke execute on function {functions} from public;
         grant execute on function {functions} to {}",
        identifier(owner)
    )
}

/// Whether nobody but those who were named may use any facility, as a condition in SQL. `$names` is
/// the parameter that [`bounded_functions`] is bound to.
#[must_use]
pub(super) fn is_bound(names: &str) -> String {
    format!(
        "not exists (select from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace
             and proname = any({names}::text[])
             and (proacl is null or exists (select from aclexplode(proacl) where grantee = 0)))"
    )
}

/// Whether a login may use a facility; in a session of the administrator inside its database.
pub async fn allows(admin: &mut PgConnection, app: &str, facility: Facility) -> Result<bool, ClusterError> {
    Ok(sqlx::query_scalar(
        "select bool_and(has_function_privilege($1, oid, 'execute')) from pg_catalog.pg_proc
         where pronamespace = 'pg_catalog'::regnamespace and proname = any($2::text[])",
    )
    .bind(app)
    .bind(facility.names())
    .fetch_one(admin)
    .await?)
}

/// Lets a login use a facility, or no longer; in a session of the administrator inside its database.
pub async fn allow(
    admin: &mut PgConnection,
    app: &str,
    facility: Facility,
    allowed: bool,
) -> Result<(), ClusterError> {
    let functions = facility.functions();
    let statement = if allowed {
        // The login of a database that was there before Nexus may be one that does not inherit.
        let inherits: bool = sqlx::query_scalar("select rolinherit from pg_roles where rolname = $1")
            .bind(app)
            .fetch_one(&mut *admin)
            .await?;
        let to = if inherits { APP_ROLE.to_owned() } else { identifier(app) };
        format!("grant execute on function {functions} to {to}")
    } else {
        // Of a database that was there before Nexus, PUBLIC has it still.
        format!("revoke execute on function {functions} from public, {APP_ROLE}, {}", identifier(app))
    };
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await?;
    Ok(())
}

/// The roles whose sessions [`end_hoarders`] leaves alone, by their ids: superusers', of which a dump
/// of a large database holds a lock for each table.
pub async fn superusers(session: &mut PgConnection) -> Result<Vec<i64>, ClusterError> {
    let statement = "select oid::bigint from pg_catalog.pg_roles where rolsuper";
    Ok(sqlx::query_scalar(statement).fetch_all(session).await?)
}

/// Ends the sessions of every role that together hold more than three quarters of what the server's
/// lock table is made for; it has room for nearly twice as much. The names of those roles, and how
/// much each held.
///
/// Reads no table and no view, so that it needs no entry of the lock table itself: a session that
/// is there already can do this when it is full.
///
/// Whom it ends is found before anybody is ended: beside the join, a condition on one session alone would be
/// asked of every session that there is (measured: whoever held 101 locks at that moment was ended).
pub async fn end_hoarders(
    session: &mut PgConnection,
    but: &[i64],
) -> Result<Vec<(String, i64)>, ClusterError> {
    Ok(sqlx::query_as(
        "with held as (
             select who.usesysid as role, who.pid, count(*) as locks
             from pg_catalog.pg_lock_status() as lock
             join pg_catalog.pg_stat_get_activity(null) as who on who.pid = lock.pid
             where not lock.fastpath and who.usesysid is not null and not who.usesysid::bigint = any($1)
             group by who.usesysid, who.pid
         ), hoarder as (
             select role, sum(locks)::bigint as locks from held group by role
             having sum(locks) * 4 > 3 * current_setting('max_locks_per_transaction')::bigint
                 * (current_setting('max_connections')::bigint
                    + current_setting('max_prepared_transactions')::bigint)
         ), ended as materialized (
             select hoarder.role, hoarder.locks, held.pid
             from hoarder join held on held.role = hoarder.role where held.locks > 100
         )
         select pg_catalog.pg_get_userbyid(ended.role)::text, ended.locks
         from ended where pg_catalog.pg_terminate_backend(ended.pid)
         group by ended.role, ended.locks",
    )
    .bind(but)
    .fetch_all(session)
    .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_take_an_advisory_lock_is_named_with_its_arguments() {
        let functions = Facility::AdvisoryLocks.functions();
        assert_eq!(functions.matches("(bigint)").count(), 8);
        assert_eq!(functions.matches("(int, int)").count(), 8);
        assert_eq!(Facility::LargeObjects.functions().matches("pg_catalog.").count(), 3);
        assert_eq!(bounded_functions().len(), 11);
    }
}
