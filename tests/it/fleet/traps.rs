//! What was planted in a tenant's database finds nothing to gain in a migration's session.

use super::{FIRST, Fleet};
use crate::adopt::shop;

/// Tries everything that an operator's rights would allow, and keeps what it got.
const GRAB: &str = "
    create table if not exists public.loot (what text);
    grant all on public.loot to public;
    create or replace function public.grab(what text) returns void language plpgsql as $$
    declare secret text;
    begin
        begin execute 'reset role'; exception when others then null; end;
        begin execute 'set session authorization default'; exception when others then null; end;
        begin
            execute 'select rolpassword from pg_authid where rolpassword is not null limit 1' into secret;
            insert into public.loot values (what || ': pg_authid');
        exception when others then null; end;
        begin
            execute 'create role nexus_loot superuser';
            insert into public.loot values (what || ': superuser');
        exception when others then null; end;
        begin
            execute 'copy (select 1) to program ''true''';
            insert into public.loot values (what || ': program');
        exception when others then null; end;
        if (select rolsuper from pg_roles where rolname = session_user) or
           (select rolsuper from pg_roles where rolname = current_user) then
            insert into public.loot values (what || ': session');
        end if;
        insert into public.loot values ('ran: ' || what);
    end $$;";

/// Things that a tenant, or whoever its database came from, can leave for a session to step on.
const PLANTED: &str = "
    create table public.bait (id int);
    create function public.on_bait() returns trigger language plpgsql as
        $$ begin perform public.grab('trigger'); return new; end $$;
    create trigger bait before insert on public.bait for each row execute function public.on_bait();
    create function public.now() returns timestamptz language plpgsql as
        $$ begin perform public.grab('now'); return clock_timestamp(); end $$;
    create function public.clock_timestamp() returns timestamptz language plpgsql as
        $$ begin perform public.grab('clock'); return pg_catalog.now(); end $$;
    create function public.to_regclass(text) returns regclass language plpgsql as
        $$ begin perform public.grab('to_regclass'); return null; end $$;
    create function public.current_setting(text) returns text language plpgsql as
        $$ begin perform public.grab('current_setting'); return ''; end $$;
    create function public.lower(varchar) returns text language plpgsql as
        $$ begin perform public.grab('lower'); return ''; end $$;";

#[test]
fn whatever_an_owner_plants_runs_with_the_owners_rights_at_most() {
    let fleet = Fleet::of(&["ash"]);
    let database = fleet.database("ash");
    let owner = fleet
        .sql("ash", "select pg_get_userbyid(datdba) from pg_database where datname = current_database()")
        .remove(0);
    fleet.sql("ash", &format!("set role \"{owner}\"; {GRAB} {PLANTED}"));
    fleet.sql(
        "ash",
        &format!(
            "set role \"{owner}\"; alter database \"{database}\" set search_path to public, pg_catalog;
             alter database \"{database}\" set statement_timeout to 1;
             alter database \"{database}\" set default_transaction_read_only to on"
        ),
    );
    fleet.file(FIRST.0, FIRST.1);
    fleet.file(
        "2_bait",
        "do $$ begin
             if to_regclass('public.bait') is not null then
                 insert into bait values (1);
                 perform lower('X'::varchar), public.now(), public.grab('file');
             end if;
         end $$;",
    );
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!(report["outcome"], "done", "{report}");
    let loot = fleet.world.sql(&database, "set search_path to public; set default_transaction_read_only to off; set statement_timeout to 0; select what from public.loot order by 1");
    assert_eq!(loot, ["ran: file", "ran: lower", "ran: now", "ran: trigger"], "they ran, and got nothing");
    assert_eq!(
        fleet.world.sql("postgres", "select count(*) from pg_roles where rolname = 'nexus_loot'"),
        ["0"]
    );
    fleet.is_tidy();
}

#[test]
fn a_file_that_leaves_its_role_finds_no_other_rights_and_leaves_nothing_behind() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(
        "1_escape",
        "create table seen (super bool); do $$ begin set role none; end $$; \
         insert into seen select rolsuper from pg_roles where rolname = session_user;",
    );
    fleet.migrate(&["tenants", "--all"]);
    assert_eq!(fleet.sql("ash", "select super from seen"), ["f"]);
    fleet.is_tidy();
    fleet.file("2_catalog", "do $$ begin set role none; end $$; select rolpassword from pg_authid;");
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
    assert_eq!((code, Fleet::failures(&report)), (6, vec![("ash".to_owned(), "42501".to_owned())]));
    fleet.is_tidy();
}

#[test]
fn an_event_trigger_in_an_adopted_database_gets_no_more_than_its_owner_has() {
    let fleet = Fleet::of(&[]);
    let shop = shop(&fleet.world, false);
    fleet.world.ok(&["tenant", "adopt", "shop", "--dsn-file", &shop.file]);
    let owner = format!("{}_dba", shop.name);
    shop.on(&shop.name, &format!("set role {owner}; {GRAB}"));
    shop.on(
        &shop.name,
        "create function public.on_ddl() returns event_trigger language plpgsql as $$ begin perform public.grab('event'); end $$;
         create event trigger planted on ddl_command_end execute function public.on_ddl()",
    );
    fleet.file("1_new", "create table brought (id int primary key);");
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!(report["outcome"], "done", "{report}");
    shop.on(&shop.name, "drop event trigger planted");
    let loot = shop.on(&shop.name, "select distinct what from public.loot order by 1");
    assert_eq!(loot, ["ran: event"]);
    let owned =
        shop.on(&shop.name, "select pg_get_userbyid(relowner) from pg_class where relname = 'brought'");
    assert_eq!(owned, [owner]);
}

#[test]
fn a_database_that_a_superuser_owns_is_refused() {
    let fleet = Fleet::of(&["ash", "birch"]);
    let owner = fleet
        .sql("ash", "select pg_get_userbyid(datdba) from pg_database where datname = current_database()")
        .remove(0);
    fleet.sql("ash", &format!("alter role \"{owner}\" superuser"));
    fleet.file(FIRST.0, FIRST.1);
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
    fleet.sql("ash", &format!("alter role \"{owner}\" nosuperuser"));
    assert_eq!((code, Fleet::failures(&report)), (6, vec![("ash".to_owned(), "owner_powerful".to_owned())]));
    assert_eq!(report["run"]["done"], 1);
}

/// Promise F6.
#[test]
fn no_lock_that_a_tenant_can_hold_stops_a_run() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    let keys = "select pg_advisory_lock(key) from generate_series(1, 2000) as key";
    let report = fleet.while_held("ash", keys, "60", || fleet.migrate(&["tenants", "--all"]));
    assert_eq!(report["outcome"], "done");
}
