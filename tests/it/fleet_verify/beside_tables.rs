//! Drift in what is no table: rights at PostgreSQL's own things, extensions, publications, foreign
//! servers, text search, large objects, the database itself.

use super::{Seen, database, of, role, verify};
use crate::inspection::tenants;
use crate::support::world::World;

/// What is done to a tenant, and what is found there: code and object, in order.
type Planted = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const DRIFT: &[Planted] = &[
    (
        "t-001",
        "grant execute on function pg_catalog.pg_read_file(text) to nexus_app;
         grant select on pg_catalog.pg_authid to nexus_app;
         grant select (subconninfo) on pg_catalog.pg_subscription to nexus_app;
         grant create on schema pg_catalog to nexus_app;
         grant insert on information_schema.sql_features to public;
         grant create on schema information_schema to \"APP\";
         revoke usage on type pg_catalog.money from public;
         revoke execute on function pg_catalog.now() from public;
         grant execute on function pg_catalog.pg_advisory_lock(bigint) to pg_monitor;
         grant usage on language plpgsql to \"OWNER\"",
        &[],
    ),
    (
        "t-002",
        "create extension pg_trgm;
         grant execute on function public.similarity(text, text) to nexus_app with grant option;
         create or replace function public.show_trgm(text) returns text[] language sql as 'select null::text[]'",
        &[],
    ),
    (
        "t-003",
        "create publication every for table nexus.users (id) where (id is not null) with (publish = 'insert');
         create publication wide for tables in schema nexus",
        &[],
    ),
    (
        "t-004",
        "create foreign data wrapper far;
         create server away foreign data wrapper far options (host 'a');
         grant usage on foreign server away to nexus_app;
         create foreign table public.there (id int options (name 'x')) server away options (name 'y')",
        &[],
    ),
    (
        "t-005",
        "create text search dictionary public.plain (template = simple);
         create text search configuration public.mine (copy = simple);
         alter text search configuration public.mine alter mapping for word with public.plain",
        &[],
    ),
    ("t-006", "select lo_create(4711); grant select on large object 4711 to public", &[]),
    (
        "t-007",
        "alter role \"APP\" in database \"DATABASE\" set search_path to evil;
         alter role nexus_app in database \"DATABASE\" set work_mem to '7MB';
         alter database \"DATABASE\" connection limit 7;
         grant temporary on database \"DATABASE\" to public",
        &[],
    ),
    // Owned by PostgreSQL's own role.
    ("t-008", "grant select on nexus.roles to \"OWNER\"; alter table nexus.roles owner to nexus", &[]),
];

/// Puts a tenant's names into a statement.
fn named(world: &World, slug: &str, statement: &str) -> String {
    statement
        .replace("OWNER", &role(world, slug, "owner_role"))
        .replace("APP", &role(world, slug, "app_role"))
        .replace("DATABASE", &database(world, slug))
}

#[test]
fn drift_beside_tables_is_found_by_its_name_and_nothing_else_is() {
    let world = World::new();
    tenants(&world, 1, DRIFT.len() + 1, &[]);
    assert_eq!(verify(&world, &[]), (0, vec![]), "a fleet that nobody touched");
    let mut expected = Seen::new();
    for (slug, statement, _) in DRIFT {
        world.sql(&database(&world, slug), &named(&world, slug, statement));
        expected.insert(("schema_drift".to_owned(), (*slug).to_owned()));
    }
    for args in [&[][..], &[], &["--full"]] {
        let (code, rows) = verify(&world, args);
        assert_eq!((code, of(&rows, "error")), (9, expected.clone()), "{args:?}");
    }
    for (slug, _, found) in DRIFT {
        let (_, rows) = verify(&world, &[slug]);
        let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let errors = rows.iter().filter(|row| row["severity"] == "error");
        let there: Vec<_> = errors.map(|row| (text(row, "code"), text(row, "object"))).collect();
        let there: Vec<_> = there.iter().map(|(code, object)| (code.as_str(), object.as_str())).collect();
        assert_eq!(there.as_slice(), *found, "{slug}: {rows:#?}");
    }
}
