//! What a tenant's login can say in its own database, and what is refused.

use super::{Neighbour, neighbours};
use crate::support::world::World;

/// What the server says when it refuses.
const REFUSALS: [&str; 9] = [
    "permission denied",
    "must be owner",
    "must be superuser",
    "must be a superuser",
    "must be member",
    "must have CREATEROLE",
    "only superuser",
    "must have admin option",
    "access to library",
];

fn say(world: &World, tenant: &Neighbour, statement: &str) -> Result<Vec<String>, String> {
    world.sql_as(tenant.get("PGUSER"), tenant.get("PGPASSWORD"), tenant.get("PGDATABASE"), statement)
}

#[test]
fn a_tenant_is_refused_what_reaches_beyond_its_data() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash", "birch"]);
    let [one, other] = &tenants[..] else { unreachable!() };
    let own = (one.get("PGUSER"), one.get("PGDATABASE"));
    let foreign = (other.get("PGUSER"), other.get("PGDATABASE"));
    let owner = &world.control_sql("select owner_role from control.tenants where slug = 'ash'")[0];
    let probes = [
        // New objects: whoever owns one can trap those who look at it.
        "create table public.mine (a int)".to_owned(),
        "create table nexus.mine (a int)".to_owned(),
        "create temp table mine (a int)".to_owned(),
        "select 1 as a into temp mine".to_owned(),
        "create schema mine".to_owned(),
        "create function public.lower(text) returns text language sql as 'select 1::text'".to_owned(),
        "create function pg_catalog.mine() returns int language sql as 'select 1'".to_owned(),
        "create type public.mine as enum ('a')".to_owned(),
        "create extension dblink".to_owned(),
        "create extension pg_trgm".to_owned(),
        "create event trigger mine on ddl_command_start execute function pg_catalog.now()".to_owned(),
        "create trigger mine before insert on nexus.settings execute function \
         pg_catalog.suppress_redundant_updates_trigger()"
            .to_owned(),
        "create rule mine as on insert to nexus.settings do nothing".to_owned(),
        "create publication mine for all tables".to_owned(),
        "create foreign data wrapper mine".to_owned(),
        // Roles.
        "create role mine".to_owned(),
        format!("set role \"{owner}\""),
        "set role nexus".to_owned(),
        "set role pg_read_all_data".to_owned(),
        format!("set session authorization \"{}\"", foreign.0),
        format!("alter role \"{}\" superuser", own.0),
        format!("alter role \"{}\" connection limit 1000", own.0),
        format!("alter role \"{}\" password 'known to me'", foreign.0),
        format!("alter role \"{}\" set search_path = mine", foreign.0),
        format!("grant \"{owner}\" to \"{}\"", own.0),
        format!("grant \"{}\" to \"{}\"", foreign.0, own.0),
        format!("drop role \"{}\"", foreign.0),
        // The server's files and programs.
        "copy (select 1) to program 'true'".to_owned(),
        "copy (select 1) to '/tmp/mine'".to_owned(),
        "select pg_read_file('postgresql.conf')".to_owned(),
        "select pg_read_binary_file('/etc/passwd')".to_owned(),
        "select pg_ls_dir('.')".to_owned(),
        "select lo_import('/etc/passwd')".to_owned(),
        "select lo_export(1, '/tmp/mine')".to_owned(),
        // Secrets.
        "select password_hash from nexus.users".to_owned(),
        "select * from nexus.users".to_owned(),
        "select token_hash from nexus.invitations".to_owned(),
        "table nexus.invitations".to_owned(),
        "select rolpassword from pg_authid".to_owned(),
        "select * from pg_stat_ssl, pg_shadow".to_owned(),
        // Its own realm is changed by Nexus alone.
        "insert into nexus.user_roles select id, id from nexus.roles".to_owned(),
        "update nexus.users set state = 'active'".to_owned(),
        "delete from nexus.users".to_owned(),
        "update nexus.role_permissions set permission = '*:*'".to_owned(),
        "truncate nexus.settings".to_owned(),
        "alter table nexus.settings disable trigger all".to_owned(),
        "drop table nexus.users".to_owned(),
        "drop schema nexus cascade".to_owned(),
        // Databases and settings.
        "create database mine".to_owned(),
        format!("alter database \"{}\" set search_path = mine", own.1),
        format!("alter database \"{}\" rename to mine", own.1),
        format!("alter database \"{}\" owner to \"{}\"", own.1, own.0),
        format!("alter database \"{}\" set default_transaction_read_only = on", foreign.1),
        format!("drop database \"{}\"", foreign.1),
        "alter system set log_statement = 'all'".to_owned(),
        "set log_statement = 'none'".to_owned(),
        "set session_replication_role = replica".to_owned(),
        "load 'mine'".to_owned(),
        "select pg_reload_conf()".to_owned(),
        "select pg_switch_wal()".to_owned(),
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'nexus'".to_owned(),
        "checkpoint".to_owned(),
    ];
    // A session of the superuser that the tenant can aim at.
    let mut target = std::process::Command::new("psql");
    target.args(["-X", "-q", "-c", "select pg_sleep(60)"]).env("PGPASSWORD", world.stack().password());
    target.env("PGHOST", &world.stack().socket_dir).env("PGPORT", &world.stack().port);
    target.env("PGUSER", "nexus").env("PGDATABASE", "postgres");
    let mut target = target.stderr(std::process::Stdio::null()).spawn().unwrap();
    let sleeps = "select pid from pg_stat_activity where query = 'select pg_sleep(60)'";
    world.until("postgres", sleeps, |pids| !pids.is_empty());

    let mut wrong = Vec::new();
    for probe in &probes {
        match say(&world, one, probe) {
            Err(said)
                if REFUSALS.iter().any(|refusal| said.to_lowercase().contains(&refusal.to_lowercase())) => {}
            other => wrong.push(format!("{probe}\n  {other:?}")),
        }
    }
    target.kill().unwrap();
    target.wait().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), probes.len(), wrong.join("\n"));
}

#[test]
fn a_tenant_uses_its_settings_and_reads_its_realm() {
    let world = World::new();
    let tenant = &neighbours(&world, &["acme"])[0];
    let rows = |statement: &str| say(&world, tenant, statement).unwrap();
    rows("insert into nexus.settings values ('currency', '\"EUR\"')");
    rows("update nexus.settings set value = '\"CHF\"' where key = 'currency'");
    assert_eq!(rows("select value from nexus.settings"), ["\"CHF\""]);
    rows("delete from nexus.settings");
    assert_eq!(rows("select count(*) from nexus.settings"), ["0"]);
    assert_eq!(rows("select count(*) from nexus.roles"), ["4"]);
    assert_eq!(rows("select email, state from nexus.users"), ["ann@acme.example|invited"]);
    assert_eq!(rows("select name from nexus.user_roles join nexus.roles on id = role_id"), ["Admin"]);
}

#[test]
fn what_the_owner_makes_for_the_apps_they_can_use() {
    let world = World::new();
    let tenant = &neighbours(&world, &["acme"])[0];
    let owner = &world.control_sql("select owner_role from control.tenants")[0];
    let make = format!(
        "set role \"{owner}\"; create table public.invoices (id bigserial primary key, total numeric)"
    );
    world.sql(tenant.get("PGDATABASE"), &make);
    let rows = |statement: &str| say(&world, tenant, statement).unwrap();
    assert_eq!(rows("insert into invoices (total) values (12.5) returning id"), ["1"]);
    assert_eq!(rows("select total from invoices"), ["12.5"]);
    rows("delete from invoices");
    assert!(say(&world, tenant, "drop table invoices").is_err());
}
