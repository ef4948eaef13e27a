//! Drift of many kinds, planted among many tenants.

use serde_json::Value;

use super::{Seen, database, newest_of_nexus, of, role, seen, verify};
use crate::inspection::{fsck, tenants};
use crate::support::world::World;

/// Enough that a fault is one among others.
const TENANTS: usize = 36;

/// What is done to a tenant, and what is found there: code and object. `OWNER` is the tenant's owner, `NEWEST` the
/// newest migration of Nexus' own set.
type Planted = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Each in a tenant of its own.
const DRIFT: &[Planted] = &[
    (
        "t-001",
        "create table public.rogue (id int)",
        &[("schema_extra", "column public.rogue.id"), ("schema_extra", "table public.rogue")],
    ),
    (
        "t-002",
        "drop table nexus.recovery_codes",
        &[
            ("schema_missing", "column nexus.recovery_codes.code_hash"),
            ("schema_missing", "column nexus.recovery_codes.user_id"),
            ("schema_missing", "constraint nexus.recovery_codes.recovery_codes_code_hash_check"),
            ("schema_missing", "constraint nexus.recovery_codes.recovery_codes_pkey"),
            ("schema_missing", "constraint nexus.recovery_codes.recovery_codes_user_id_fkey"),
            ("schema_missing", "table nexus.recovery_codes"),
        ],
    ),
    (
        "t-003",
        "alter table nexus.groups alter column name type varchar(100)",
        &[
            ("schema_changed", "column nexus.groups.name"),
            ("schema_changed", "constraint nexus.groups.groups_name_check"),
        ],
    ),
    (
        "t-004",
        "alter table nexus.roles alter column description set default 'x'",
        &[("schema_changed", "column nexus.roles.description")],
    ),
    (
        "t-005",
        "alter table nexus.permissions alter column description drop not null",
        &[("schema_changed", "column nexus.permissions.description")],
    ),
    (
        "t-006",
        "alter table nexus.users drop constraint users_state_check",
        &[("schema_missing", "constraint nexus.users.users_state_check")],
    ),
    ("t-007", "drop index nexus.users_created", &[("schema_missing", "index nexus.users_created")]),
    ("t-008", "create index rogue on nexus.users (name)", &[("schema_extra", "index nexus.rogue")]),
    (
        "t-009",
        "create or replace function nexus.audit_log_is_append_only() returns trigger
             language plpgsql set search_path = pg_catalog, pg_temp as 'begin return null; end'",
        &[("schema_changed", "function nexus.audit_log_is_append_only()")],
    ),
    (
        "t-010",
        "alter table nexus.audit_log disable trigger append_only",
        &[("schema_changed", "trigger nexus.audit_log.append_only")],
    ),
    (
        "t-011",
        "alter table nexus.recovery_codes disable trigger all",
        &[("schema_extra", "trigger nexus.recovery_codes.recovery_codes_user_id_fkey")],
    ),
    ("t-012", "grant select on nexus.roles to public", &[("schema_changed", "table nexus.roles")]),
    (
        "t-013",
        "alter table nexus.invitations owner to nexus",
        &[("schema_changed", "table nexus.invitations")],
    ),
    (
        "t-014",
        "alter table nexus.settings enable row level security;
         create policy rogue on nexus.settings using (key <> 'secret')",
        &[("schema_changed", "table nexus.settings"), ("schema_extra", "policy nexus.settings.rogue")],
    ),
    ("t-015", "create type public.mood as enum ('sad', 'ok')", &[("schema_extra", "type public.mood")]),
    (
        "t-016",
        "create view public.rogue as select name from nexus.roles",
        &[("schema_extra", "column public.rogue.name"), ("schema_extra", "view public.rogue")],
    ),
    ("t-017", "create extension pg_trgm", &[("schema_extra", "extension pg_trgm")]),
    (
        "t-018",
        "alter sequence nexus.audit_log_id_seq increment by 2",
        &[("schema_changed", "sequence nexus.audit_log_id_seq")],
    ),
    (
        "t-019",
        "alter default privileges for role \"OWNER\" in schema public grant select on tables to public",
        &[("schema_extra", "default rights of owner in public on tables")],
    ),
    (
        "t-020",
        "alter table nexus.users add column rogue text",
        &[("schema_extra", "column nexus.users.rogue")],
    ),
    (
        "t-021",
        "create rule rogue as on delete to nexus.settings do instead nothing",
        &[("schema_extra", "rule nexus.settings.rogue")],
    ),
    (
        "t-022",
        "create domain public.euro as numeric check (value >= 0)",
        &[("schema_extra", "constraint public.euro.euro_check"), ("schema_extra", "domain public.euro")],
    ),
    (
        "t-023",
        "update nexus._sqlx_migrations set checksum = sha384('x') where version = 20261121000200",
        &[("migration_changed", "migration 20261121000200 of set nexus")],
    ),
    (
        "t-024",
        "delete from nexus._sqlx_migrations where version = 20261121000100",
        &[("migration_missing", "migration 20261121000100 of set nexus")],
    ),
    (
        "t-025",
        "update nexus._sqlx_migrations set version = 7 where version = 20261121000100",
        &[
            ("migration_extra", "migration 7 of set nexus"),
            ("migration_missing", "migration 20261121000100 of set nexus"),
        ],
    ),
    (
        "t-026",
        "update nexus._sqlx_migrations set success = false where version = NEWEST",
        &[
            ("migration_failed", "migration NEWEST of set nexus"),
            ("registry_differs", "its version of set nexus"),
        ],
    ),
    (
        "t-027",
        "alter table nexus.users rename column profile to facts",
        &[
            ("schema_changed", "constraint nexus.users.users_profile_check"),
            ("schema_extra", "column nexus.users.facts"),
            ("schema_missing", "column nexus.users.profile"),
        ],
    ),
    ("t-028", "alter table nexus.api_keys set unlogged", &[("schema_changed", "table nexus.api_keys")]),
];

/// A real one: a concurrent build that failed.
fn plant_invalid_index(world: &World, slug: &str) {
    let database = database(world, slug);
    world.sql(&database, "insert into nexus.settings values ('a', '1'), ('b', '1')");
    let built = world.sql_as(
        "nexus",
        &world.stack().password(),
        &database,
        "create unique index concurrently broken on nexus.settings (value)",
    );
    assert!(built.is_err());
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

#[test]
fn every_planted_drift_is_found_and_nothing_else() {
    let world = World::new();
    tenants(&world, 1, TENANTS, &[]);
    assert_eq!(verify(&world, &[]), (0, vec![]), "a fleet that nobody touched");
    let digests = world.control_sql("select count(distinct digest), count(*) from control.seen_schemas");
    assert_eq!(digests, [format!("1|{TENANTS}")], "what is the same looks the same");

    let mut expected = Seen::new();
    let newest = newest_of_nexus();
    for (slug, statement, found) in DRIFT {
        let owner = role(&world, slug, "owner_role");
        world.sql(&database(&world, slug), &statement.replace("OWNER", &owner).replace("NEWEST", &newest));
        for (code, _) in *found {
            let code = if code.starts_with("schema_") { "schema_drift" } else { code };
            expected.insert((code.to_owned(), (*slug).to_owned()));
        }
    }
    plant_invalid_index(&world, "t-029");
    expected.extend(seen(&[("index_invalid", "t-029"), ("schema_drift", "t-029")]));
    world.control_sql("update control.tenants set schema_version = 20261121000200 where slug = 't-030'");
    expected.insert(("registry_differs".to_owned(), "t-030".to_owned()));
    world.ok(&["tenant", "suspend", "t-031", "--reason", "unpaid"]);

    // The second time from what is remembered of catalogues, the third time read in full.
    for args in [&[][..], &[], &["--full"], &["--jobs", "1"]] {
        let (code, rows) = verify(&world, args);
        assert_eq!(of(&rows, "error"), expected, "{args:?}");
        assert_eq!(of(&rows, "notice"), seen(&[("not_asked", "t-031")]));
        assert_eq!((code, of(&rows, "unchecked")), (9, Seen::new()));
    }
    for (slug, _, found) in DRIFT {
        let (code, rows) = verify(&world, &[slug]);
        let errors = rows.iter().filter(|row| row["severity"] == "error");
        let there: Vec<_> =
            errors.map(|row| (text(row, "code"), text(row, "object").replace(&newest, "NEWEST"))).collect();
        let found: Vec<_> = found.iter().map(|(code, object)| (*code, (*object).to_owned())).collect();
        assert_eq!((code, there), (9, found), "{slug}");
    }
    assert_eq!(world.control_sql("select count(*) from control.scratch_databases"), ["0"]);
    let (_, faults, _) = fsck(&world, &[]);
    assert!(faults.iter().all(|(code, _)| code != "orphan_database"), "{faults:?}");
}

#[test]
fn of_one_tenant_every_difference_is_shown_as_a_comparison() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let inside = database(&world, "t-001");
    world.sql(&inside, "drop index nexus.users_created; create table public.rogue (id int)");
    world.sql(&inside, "alter table nexus.users alter column name set default 'x'");
    let output = world.run(&["migrate", "verify", "t-001"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "t-001\n\
         ~ column nexus.users.name\n    \
             template: text; not null; default ''::text\n    \
             tenant:   text; not null; default 'x'::text\n\
         + column public.rogue.id: integer\n\
         + table public.rogue: of nexus\n\
         - index nexus.users_created: CREATE INDEX users_created ON nexus.users USING btree (created_at, id)\n"
    );
    let (_, rows) = verify(&world, &["t-001"]);
    let changed = rows.iter().find(|row| row["code"] == "schema_changed").unwrap();
    assert_eq!(changed["found"], "text; not null; default 'x'::text");
}

#[test]
fn a_killed_verification_leaves_nothing_that_the_next_does_not_drop() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    for point in ["fingerprint.planned", "fingerprint.made"] {
        world.killed_at(point, &["migrate", "verify"]);
        assert_eq!(world.control_sql("select count(*) from control.scratch_databases"), ["1"], "{point}");
    }
    assert_eq!(verify(&world, &[]), (0, vec![]));
    assert_eq!(world.control_sql("select count(*) from control.scratch_databases"), ["0"]);
    assert_eq!(world.there().databases, world.believed().databases);
}

#[test]
fn what_a_session_changed_that_has_not_told_the_server_of_it_yet_is_found() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    assert_eq!(verify(&world, &[]), (0, vec![]));
    let (stack, inside) = (world.stack(), database(&world, "t-001"));
    // It goes from one transaction into the next: as long as that lasts the server counts nothing.
    let change = "begin; create table public.hidden (id int); commit; begin; select pg_sleep(60)".to_owned();
    let sleeping = format!("from pg_stat_activity where datname = '{inside}' and wait_event = 'PgSleep'");
    std::thread::scope(|scope| {
        // It is ended from outside.
        let session = scope.spawn(|| stack.sql("nexus", &stack.password(), &inside, &change).is_err());
        world.until("postgres", &format!("select count(*) {sleeping}"), |count| count == ["1"]);
        let (code, rows) = verify(&world, &[]);
        world.sql("postgres", &format!("select pg_terminate_backend(pid) {sleeping}"));
        assert!(session.join().unwrap());
        assert_eq!((code, of(&rows, "error")), (9, seen(&[("schema_drift", "t-001")])));
    });
}

#[test]
fn what_the_server_keeps_for_itself_among_a_columns_options_is_no_drift() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    // As servers from 15.20 on have it with every column.
    let keep = "update pg_attribute set attoptions = array['pg_attver=' || 7]
                where attrelid = 'nexus.users'::regclass and attname = 'email'";
    world.sql(&database(&world, "t-001"), keep);
    assert_eq!(verify(&world, &[]), (0, vec![]));
    let own = "alter table nexus.users alter column name set (n_distinct = 5)";
    world.sql(&database(&world, "t-001"), own);
    assert_eq!(of(&verify(&world, &[]).1, "error"), seen(&[("schema_drift", "t-001")]));
}
