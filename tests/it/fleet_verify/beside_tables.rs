//! Drift in what is no table: PostgreSQL's own things, extensions, publications, foreign servers, text
//! search, large objects, casts, event triggers, the database itself and its owner.

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
        &[("schema_extra", "function pg_catalog.now()"), ("schema_extra", "function pg_catalog.pg_advisory_lock(bigint)"), ("schema_extra", "function pg_catalog.pg_read_file(pg_catalog.text)"), ("schema_extra", "language plpgsql"),
            ("schema_extra", "schema information_schema"), ("schema_extra", "schema pg_catalog"), ("schema_extra", "table column pg_catalog.pg_subscription.subconninfo"), ("schema_extra", "table information_schema.sql_features"), ("schema_extra", "table pg_catalog.pg_authid"), ("schema_extra", "type pg_catalog.money")],
    ),
    (
        "t-002",
        "create extension pg_trgm schema public;
         grant execute on function public.similarity(text, text) to nexus_app with grant option;
         create or replace function public.show_trgm(text) returns text[] language sql as 'select null::text[]'",
        &[("schema_extra", "extension pg_trgm"), ("schema_extra", "function public.similarity(pg_catalog.text,pg_catalog.text)")],
    ),
    (
        "t-003",
        "create publication every for table nexus.users (id) where (id is not null) with (publish = 'insert');
         create publication wide for tables in schema nexus",
        &[("schema_extra", "publication every"), ("schema_extra", "publication wide")],
    ),
    (
        "t-004",
        "create foreign data wrapper far;
         create server away foreign data wrapper far options (host 'a');
         grant usage on foreign server away to nexus_app;
         create foreign table public.there (id int options (name 'x')) server away options (name 'y')",
        &[("schema_extra", "column public.there.id"), ("schema_extra", "foreign data wrapper far"), ("schema_extra", "foreign server away"), ("schema_extra", "foreign table public.there"), ("schema_extra", "options of foreign table public.there")],
    ),
    (
        "t-005",
        "create text search dictionary public.plain (template = simple);
         create text search configuration public.mine (copy = simple);
         alter text search configuration public.mine alter mapping for word with public.plain",
        &[("schema_extra", "text search configuration public.mine"), ("schema_extra", "text search dictionary public.plain")],
    ),
    ("t-006", "select lo_create(4711); grant select on large object 4711 to public", &[("schema_extra", "large objects of nexus")]),
    (
        "t-007",
        "alter role \"APP\" in database \"DATABASE\" set search_path to evil;
         alter role nexus_app in database \"DATABASE\" set work_mem to '7MB';
         alter database \"DATABASE\" connection limit 7;
         grant temporary on database \"DATABASE\" to public",
        &[("schema_extra", "database"), ("schema_extra", "setting search_path of app"), ("schema_extra", "setting work_mem of nexus_app")],
    ),
    // Owned by PostgreSQL's own role.
    ("t-008", "grant select on nexus.roles to \"OWNER\"; alter table nexus.roles owner to nexus", &[("schema_changed", "table nexus.roles")]),
    (
        "t-009",
        "create or replace function pg_catalog.lower(text) returns text language sql immutable strict as 'select $1';
         alter function pg_catalog.pg_sleep(double precision) owner to \"OWNER\";
         alter schema information_schema owner to \"OWNER\";
         create or replace view information_schema.information_schema_catalog_name as
             select 'x'::information_schema.sql_identifier as catalog_name",
        &[("schema_extra", "function pg_catalog.lower(pg_catalog.text)"), ("schema_extra", "function pg_catalog.pg_sleep(double precision)"), ("schema_extra", "schema information_schema"), ("schema_extra", "view information_schema.information_schema_catalog_name")],
    ),
    (
        "t-010",
        "create cast (text as integer) with inout as assignment;
         create operator pg_catalog.=== (leftarg = integer, rightarg = integer, function = int4eq);
         create collation public.german (provider = icu, locale = 'de');
         create statistics public.both on email, name from nexus.users;
         create conversion public.latin for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8",
        &[("schema_extra", "cast text as integer"), ("schema_extra", "collation public.german"), ("schema_extra", "conversion public.latin"), ("schema_extra", "operator pg_catalog.=== (integer, integer)"), ("schema_extra", "statistics public.\"both\"")],
    ),
    (
        "t-011",
        "create function public.watch() returns event_trigger language plpgsql as 'begin end';
         create event trigger watching on ddl_command_end execute function public.watch()",
        &[("schema_extra", "event trigger watching"), ("schema_extra", "function public.watch()")],
    ),
    (
        "t-012",
        "alter role \"OWNER\" login connection limit 3;
         alter role \"OWNER\" set statement_timeout to '1s';
         grant pg_read_all_data to \"OWNER\"",
        &[("schema_extra", "role owner"), ("schema_extra", "setting statement_timeout of owner everywhere")],
    ),
    (
        "t-013",
        "alter database \"DATABASE\" owner to nexus",
        &[("schema_extra", "database")],
    ),
    (
        "t-014",
        "create foreign data wrapper far; create server away foreign data wrapper far options (host 'a');
         create user mapping for \"APP\" server away options (\"user\" 'u', password 'hunter2')",
        &[("schema_extra", "foreign data wrapper far"), ("schema_extra", "foreign server away"), ("schema_extra", "user mapping for app at away")],
    ),
    (
        "t-015",
        "grant select (email) on nexus.users to public; revoke select (id) on nexus.users from nexus_app;
         grant update (id) on nexus.roles to \"APP\"",
        &[
            ("schema_changed", "rights at column nexus.users.email"),
            ("schema_extra", "rights at column nexus.roles.id"),
            ("schema_missing", "rights at column nexus.users.id"),
        ],
    ),
];

/// Puts a tenant's names into a statement.
fn named(world: &World, slug: &str, statement: &str) -> String {
    statement
        .replace("OWNER", &role(world, slug, "owner_role"))
        .replace("APP", &role(world, slug, "app_role"))
        .replace("DATABASE", &database(world, slug))
}

/// Changes every tenant; what is found then.
fn plant(world: &World) -> Seen {
    let mut expected = Seen::new();
    for (slug, statement, _) in DRIFT {
        world.sql(&database(world, slug), &named(world, slug, statement));
        expected.insert(("schema_drift".to_owned(), (*slug).to_owned()));
    }
    expected
}

#[test]
fn drift_beside_tables_is_found_by_its_name_and_nothing_else_is() {
    let world = World::new();
    tenants(&world, 1, DRIFT.len() + 1, &[]);
    assert_eq!(verify(&world, &[]), (0, vec![]), "a fleet that nobody touched");
    let expected = plant(&world);
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

#[test]
fn drift_beside_tables_is_found_where_the_server_has_not_counted_it_yet() {
    let world = World::new();
    tenants(&world, 1, DRIFT.len() + 1, &[]);
    let stack = world.stack();
    let busy = "pg_stat_activity where query = 'select pg_sleep(300)' and state = 'active'";
    std::thread::scope(|scope| {
        for (slug, ..) in DRIFT {
            let inside = database(&world, slug);
            // It is ended from outside.
            scope.spawn(move || stack.sql("nexus", &stack.password(), &inside, "select pg_sleep(300)"));
        }
        let count = format!("select count(*) = {} from {busy}", DRIFT.len());
        world.until("postgres", &count, |all| all == ["t"]);
        let before = [verify(&world, &[]), verify(&world, &[])];
        let expected = plant(&world);
        let (code, rows) = verify(&world, &[]);
        world.sql("postgres", &format!("select pg_terminate_backend(pid) from {busy}"));
        assert_eq!(before, [(0, vec![]), (0, vec![])]);
        assert_eq!((code, of(&rows, "error")), (9, expected));
    });
}

#[test]
fn what_was_granted_at_postgresqls_own_things_and_revoked_again_is_no_drift() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    assert_eq!(verify(&world, &[]), (0, vec![]));
    for (verb, to) in [("grant", "to"), ("revoke", "from")] {
        let statement = format!(
            "{verb} execute on function pg_catalog.pg_read_file(text) {to} nexus_app;
             {verb} execute on function pg_catalog.now() {to} nexus_app;
             {verb} create on schema pg_catalog, information_schema {to} nexus_app;
             {verb} insert on information_schema.tables, information_schema.sql_features {to} nexus_app;
             {verb} insert on pg_catalog.pg_authid, pg_catalog.pg_class {to} nexus_app;
             {verb} select (rolname) on pg_catalog.pg_authid {to} nexus_app;
             {verb} usage on type pg_catalog.money {to} nexus_app;
             {verb} usage on language plpgsql {to} nexus_app"
        );
        world.sql(&database(&world, "t-001"), &statement);
    }
    assert_eq!(verify(&world, &["t-001"]), (0, vec![]));
    assert_eq!(verify(&world, &["--full"]), (0, vec![]));
}

#[test]
fn an_extension_of_a_migration_whose_function_somebody_replaced_is_found() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let folder = world.machine().path("words");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1_words.sql"), "create extension pg_trgm schema public;\n").unwrap();
    world.ok(&["migrate", "set", "add", "words", "--source", folder.to_str().unwrap()]);
    assert_eq!(world.json(&["migrate", "tenants", "--all"])["outcome"], "done");
    assert_eq!(verify(&world, &[]), (0, vec![]), "as in the template");
    let replace = "create or replace function public.show_trgm(text) returns text[]
                       language sql as 'select null::text[]'";
    world.sql(&database(&world, "t-001"), replace);
    let (code, rows) = verify(&world, &["t-001"]);
    let found: Vec<_> = rows.iter().map(|row| (&row["code"], &row["object"])).collect();
    assert_eq!(code, 9);
    assert_eq!(found, [(&"schema_changed".into(), &"extension pg_trgm".into())]);
}
