//! What is inside a tenant's database, as far as it decides who may do what there: owners, rights,
//! the history of its schema, and things that would act in an operator's session.

use sqlx::FromRow;

use super::drift::{Drift, DriftFix};
use super::{APP_ROLE, ClusterError, Database, granted_inside, limits};
use crate::infra::db::{
    Applied, DbError, HistoryFault, HistoryRows, MigrationSet, PgConnection, identifier, snapshot,
};

/// What is found inside.
#[derive(Debug, Default)]
pub struct Inside {
    /// Differences that can be mended.
    pub drift: Vec<Drift>,
    /// Differences that are told and left alone: code, object.
    pub notices: Vec<(&'static str, String)>,
    /// The newest version that its history says was applied.
    pub version: Option<i64>,
}

#[derive(FromRow)]
struct Facts {
    schema_owner: Option<String>,
    history: bool,
    /// Relations and functions of schema nexus that another role owns, as words of `ALTER`.
    strays: Vec<String>,
    /// Rights as `what|kind|grantee|privilege`; an empty grantee is PUBLIC.
    rights: Vec<String>,
    /// What the app role may do that it should not, in the same words.
    excess: Vec<String>,
    /// Functions that anybody may run, and that take from other tenants.
    unbounded: Vec<String>,
    /// Things made in pg_catalog.
    in_catalog: Vec<String>,
    event_triggers: Vec<String>,
    /// Functions that run with a superuser's rights whoever calls them.
    definers: Vec<String>,
}

/// Looks inside a database, in a session of the administrator there. `born_with` are the rights at schema
/// public that migrations gave the template: those are in order.
pub async fn inside(
    admin: &mut PgConnection,
    database: Database<'_>,
    migrations: MigrationSet,
    born_with: &[String],
) -> Result<Inside, ClusterError> {
    let mut tx = snapshot(admin).await?;
    let facts = facts(&mut tx, database).await?;
    let mut found = Inside::default();
    if facts.schema_owner.is_none() || !facts.history {
        let detail = "schema nexus, or its history, does not exist";
        found.drift.push(Drift::new("schema_missing", "schema nexus", detail, DriftFix::ByHand));
    } else {
        let held = migrations.applied(&mut tx).await?;
        found.version = held.newest();
        found.drift.extend(history_drift(&held, migrations));
        found.drift.extend(rights_drift(&facts, database, born_with));
        if found.drift.is_empty() && !granted_inside(&mut tx, database).await? {
            let detail = "its app role lacks rights that it needs";
            found.drift.push(Drift::new("inside_rights_missing", "schema nexus", detail, DriftFix::Remake));
        }
    }
    for (code, list) in [
        ("trap_in_catalog", &facts.in_catalog),
        ("trap_event_trigger", &facts.event_triggers),
        ("trap_definer", &facts.definers),
    ] {
        found.notices.extend(list.iter().map(|object| (code, object.clone())));
    }
    tx.commit().await?;
    Ok(found)
}

/// The realm's tables that the app role may write. Of all others it may at most read.
const WRITABLE: [&str; 1] = ["nexus.settings"];
/// The realm's tables that hold hashes of secrets: it reads named columns of them, or none.
const NOT_WHOLLY_READABLE: [&str; 2] = ["nexus.users", "nexus.invitations"];

/// Objects with an id from 16384 on were not made by initdb (manual, chapter 68.2). Where the two sides of
/// an operator are of one type, a new session need not look at every operator of its name.
async fn facts(admin: &mut PgConnection, database: Database<'_>) -> Result<Facts, DbError> {
    Ok(sqlx::query_as(
        "with relation as (
             select class.oid, class.relname, class.relkind, class.relowner, class.relacl,
                    format('nexus.%I', class.relname) as called
             from pg_class as class where relnamespace = to_regnamespace('nexus')::oid
               and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
         ), granted as (
             select format('%I', nspname) as what, 'schema' as kind, acl.grantee, acl.privilege_type, nspowner as owner
             from pg_namespace cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner))) as acl
             where nspname in ('nexus', 'public')
             union all
             select called, case relkind when 'S' then 'sequence' else 'table' end, acl.grantee, acl.privilege_type, relowner
             from relation cross join aclexplode(relacl) as acl
         ), held as materialized (
             select what, kind, privilege_type, grantee <> owner as is_anothers,
                    case when grantee <> 0 then pg_get_userbyid(grantee)::text end as rolname
             from granted
         )
         select (select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = 'nexus') as schema_owner,
                to_regclass('nexus._sqlx_migrations') is not null as history,
                coalesce((select array_agg(case relkind when 'S' then 'sequence ' when 'v' then 'view '
                              when 'm' then 'materialized view ' else 'table ' end || called order by called)
                          from relation where relowner is distinct from to_regrole($1)::oid
                          and not exists (select from pg_depend where objid = relation.oid
                              and classid = 'pg_class'::regclass::oid and deptype in ('a', 'i'))), '{}') as strays,
                coalesce((select array_agg(what || '|' || kind || '|' || coalesce(rolname, '') || '|' || privilege_type)
                          from held where is_anothers and (rolname is null or rolname not in ($2, $6))), '{}') as rights,
                coalesce((select array_agg(what || '|' || kind || '|' || rolname || '|' || privilege_type)
                          from held where rolname in ($2, $6) and not (kind = 'schema' and privilege_type = 'USAGE')
                            and not (what = any($3) and privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
                            and not (privilege_type = 'SELECT' and not what = any($4))), '{}') as excess,
                coalesce((select array_agg(distinct proname::text) from pg_proc
                          where pronamespace = 'pg_catalog'::regnamespace::oid and proname = any($5)
                            and (proacl is null or exists (select from aclexplode(proacl) where grantee = 0))),
                         '{}') as unbounded,
                coalesce((select array_agg('function pg_catalog.' || proname::text order by proname) from pg_proc
                          where pronamespace = 'pg_catalog'::regnamespace::oid and oid >= '16384'::oid
                          and not exists (select from pg_depend where objid = pg_proc.oid
                              and classid = 'pg_proc'::regclass::oid and deptype = 'e')), '{}')
                || coalesce((select array_agg('operator pg_catalog.' || oprname::text order by oprname) from pg_operator
                          where oprnamespace = 'pg_catalog'::regnamespace::oid and oid >= '16384'::oid
                          and not exists (select from pg_depend where objid = pg_operator.oid
                              and classid = 'pg_operator'::regclass::oid and deptype = 'e')), '{}') as in_catalog,
                coalesce((select array_agg('event trigger ' || evtname::text order by evtname) from pg_event_trigger), '{}')
                    as event_triggers,
                coalesce((select array_agg('function ' || (select nspname::text from pg_namespace where oid = pronamespace)
                                           || '.' || proname::text order by pronamespace, proname)
                          from pg_proc where prosecdef and oid >= '16384'::oid
                          and (select rolsuper from pg_authid where oid = proowner)), '{}') as definers",
    )
    .bind(database.owner)
    .bind(database.app)
    .bind(WRITABLE.as_slice())
    .bind(NOT_WHOLLY_READABLE.as_slice())
    .bind(limits::bounded_functions())
    .bind(APP_ROLE)
    .fetch_one(admin)
    .await?)
}

fn history_drift(held: &HistoryRows, migrations: MigrationSet) -> Option<Drift> {
    let wrong = |(row, fault): (&Applied, HistoryFault)| match fault {
        HistoryFault::CutShort => format!("{} failed half-way", row.version),
        HistoryFault::Unknown => format!("{} is not one of this program's", row.version),
        HistoryFault::Changed => format!("{} has changed since it was applied", row.version),
    };
    let mut all: Vec<String> = held.faults(migrations.files()).into_iter().map(wrong).collect();
    let skipped = held.skipped(migrations.files().map(|(version, _)| version));
    all.extend(skipped.map(|version| format!("{version} was skipped")));
    let found =
        || Drift::new("schema_history", "table nexus._sqlx_migrations", all.join("; "), DriftFix::ByHand);
    (!all.is_empty()).then(found)
}

fn rights_drift(facts: &Facts, database: Database<'_>, born_with: &[String]) -> Vec<Drift> {
    let owner = identifier(database.owner);
    let mut drift = Vec::new();
    let mut add = |code, object: String, detail: String, statement: String| {
        drift.push(Drift::new(code, object, detail, DriftFix::Statement(statement)));
    };
    let schema_owner = facts.schema_owner.as_deref().unwrap_or_default();
    if schema_owner != database.owner {
        let statement = format!("alter schema nexus owner to {owner}");
        add("inside_owner", "schema nexus".to_owned(), format!("{schema_owner} owns it"), statement);
    }
    for stray in &facts.strays {
        let detail = "the owner role does not own it".to_owned();
        add("inside_owner", stray.clone(), detail, format!("alter {stray} owner to {owner}"));
    }
    for right in facts.rights.iter().chain(&facts.excess) {
        let mut parts = right.splitn(4, '|');
        let mut part = || parts.next().unwrap_or_default();
        let (what, kind, grantee, privilege) = (part(), part(), part(), part());
        if what == "public" && born_with.iter().any(|it| *it == format!("{grantee}|{privilege}")) {
            continue;
        }
        let (code, whom) = match grantee {
            "" => ("inside_public", "public".to_owned()),
            app if app == database.app || app == APP_ROLE => ("inside_app_excess", identifier(app)),
            grantee => ("inside_foreign_grant", identifier(grantee)),
        };
        let detail = format!("{} has {privilege}", if grantee.is_empty() { "PUBLIC" } else { grantee });
        let statement = format!("revoke {privilege} on {kind} {what} from {whom} cascade");
        add(code, format!("{kind} {what}"), detail, statement);
    }
    if !facts.unbounded.is_empty() {
        let detail = format!("PUBLIC may call {}", facts.unbounded.join(", "));
        add("inside_unbounded", "schema pg_catalog".to_owned(), detail, limits::bound(database.owner));
    }
    drift
}
