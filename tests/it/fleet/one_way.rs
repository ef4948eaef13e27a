//! A file does the same in a tenant that exists, in the template, and in a tenant made later.

use super::{FIRST, Fleet};

/// What a database's files left, with the names of its own roles and its own in words: owners, rights,
/// default privileges, settings.
const LEFT: &str = "
    with own (name, word) as (
        select pg_get_userbyid(datdba)::text, 'OWNER' from pg_database where datname = current_database())
    select replace(line, own.name, own.word) from own, (
        select format('%s %s.%s of %s %s', relkind, relnamespace::regnamespace, relname, pg_get_userbyid(relowner),
                      (select string_agg(a::text, ',' order by a::text) from unnest(relacl) as a))
        from pg_class where oid >= 16384 and relkind in ('r', 'S', 'v', 'm')
        union all
        select format('schema %s of %s %s', nspname, pg_get_userbyid(nspowner),
                      (select string_agg(a::text, ',' order by a::text) from unnest(nspacl) as a))
        from pg_namespace where (nspname = 'public' or oid >= 16384) and not starts_with(nspname, 'pg_')
        union all
        select format('function %s of %s %s', oid::regprocedure, pg_get_userbyid(proowner),
                      (select string_agg(a::text, ',' order by a::text) from unnest(proacl) as a))
        from pg_proc where oid >= 16384
        union all
        select format('type %s of %s %s', oid::regtype, pg_get_userbyid(typowner),
                      (select string_agg(a::text, ',' order by a::text) from unnest(typacl) as a))
        from pg_type where oid >= 16384 and typtype in ('e', 'd')
        union all
        select format('column %s.%s %s', attrelid::regclass, attname,
                      (select string_agg(a::text, ',' order by a::text) from unnest(attacl) as a))
        from pg_attribute where attacl is not null and attrelid >= 16384
        union all
        select format('default of %s in %s on %s: %s', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace,
                      defaclobjtype, (select string_agg(a::text, ',' order by a::text) from unnest(defaclacl) as a))
        from pg_default_acl
        union all
        select format('setting %s', setting) from pg_db_role_setting cross join unnest(setconfig) as setting
        where setrole = 0 and setdatabase = (select oid from pg_database where datname = current_database())
    ) as it (line) order by 1";

impl Fleet {
    fn left(&self, slug: &str) -> Vec<String> {
        self.sql(slug, LEFT)
    }

    /// An old tenant and one that is born now are alike, and nothing finds fault with either.
    fn is_alike(&self, old: &str, young: &str) {
        self.create(&[young]);
        let (before, now) = (self.left(old), self.left(young));
        for (a, b) in before.iter().zip(&now) {
            assert_eq!(a, b, "{old} and {young} differ");
        }
        assert_eq!(before.len(), now.len(), "{before:#?} {now:#?}");
        self.world.ok(&["migrate", "verify", "--full"]);
        self.world.ok(&["fsck"]);
    }
}

/// Of an app's login: what it may do with a relation, as PostgreSQL would decide.
fn may(fleet: &Fleet, slug: &str, what: &str) -> String {
    let login = fleet
        .world
        .control_sql(&format!("select app_role from control.tenants where slug = '{slug}'"))
        .remove(0);
    fleet.sql(slug, &format!("set role \"{login}\"; select {what}")).remove(0)
}

/// Ways to leave a role, as a function of a file's own would: no text shows them.
fn hidden_ways() -> [String; 4] {
    let ways = [
        "reset role",
        "set role none",
        "set session authorization default",
        "select set_config('role', 'none', false)",
    ];
    ways.map(|way| {
        let words: Vec<String> =
            way.split(' ').map(|word| format!("'{}'", word.replace('\'', "''"))).collect();
        format!("do $$ begin execute concat_ws(' ', {}); end $$;", words.join(", "))
    })
}

#[test]
fn a_file_that_leaves_its_role_has_no_power_anywhere_and_the_next_one_works() {
    let fleet = Fleet::of(&["ash"]);
    for (number, leave) in hidden_ways().iter().enumerate() {
        let version = number * 2 + 1;
        fleet.file(
            &format!("{version}_leave"),
            &format!(
                "create table t{number} (v int); create table who{number} (super bool, secrets bool);
                 {leave}
                 insert into who{number} select
                     (select rolsuper from pg_roles where rolname = current_user),
                     has_table_privilege('pg_authid', 'select');"
            ),
        );
        fleet.file(&format!("{}_next", version + 1), &format!("alter table t{number} add column w int;"));
    }
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
    for slug in ["ash", "young"] {
        for number in 0..hidden_ways().len() {
            assert_eq!(
                fleet.sql(slug, &format!("select super, secrets from who{number}")),
                ["f|f"],
                "{slug}"
            );
        }
    }
    fleet.file("99_later", "alter table t0 add column x int; alter table who3 add column x int;");
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("young", "younger");
    fleet.is_tidy();
}

#[test]
fn what_a_file_makes_after_it_left_its_role_is_refused_by_name_and_undone() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_fine", "create table fine (id int);");
    fleet.migrate(&["tenants", "--all"]);
    let makes = [
        ("create table made (id int)", "table public.made"),
        ("create view made as select 1", "view public.made"),
        ("create schema made", "schema made"),
        ("create function made() returns int language sql as 'select 1'", "function public.made()"),
        ("create type made as enum ('x')", "type public.made"),
        ("alter default privileges grant select on tables to public", "default privileges on new relations"),
    ];
    for (number, (make, what)) in makes.iter().enumerate() {
        let leave = &hidden_ways()[1 + 2 * (number % 2)];
        fleet.file("2_left", &format!("create table own (id int); {leave} {make};"));
        let (code, report, said) = fleet.try_migrate(&["tenants", "--all"]);
        assert_eq!(code, 6, "{make}: {report} {said:?}");
        let failed = &report["tenants"][0];
        assert_eq!(failed["code"], "outside_tenant", "{failed}");
        let message = failed["message"].as_str().unwrap();
        assert!(message.starts_with("2_left: no migration may make anything"), "{message}");
        assert!(message.contains(&format!("and made {what}")), "{message}");
        assert_eq!(fleet.sql("ash", "select to_regclass('own') is null"), ["t"], "{make}");
    }
    std::fs::remove_file(fleet.source("app").join("2_left.sql")).unwrap();
    fleet.is_alike("ash", "young");
    fleet.is_tidy();
}

/// All that files make has one owner, whenever the tenant was born: a view, a function and a sequence
/// of an earlier file can stand on a table of a later one. Of objects that a clone got from
/// `pg_database_owner` none of this is so.
#[test]
fn what_an_earlier_file_made_stands_on_what_a_later_one_makes_in_every_tenant() {
    let fleet = Fleet::of(&["ash"]);
    let counted = |table: &str| {
        format!(
            "create or replace view seen as select id from {table};
             create or replace function counted() returns bigint language plpgsql
                 security definer set search_path = pg_catalog
                 as 'begin return (select count(*) from public.{table}); end';"
        )
    };
    fleet.file(
        "1_orders",
        &format!("create table orders (id bigint primary key, number bigint); {}", counted("orders")),
    );
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
    fleet.file(
        "2_invoices",
        &format!(
            "create table invoices (id bigint primary key); insert into invoices values (1), (2); {}
             create sequence numbers; alter sequence numbers owned by orders.number;",
            counted("invoices")
        ),
    );
    fleet.migrate(&["tenants", "--all"]);
    for slug in ["ash", "young"] {
        assert_eq!(may(&fleet, slug, "count(*) from seen"), "2", "{slug}");
        assert_eq!(may(&fleet, slug, "counted()"), "2", "{slug}");
    }
    fleet.is_alike("young", "younger");
    fleet.is_tidy();
}

#[test]
fn a_file_outside_a_transaction_that_makes_something_after_it_left_its_role_is_not_applied() {
    let fleet = Fleet::of(&["ash"]);
    let leave = &hidden_ways()[1];
    fleet.file("1_left", &format!("-- no-transaction\n{leave}\ncreate table if not exists made (id int);"));
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
    assert_eq!(code, 6, "{report}");
    assert!(report.to_string().contains("made table public.made"), "{report}");
    assert_eq!(fleet.sql("ash", "select count(*) from public._sqlx_migrations where success"), ["0"]);
    fleet.is_tidy();
}

#[test]
fn nothing_that_a_file_leaves_in_its_session_reaches_the_next() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(
        "1_leaves",
        "set work_mem = '9MB'; set search_path = nowhere; set standard_conforming_strings = off;
         set default_transaction_read_only = on; create temp table scrap (x int);
         select pg_advisory_lock(5); prepare kept as select 1; listen news; create sequence public.s;
         select nextval('public.s'); declare open cursor with hold for select 1;",
    );
    fleet.file("2_leaves", "-- no-transaction\nset statement_timeout = '1min';");
    fleet.file(
        "3_finds",
        "create table found as select current_setting('work_mem') as memory, current_setting('search_path') as path,
             current_setting('statement_timeout') as patience, to_regclass('pg_temp.scrap') as scrap,
             (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
             (select count(*) from pg_prepared_statements) as prepared, (select count(*) from pg_cursors) as cursors,
             (select count(*) from pg_listening_channels()) as channels, length('\\\\') as backslashes,
             pg_has_role(current_user, 'pg_database_owner', 'usage') as owner;",
    );
    // Each by itself in one tenant, all at once in another and in the template.
    for version in ["1", "2", "3"] {
        fleet.migrate(&["tenants", "ash", "--set", "app", "--to", version]);
    }
    fleet.create(&["birch"]);
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
    let found = fleet.sql("ash", "select * from found");
    for slug in ["birch", "young"] {
        assert_eq!(fleet.sql(slug, "select * from found"), found, "{slug}");
    }
    assert!(found[0].contains("|public, pg_temp|") && found[0].ends_with("||0|0|0|0|2|t"), "{found:?}");
}

#[test]
fn an_app_can_use_what_a_migration_makes_and_what_is_revoked_stays_revoked() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_shop", "create schema shop; create table shop.item (id serial); create view shop.all_items as table shop.item;");
    fleet.file(
        "2_closed",
        "create table shop.ledger (id int); revoke delete on shop.ledger from nexus_app;
         create schema hidden; create table hidden.t (id int); revoke usage on schema hidden from nexus_app;
         revoke usage on schema public from nexus_app;",
    );
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
    for slug in ["ash", "young"] {
        fleet.world.ok(&["tenant", "repair", slug]);
        let login = fleet.world.env(slug);
        let (user, password) = (login["PGUSER"].as_str().unwrap(), login["PGPASSWORD"].as_str().unwrap());
        let as_app = |statement: &str| fleet.world.sql_as(user, password, &fleet.database(slug), statement);
        as_app(
            "insert into shop.item default values; select nextval('shop.item_id_seq'); table shop.all_items",
        )
        .unwrap();
        as_app("insert into shop.ledger values (1)").unwrap();
        for refused in
            ["delete from shop.ledger", "table hidden.t", "create table shop.own (id int)", "table public.x"]
        {
            let said = as_app(refused).unwrap_err();
            assert!(said.contains("permission denied") || said.contains("does not exist"), "{said}");
        }
        assert_eq!(may(&fleet, slug, "has_schema_privilege('public', 'usage')"), "f", "{slug}");
    }
}

#[test]
fn default_privileges_and_settings_of_a_migration_reach_new_tenants_and_are_no_fault() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(
        "1_defaults",
        "alter default privileges revoke execute on functions from public;
         alter default privileges revoke delete on tables from nexus_app;
         create schema shop; alter default privileges in schema shop grant execute on functions to nexus_app;
         alter default privileges grant select on tables to pg_monitor with grant option;
         grant usage, create on schema public to public;
         do $$ begin
             execute format('alter database %I set timezone to %L', current_database(), 'Asia/Tokyo');
             execute format('alter database %I set search_path to shop, \"A, b\"', current_database());
         end $$;",
    );
    fleet.file("2_uses", "create table t (v int); create function f() returns int language sql as 'select 1'; create function shop.g() returns int language sql as 'select 1';");
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
    fleet.world.ok(&["tenant", "repair", "ash"]);
    fleet.file(
        "3_later",
        "create table later (v int); create function h() returns int language sql as 'select 1';",
    );
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("young", "younger");
    assert_eq!(may(&fleet, "younger", "has_table_privilege('public.later', 'delete')"), "f");
    assert_eq!(may(&fleet, "younger", "has_function_privilege('public.h()', 'execute')"), "f");
    assert_eq!(may(&fleet, "younger", "has_function_privilege('shop.g()', 'execute')"), "t");
}

#[test]
fn of_the_realm_an_app_sees_no_more_than_it_needs() {
    let fleet = Fleet::of(&["ash"]);
    let login = fleet.world.control_sql("select app_role from control.tenants").remove(0);
    let tables = format!(
        "select relname || ': ' || string_agg(privilege, ',' order by privilege)
         from pg_class cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as privilege
         where relnamespace = 'nexus'::regnamespace and relkind in ('r', 'v') and has_table_privilege('{login}', pg_class.oid, privilege)
         group by relname order by relname"
    );
    let whole = [
        "permissions: select",
        "role_permissions: select",
        "roles: select",
        "settings: delete,insert,select,update",
        "user_roles: select",
    ];
    assert_eq!(fleet.sql("ash", &tables), whole);
    let columns = format!(
        "select string_agg(relname || '.' || attname, ' ' order by attname) from pg_attribute
         join pg_class on pg_class.oid = attrelid
         where relnamespace = 'nexus'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
           and has_column_privilege('{login}', attrelid, attnum, 'select')
           and not has_table_privilege('{login}', attrelid, 'select')"
    );
    assert_eq!(
        fleet.sql("ash", &columns),
        ["users.created_at users.email users.id users.name users.state users.updated_at"]
    );
    let sequences = format!(
        "select count(*) from pg_class where relnamespace = 'nexus'::regnamespace
           and case when relkind = 'S' then has_sequence_privilege('{login}', oid, 'usage, select, update') end"
    );
    assert_eq!(fleet.sql("ash", &sequences), ["0"]);
}

/// What a version before this one granted: to the login itself.
fn make_old(fleet: &Fleet, slug: &str) {
    let name = |column: &str| {
        fleet
            .world
            .control_sql(&format!("select {column} from control.tenants where slug = '{slug}'"))
            .remove(0)
    };
    let (owner, app) = (name("owner_role"), name("app_role"));
    fleet.sql(
        slug,
        &format!(
            "alter role \"{app}\" noinherit; revoke nexus_app from \"{app}\";
             set role \"{owner}\";
             alter default privileges revoke usage on schemas from nexus_app;
             alter default privileges revoke all on tables from nexus_app;
             alter default privileges revoke all on sequences from nexus_app;
             alter default privileges in schema public grant select, insert, update, delete on tables to \"{app}\";
             alter default privileges in schema public grant usage, select, update on sequences to \"{app}\";
             reset role;
             revoke all on schema public from nexus_app; grant usage on schema public to \"{app}\";
             revoke all on schema nexus from nexus_app; grant usage on schema nexus to \"{app}\";
             revoke all on all tables in schema nexus, public from nexus_app;
             grant select on nexus.roles, nexus.permissions, nexus.role_permissions, nexus.user_roles to \"{app}\";
             grant select (id, email, name, state, created_at, updated_at) on nexus.users to \"{app}\";
             grant select, insert, update, delete on nexus.settings to \"{app}\";
             grant select on public._sqlx_migrations to \"{app}\";
             grant select, insert, update, delete on public.books to \"{app}\""
        ),
    );
}

#[test]
fn tenants_of_the_version_before_are_brought_along_by_a_run_and_by_a_repair() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all"]);
    for slug in ["ash", "birch"] {
        make_old(&fleet, slug);
    }
    let output = fleet.world.run(&["fsck"]);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(found.contains("role_app_missing") && found.contains("inside_rights_missing"), "{found}");
    fleet.world.ok(&["tenant", "repair", "birch"]);
    fleet.file(
        "2_shop",
        "create schema shop; create table shop.item (id int); revoke delete on books from nexus_app;",
    );
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
    assert_eq!(fleet.left("birch"), fleet.left("young"));
    for slug in ["ash", "birch"] {
        let allowed =
            "has_table_privilege('shop.item', 'insert'), has_table_privilege('public.books', 'update'),
                       has_table_privilege('public.books', 'delete')";
        assert_eq!(may(&fleet, slug, allowed), "t|t|f", "{slug}");
    }
}

#[test]
fn what_no_file_may_have_is_refused_before_anything_runs() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_fine", "create table fine (id int);");
    fleet.file(
        "2_not",
        "-- nexus: allow outside-tenant because we know better\ncreate table t (id int);\nRESET ROLE;\n",
    );
    for args in
        [&["migrate", "tenants", "--all"][..], &["migrate", "plan", "--all"], &["migrate", "rehearse"]]
    {
        let (code, error) = fleet.world.error(args);
        assert_eq!((code, error["code"].as_str()), (2, Some("outside_tenant")), "{error}");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("2_not of set app would act outside the tenant on line 3"),
            "{error}"
        );
    }
    assert_eq!(fleet.sql("ash", "select to_regclass('fine') is null"), ["t"]);
    // Rights for the app are no such thing.
    fleet.file(
        "2_not",
        "create table t (id int); grant truncate on t to nexus_app; alter table t owner to current_user;",
    );
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
}

#[test]
fn no_spelling_of_a_role_passes_lint_or_a_plan() {
    let fleet = Fleet::of(&["ash"]);
    for statement in [
        "set \"ROLE\" to none",
        "set local U&\"!0072ole\" uescape '!' to none",
        "reset \"session_authorization\"",
        "select \"set_config\"('app' || '.tenant', 'x', false)",
        "update pg_settings set setting = 'none' where name = 'role'",
        "create function f() returns int language sql set role to none as 'select 1'",
        "grant set on parameter work_mem to nexus_app",
    ] {
        fleet.file("1_t", &format!("create table t (id int);\n{statement};"));
        let (code, error) = fleet.world.error(&["migrate", "plan", "--all"]);
        assert_eq!((code, error["code"].as_str()), (2, Some("outside_tenant")), "{statement}: {error}");
        let (code, found, _) = fleet.try_migrate(&["lint", "app"]);
        let hit = found.as_array().unwrap().iter().find(|it| it["rule"] == "outside-tenant").unwrap();
        assert_eq!((code, &hit["line"]), (9, &2.into()), "{statement}");
    }
    // A way back is refused before the way there has run.
    fleet.file("1_t.up", "create table t (id int);");
    std::fs::remove_file(fleet.source("app").join("1_t.sql")).unwrap();
    fleet.file("1_t.down", "drop table t; reset \"role\";");
    let (code, error) = fleet.world.error(&["migrate", "plan", "--all"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("outside_tenant")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("1_t.down of set app"), "{error}");
    // Tables and columns may be called so.
    fleet.file("1_t.down", "drop table \"role\";");
    fleet.file(
        "1_t.up",
        "create table \"role\" (role text, \"set_config\" text); comment on column \"role\".role is 'set role';
         insert into role values ('reset role', 'set_config'); update role set role = 'x' where \"role\" = 'role';
         select set_config('app.role', role, true), set_config from role;",
    );
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
}

#[test]
fn verify_finds_rights_owners_default_privileges_and_settings_that_somebody_changed() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_shop", "create schema shop; create table shop.item (id int, price int); create function shop.f() returns int language sql as 'select 1';");
    fleet.migrate(&["tenants", "--all"]);
    fleet.world.ok(&["migrate", "verify"]);
    let owner = fleet.world.control_sql("select owner_role from control.tenants").remove(0);
    let database = fleet.database("ash");
    for (change, back, object) in [
        (
            "revoke insert on shop.item from nexus_app",
            "grant insert on shop.item to nexus_app",
            "table shop.item",
        ),
        (
            "revoke usage on schema shop from nexus_app",
            "grant usage on schema shop to nexus_app",
            "schema shop",
        ),
        (
            "grant update (price) on shop.item to pg_monitor",
            "revoke update (price) on shop.item from pg_monitor",
            "column shop.item.price",
        ),
        (
            "revoke execute on function shop.f() from public",
            "grant execute on function shop.f() to public",
            "function shop.f()",
        ),
        (
            "alter table shop.item owner to nexus",
            &format!("alter table shop.item owner to \"{owner}\"")[..],
            "table shop.item",
        ),
        (
            &format!("revoke delete on shop.item from \"{owner}\"")[..],
            &format!("grant delete on shop.item to \"{owner}\"")[..],
            "table shop.item",
        ),
        (
            &format!("alter default privileges for role \"{owner}\" revoke select on tables from nexus_app")
                [..],
            &format!("alter default privileges for role \"{owner}\" grant select on tables to nexus_app")[..],
            "default rights of owner on tables",
        ),
        (
            &format!("alter database \"{database}\" set work_mem to '9MB'")[..],
            &format!("alter database \"{database}\" reset work_mem")[..],
            "setting work_mem",
        ),
    ] {
        fleet.sql("ash", change);
        let output = fleet.world.run(&["migrate", "verify", "ash", "--full"]);
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(9), "{change}: {found}");
        assert!(found.contains(object), "{change}: {found}");
        fleet.sql("ash", back);
    }
    fleet.world.ok(&["migrate", "verify", "--full"]);
}

#[test]
fn no_file_may_change_the_database_that_it_runs_in() {
    for (number, what) in [
        "grant connect on database %I to nexus_app",
        "comment on database %I is ''x''",
        "alter database %I connection limit 0",
    ]
    .iter()
    .enumerate()
    {
        let fleet = Fleet::of(&["ash"]);
        let hidden = format!("do $$ begin execute format('{what}', current_database()); end $$;");
        let text = match number {
            2 => format!("-- no-transaction\n{hidden}"),
            _ => format!("create table t (id int); {hidden}"),
        };
        fleet.file("1_database", &text);
        let output = fleet.world.run(&["-o", "json", "migrate", "tenants", "--all"]);
        assert_eq!(output.status.code(), Some(6), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("no migration may change who owns or may enter the database"), "{said}");
        if number < 2 {
            assert_eq!(fleet.sql("ash", "select to_regclass('t') is null"), ["t"], "{what}");
            fleet.create(&["birch"]);
            fleet.world.ok(&["fsck"]);
        }
    }
}

#[test]
fn nor_may_a_trigger_that_a_file_puts_off_to_its_end() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(
        "1_late",
        "create table t (id int);
         create function late() returns trigger language plpgsql as $$
         begin execute format('comment on database %I is null', current_database()); return null; end $$;
         create constraint trigger late after insert on t deferrable initially deferred
         for each row execute function late();
         create constraint trigger late after insert on _sqlx_migrations deferrable initially deferred
         for each row execute function late();",
    );
    fleet.file("2_insert", "insert into t values (1);");
    let said = fleet.try_migrate(&["tenants", "--all"]).1.to_string();
    assert!(said.contains("no migration may change who owns or may enter the database"), "{said}");
    assert_eq!(fleet.history("ash"), Vec::<String>::new(), "its own row fires the second trigger");
    fleet.world.ok(&["fsck"]);
}

#[test]
fn what_names_the_owner_is_of_the_owner_in_a_tenant_that_is_born_later_too() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(
        "1_guard",
        "create table sec (id int); alter table sec enable row level security;
         create policy guard on sec as restrictive for delete to current_user, nexus_app using (false);
         create policy own on sec to current_user using (true);
         create table o (id int); grant select on o to current_user; create schema s;
         alter table o owner to pg_database_owner; grant select, insert on o to current_user with grant option;",
    );
    fleet.migrate(&["tenants", "--all"]);
    fleet.is_alike("ash", "young");
    let policies = "select string_agg(polname || ' ' || (select string_agg(case role when datdba then 'OWNER'
                        else role::regrole::text end, ',' order by 1) from unnest(polroles) as role), '; ' order by polname)
                    from pg_policy, pg_database where datname = current_database() group by datname";
    let both = ["ash", "young"].map(|slug| fleet.sql(slug, policies));
    assert_eq!(both[0], both[1]);
    assert!(both[0][0].contains("own OWNER"), "{both:?}");
}
