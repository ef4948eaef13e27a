//! What keeps a tenant's roles and its database from being dropped although it is not theirs: rights
//! in other databases, what the roles own there, prepared transactions, subscriptions, slots.

use sqlx::{AssertSqlSafe, FromRow};

use super::{ClusterError, Database, Roles};
use crate::infra::db::{DbError, PgConnection, ServerAddress, identifier, literal};

/// The name of these sessions in `pg_stat_activity`.
const APPLICATION: &str = "nexus:purge";
/// How many objects a sentence names.
const NAMES: i64 = 3;
/// SQLSTATE `dependent_objects_still_exist`, `lock_not_available`.
const DEPENDED_ON: &str = "2BP01";
const LOCKED: &str = "55P03";

/// A database in which something depends on a role.
#[derive(FromRow)]
struct ObjectLocation {
    /// `None`: what all databases share.
    database: Option<String>,
    /// Whether sessions can be opened there.
    enterable: bool,
    /// The role owns something there, its default privileges and user mappings apart.
    owns: bool,
    /// It has rights there.
    rights: bool,
}

async fn places(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    own: &str,
) -> Result<Vec<ObjectLocation>, ClusterError> {
    Ok(sqlx::query_as(
        "select db.datname::text as database, coalesce(db.datallowconn and db.datconnlimit <> -2, true) as enterable,
                bool_or(owns) as owns, bool_or(not owns) as rights
         from pg_shdepend as it left join pg_database as db on db.oid = it.dbid,
              lateral (select it.deptype = 'o'
                  and it.classid not in ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass) as owns) as kind
         where it.refclassid = 'pg_authid'::regclass and it.deptype <> 'p'
           and it.refobjid in (select oid from pg_authid where rolname in ($1, $2)
                                   and shobj_description(oid, 'pg_authid') = any($4::text[]))
           and db.datname is distinct from $3
           and not (it.dbid = 0 and it.classid = 'pg_database'::regclass
                    and it.objid in (select oid from pg_database where datname = $3))
         group by db.datname, db.datallowconn, db.datconnlimit order by 1",
    )
    .bind(roles.owner)
    .bind(roles.app)
    .bind(own)
    .bind(roles.mark.texts().as_slice())
    .fetch_all(admin)
    .await?)
}

/// Checks that nothing but rights hangs on the roles outside their own database: rights go with them,
/// what they own there is somebody's data.
///
/// # Errors
/// [`ClusterError::HeldBy`], which names what is in the way, where, and what ends it.
pub async fn check_nothing_else_is_theirs(
    admin: &mut PgConnection,
    server: &ServerAddress,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    for place in places(admin, roles, database.name).await? {
        if !place.enterable {
            return Err(closed(roles, place.database));
        }
        if place.owns {
            return Err(Box::pin(owned(admin, server, roles, (place.database, database.name))).await?);
        }
    }
    Ok(())
}

/// Takes away the rights that the roles have outside their own database, which is gone, and drops
/// them.
///
/// # Errors
/// As [`check_nothing_else_is_theirs`]; as [`super::drop_roles`].
pub async fn drop_roles_everywhere(
    admin: &mut PgConnection,
    server: &ServerAddress,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    match super::drop_roles(admin, roles).await {
        Err(ClusterError::Db(error)) if error.state() == Some(DEPENDED_ON) => {}
        Err(ClusterError::Db(error)) if error.state() == Some(LOCKED) => {
            return Err(match prepared_anywhere(admin).await? {
                Some((gid, place)) => ClusterError::HeldBy {
                    what: format!("role {}", roles.app),
                    by: format!("prepared transaction {gid}"),
                    database: Some(place),
                    command: format!("rollback prepared {}", literal(&gid)),
                },
                None => error.into(),
            });
        }
        other => return other,
    }
    check_nothing_else_is_theirs(admin, server, roles, database).await?;
    for place in places(admin, roles, database.name).await? {
        // Those whose rights are the server's, e.g. at another database, go in any of them.
        let name = place.database.unwrap_or_else(|| server.database.clone());
        let there = existing(admin, roles).await?;
        if !place.rights || there.is_empty() {
            continue;
        }
        let mut inside = server.database(&name).connect(APPLICATION).await?;
        // Each by itself: what both have in common would be dropped twice, which fails (XX000).
        for role in there {
            run(&mut inside, &format!("drop owned by {role} restrict")).await?;
        }
        let _ = inside.close().await;
    }
    match super::drop_roles(admin, roles).await {
        Err(ClusterError::Db(error)) if error.state() == Some(DEPENDED_ON) => Err(ClusterError::HeldBy {
            what: format!("role {}", roles.app),
            by: error.to_string(),
            database: None,
            command: format!("drop owned by {}", identifier(roles.app)),
        }),
        other => other,
    }
}

/// Those of the roles that exist and are ours, quoted.
async fn existing(admin: &mut PgConnection, roles: Roles<'_>) -> Result<Vec<String>, ClusterError> {
    let names = super::roles::exists(admin, roles).await?;
    Ok(names.iter().map(|name| identifier(name)).collect())
}

fn closed(roles: Roles<'_>, database: Option<String>) -> ClusterError {
    let name = database.clone().unwrap_or_default();
    ClusterError::HeldBy {
        what: format!("role {}", roles.app),
        by: "a right or an object, and that database takes no sessions".to_owned(),
        database,
        command: format!("alter database {} allow_connections true", identifier(&name)),
    }
}

/// What the roles own in a place.
async fn owned(
    admin: &mut PgConnection,
    server: &ServerAddress,
    roles: Roles<'_>,
    (place, own): (Option<String>, &str),
) -> Result<ClusterError, ClusterError> {
    let statement = "select role.rolname::text, pg_describe_object(it.classid, it.objid, it.objsubid),
                count(*) over () as total
         from pg_shdepend as it join pg_authid as role on role.oid = it.refobjid
         where it.refclassid = 'pg_authid'::regclass and it.deptype = 'o' and role.rolname in ($1, $2)
           and it.dbid = case when $3 then 0 else (select oid from pg_database where datname = current_database()) end
           and it.classid not in ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
           and not (it.classid = 'pg_database'::regclass and it.objid in (select oid from pg_database where datname = $4))
         order by it.objsubid, 2 limit $5";
    let ask = |session| {
        sqlx::query_as(statement)
            .bind(roles.owner)
            .bind(roles.app)
            .bind(place.is_none())
            .bind(own)
            .bind(NAMES)
            .fetch_all(session)
    };
    let found: Vec<(String, Option<String>, i64)> = match &place {
        None => ask(admin).await?,
        Some(name) => {
            let mut inside = server.database(name).connect(APPLICATION).await?;
            let found = ask(&mut inside).await;
            let _ = inside.close().await;
            found?
        }
    };
    let role = found.first().map_or_else(|| roles.owner.to_owned(), |row| row.0.clone());
    let total = found.first().map_or(0, |row| row.2);
    let mut names: Vec<String> = found.into_iter().filter_map(|row| row.1).collect();
    let more = total.saturating_sub(NAMES);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let quoted = identifier(&role);
    let command = match (&place, names.first().and_then(|name| name.split_once(' '))) {
        (None, Some((kind, name))) => format!("alter {kind} {} owner to NEW_OWNER", identifier(name)),
        _ => format!("reassign owned by {quoted} to NEW_OWNER; drop owned by {quoted}"),
    };
    Ok(ClusterError::HeldBy {
        what: format!("role {role}"),
        by: format!("it owns {}", names.join(", ")),
        database: place,
        command,
    })
}

async fn prepared_anywhere(admin: &mut PgConnection) -> Result<Option<(String, String)>, ClusterError> {
    Ok(sqlx::query_as("select gid, database::text from pg_prepared_xacts order by prepared limit 1")
        .fetch_optional(admin)
        .await?)
}

/// Ends what keeps a closed database of ours from being dropped: transactions that were prepared in it
/// and never decided, its subscriptions, and whoever reads a slot of it. All of that goes with it.
pub async fn clear_database(
    admin: &mut PgConnection,
    server: &ServerAddress,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    let name = identifier(database.name);
    let open = format!("alter database {name} allow_connections true");
    sqlx::raw_sql(AssertSqlSafe(open)).execute(&mut *admin).await?;
    let cleared = async {
        let mut inside = server.database(database.name).connect(APPLICATION).await?;
        let cleared = clear_inside(&mut inside).await;
        let _ = inside.close().await;
        cleared
    }
    .await;
    let close = format!("alter database {name} allow_connections false");
    sqlx::raw_sql(AssertSqlSafe(close)).execute(&mut *admin).await?;
    let readers = "select pg_terminate_backend(active_pid, 5000) from pg_replication_slots
                   where database = $1 and active_pid is not null";
    sqlx::query(readers).bind(database.name).execute(admin).await?;
    cleared
}

async fn clear_inside(inside: &mut PgConnection) -> Result<(), ClusterError> {
    let prepared: Vec<String> =
        sqlx::query_scalar("select gid from pg_prepared_xacts where database = current_database()")
            .fetch_all(&mut *inside)
            .await?;
    for gid in prepared {
        tracing::warn!(gid, "rolled back a prepared transaction of a database that is dropped");
        // A transaction of its own: it cannot be part of one.
        run(inside, &format!("rollback prepared {}", literal(&gid))).await?;
    }
    let subscriptions: Vec<(String, Option<String>)> = sqlx::query_as(
        "select subname::text, subslotname::text from pg_subscription
         where subdbid = (select oid from pg_database where datname = current_database())",
    )
    .fetch_all(&mut *inside)
    .await?;
    for (subscription, slot) in subscriptions {
        let quoted = identifier(&subscription);
        tracing::warn!(subscription, slot, "dropped a subscription; its slot stays at the publisher");
        run(inside, &format!("alter subscription {quoted} disable")).await?;
        run(inside, &format!("alter subscription {quoted} set (slot_name = none)")).await?;
        run(inside, &format!("drop subscription {quoted}")).await?;
    }
    Ok(())
}

async fn run(session: &mut PgConnection, statement: &str) -> Result<(), DbError> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(session).await?;
    Ok(())
}
