//! Faults, each planted alone, and each found with its fix.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nexus::infra::crypto::LocalMasterKey;

use super::{Seen, change_settings, examined};
use crate::support::machine::Machine;
use crate::support::private::Private;
use crate::support::world::World;

fn key_of(world: &World) -> PathBuf {
    world.machine().path("nexus/keys/t.key")
}

#[test]
fn a_master_key_that_others_can_read() {
    let world = World::new();
    fs::set_permissions(key_of(&world), fs::Permissions::from_mode(0o644)).unwrap();
    let seen = examined(&world);
    assert_eq!(seen.code, 9, "{:#?}", seen.wrong());
    assert_eq!(seen.faults(), ["key.file"]);
    assert_eq!(seen.one("key.file", "error").1, format!("chmod 600 {}", key_of(&world).display()));
}

#[test]
fn a_master_key_that_is_gone() {
    let world = World::new();
    fs::remove_file(key_of(&world)).unwrap();
    let seen = examined(&world);
    assert_eq!(seen.code, 9);
    let (found, fix) = seen.one("key.file", "error");
    assert!(found.contains("does not exist"), "{found}");
    assert!(fix.starts_with("cp ") && fix.contains("chmod 600"), "{fix}");
    assert!(!key_of(&world).exists());
}

#[test]
fn a_master_key_behind_a_link() {
    let world = World::new();
    let elsewhere = world.machine().path("nexus/elsewhere.key");
    fs::rename(key_of(&world), &elsewhere).unwrap();
    symlink(&elsewhere, key_of(&world)).unwrap();
    let seen = examined(&world);
    assert_eq!(seen.code, 9);
    assert!(seen.one("key.file", "error").0.contains("link"));
}

#[test]
fn another_master_key_than_the_one_that_secrets_are_sealed_with() {
    let world = World::new();
    fs::remove_file(key_of(&world)).unwrap();
    LocalMasterKey::generate_key_file(&key_of(&world)).unwrap();
    let recorded = world.control_sql("select id from control.master_keys").remove(0);
    let seen = examined(&world);
    assert_eq!(seen.code, 9);
    assert_eq!(seen.faults(), ["key.recorded"]);
    assert!(seen.one("key.recorded", "error").1.contains(&recorded));
}

#[test]
fn a_password_that_is_wrong() {
    let world = World::new();
    let file = world.machine().path("work/password");
    fs::write(&file, "hunter2").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let right = format!("{}/local/postgres.password", world.stack().home.display());
    change_settings(&world, |text| text.replace(&right, file.to_str().unwrap()));
    let seen = examined(&world);
    assert_eq!(seen.code, 8);
    assert!(seen.one("control.reachable", "error").1.ends_with(": nexus config show"));
    seen.one("store.reachable", "ok");
}

#[test]
fn a_server_that_is_down() {
    let world = World::new();
    let nowhere = world.machine().path("nowhere").display().to_string();
    let host = world.stack().socket_dir.clone();
    change_settings(&world, |text| {
        text.replace(&format!("host = \"{host}\""), &format!("host = \"{nowhere}\""))
    });
    let seen = examined(&world);
    assert_eq!(seen.code, 8);
    assert_eq!(seen.faults(), ["control.reachable", "cluster.reachable"]);
    let (found, fix) = seen.one("control.reachable", "error");
    assert!(
        found.contains(&nowhere) && fix.starts_with(&format!("pg_isready -h {nowhere}")),
        "{found} {fix}"
    );
    assert!(seen.one("audit.head", "skipped").0.contains("cannot be reached"));
}

#[test]
fn a_store_that_is_down() {
    let world = World::on("http://127.0.0.1:1");
    let seen = examined(&world);
    assert_eq!(seen.code, 8);
    assert_eq!(seen.faults(), ["store.reachable"]);
    assert!(seen.one("store.reachable", "error").1.starts_with("curl -sI http://127.0.0.1:1"));
}

#[test]
fn a_store_with_a_wrong_token() {
    let world = World::new();
    let file = world.machine().path("work/token");
    fs::write(&file, "hunter2").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let right = format!("{}/local/s3.token", world.stack().home.display());
    change_settings(&world, |text| text.replace(&right, file.to_str().unwrap()));
    let seen = examined(&world);
    assert_eq!(seen.code, 8);
    let (found, fix) = seen.one("store.reachable", "error");
    assert!(found.contains("refused") && fix.contains("admin_token"), "{found} {fix}");
}

#[test]
fn everything_silent_is_told_within_ten_seconds() {
    let silent = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [postgres, store] = silent.each_ref().map(|it| it.local_addr().unwrap());
    let machine = Machine::new().with_settings(&format!(
        "default_context = \"t\"\n[context.t.control]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"nexus\"\n\
         database = \"nexus\"\ntls = \"disable\"\n[context.t.store]\nendpoint = \"http://{store}\"\n\
         admin_token = \"env:TOKEN\"\n[context.t.keys]\nmaster = \"cmd:sleep 60\"\n",
        postgres.port()
    ));
    let started = Instant::now();
    let output = machine.with_variable("TOKEN", "hunter2").output(&["-o", "json", "doctor"], "");
    let took = started.elapsed();
    let seen = Seen::of(&output);
    assert_eq!(seen.code, 8, "{:#?}", seen.wrong());
    assert!(took < Duration::from_secs(10), "{took:?}");
    for check in ["control.reachable", "cluster.reachable", "store.reachable", "settings.secrets"] {
        let found = seen.one(check, "error").0;
        assert!(found.contains("no answer") || found.contains("did not answer"), "{check}: {found}");
    }
    assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
}

#[test]
fn maintenance_databases_that_let_tenants_in() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    world.sql("postgres", "grant connect on database postgres to public");
    let seen = examined(&world);
    assert_eq!(seen.code, 9, "{:#?}", seen.wrong());
    let (found, fix) = seen.one("cluster.closed", "error");
    assert!(found.contains("postgres"), "{found}");
    assert!(fix.contains("revoke all on database postgres from public"), "{fix}");
}

#[test]
fn settings_of_a_server_that_risk_data_or_spread_secrets() {
    let world = World::new();
    let database = world.control.clone();
    world.sql("postgres", &format!("alter database \"{database}\" set synchronous_commit = off"));
    world.sql("postgres", &format!("alter database \"{database}\" set log_statement = 'all'"));
    let seen = examined(&world);
    assert_eq!(seen.code, 9, "{:#?}", seen.wrong());
    let (found, fix) = seen.one("control.durability", "error");
    assert!(found.starts_with("synchronous_commit off"), "{found}");
    assert!(fix.contains(&format!("alter database {database} reset synchronous_commit")), "{fix}");
    assert!(seen.one("control.logging", "warning").0.contains("log_statement = all"));
    seen.one("cluster.durability", "ok");
}

#[test]
fn a_control_database_of_an_older_nexus() {
    let world = World::new();
    world.control_sql(
        "delete from control._sqlx_migrations
         where version = (select max(version) from control._sqlx_migrations)",
    );
    let seen = examined(&world);
    assert_eq!(seen.code, 8);
    assert_eq!(seen.faults(), ["control.migrations"]);
    assert_eq!(seen.one("control.migrations", "error").1, "nexus init");
}

#[test]
fn a_control_database_of_a_newer_nexus() {
    let world = World::new();
    world.control_sql(
        "insert into control._sqlx_migrations (version, description, success, checksum, execution_time)
         values (99990101000000, 'later', true, '', 0)",
    );
    let seen = examined(&world);
    assert_eq!(seen.code, 8);
    assert!(seen.one("control.migrations", "error").1.contains("newer nexus"));
}

#[test]
fn a_control_database_that_is_not_set_up() {
    let world = World::new();
    change_settings(&world, |text| text.replace(&world.control, "nowhere_at_all"));
    let seen = examined(&world);
    assert_eq!(seen.code, 8);
    assert_eq!(seen.one("control.reachable", "error").1, "nexus init");

    // A key that is not there is then one that was not made yet.
    fs::remove_file(key_of(&world)).unwrap();
    let seen = examined(&world);
    assert_eq!((seen.code, seen.one("key.file", "warning").1), (8, "nexus init".to_owned()));
}

#[test]
fn no_psql_on_the_path() {
    let world = World::new();
    let mut command = world.command(&["-o", "json", "doctor", "--only", "programs"]);
    let seen = Seen::of(&command.env("PATH", "/nowhere").output().unwrap());
    assert_eq!(seen.code, 0);
    assert!(seen.one("programs.psql", "warning").1.starts_with("apt-get install postgresql-client-"));
    assert!(seen.one("programs.pg_dump", "warning").0.contains("backups"));
}

#[test]
fn an_operation_that_was_left_lying() {
    let world = World::new();
    world.killed_at("create.database.before", &["tenant", "create", "acme"]);
    assert!(examined(&world).one("tenants.operations", "ok").0.contains("15 minutes"));
    world.control_sql("update control.operations set created_at = now() - interval '20 minutes'");
    let id = world.control_sql("select id from control.operations").remove(0);
    let seen = examined(&world);
    assert_eq!(seen.code, 0);
    let (found, fix) = seen.one("tenants.operations", "warning");
    assert!(found.contains("acme"), "{found}");
    assert_eq!(fix, format!("nexus operation resume {id}"));
}

#[test]
fn jobs_that_are_dead() {
    let world = World::new();
    assert_eq!(examined(&world).one("tenants.jobs", "ok").0, "none is dead");
    world.control_sql(
        "insert into control.jobs (id, tenant_id, kind, payload, priority, max_attempts, state, attempts)
         select gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'test.nothing', '{}', 5, 3, 'dead', 3
         from generate_series(1, 2)",
    );
    let seen = examined(&world);
    assert_eq!(seen.code, 0);
    let (found, fix) = seen.one("tenants.jobs", "warning");
    assert_eq!(
        (found.as_str(), fix.as_str()),
        ("2 jobs are dead: their last attempts failed", "nexus job list --state dead")
    );
}

#[test]
fn an_audit_log_whose_head_is_gone() {
    let world = World::new();
    world.control_sql("delete from control.audit_head");
    let seen = examined(&world);
    assert_eq!(seen.code, 9);
    assert_eq!(seen.one("audit.head", "error").1, "nexus audit verify");
}

#[test]
fn a_template_that_somebody_dropped() {
    let world = World::new();
    let name = world.control_sql("select database_name from control.templates").remove(0);
    world.sql("postgres", &format!("alter database \"{name}\" is_template false"));
    world.sql("postgres", &format!("drop database \"{name}\""));
    let seen = examined(&world);
    assert_eq!(seen.code, 9);
    assert!(seen.one("cluster.template", "error").1.contains(&name));
}
