//! Where the files of a set are: the same set from several checkouts, on several machines.

use std::fs;

use super::super::support::world::World;
use super::folder;

const ONE: (&str, &str) = ("1_a.sql", "create table a (x int);");

/// A set `shop` that was added from a checkout that is on another machine.
fn elsewhere() -> World {
    let world = World::new();
    let source = folder(&world, "work/gone", &[ONE]);
    world.ok(&["migrate", "set", "add", "shop", "--source", "./gone"]);
    fs::remove_dir_all(source).unwrap();
    world
}

fn newest(world: &World, more: &[&str]) -> serde_json::Value {
    world.json(&[&["migrate", "set", "show", "shop"], more].concat())["newest"].clone()
}

#[test]
fn every_verb_that_reads_files_takes_them_from_where_it_is_told() {
    let world = elsewhere();
    world.ok(&["tenant", "create", "acme"]);
    let checkout = folder(&world, "checkout", &[ONE, ("2_b.sql", "create table b (x int);")]);
    let flag = format!("shop={}", checkout.display());
    assert_eq!(newest(&world, &["--source", &flag]), 2);
    assert_eq!(newest(&world, &["--source", checkout.to_str().unwrap()]), 2, "one set is meant");
    let plan = world.json(&["migrate", "plan", "--all", "--source", &flag]);
    assert_eq!(plan["tenants"][0]["slug"], "acme");
    for verb in [
        &["migrate", "set", "list"][..],
        &["migrate", "lint", "shop"],
        &["migrate", "plan", "--all", "--set", "shop", "--out", "plan.json"],
        &["migrate", "verify"],
        &["--dry-run", "migrate", "rehearse"],
        &["--dry-run", "migrate", "apply", "--plan", "plan.json"],
        &["migrate", "apply", "--plan", "plan.json"],
        &["migrate", "tenants", "--all"],
        &["migrate", "new", "shop", "add c"],
    ] {
        world.ok(&[verb, &["--source", &flag]].concat());
    }
    assert_eq!(fs::read_dir(&checkout).unwrap().count(), 3);
    let database = world.control_sql("select database_name from control.tenants").remove(0);
    assert_eq!(world.sql(&database, "select version from public._sqlx_migrations order by 1"), ["1", "2"]);
}

#[test]
fn a_variable_or_the_settings_say_where_files_are_and_a_flag_goes_before_them() {
    let world = elsewhere();
    folder(&world, "work/db/two", &[ONE, ("2_b.sql", "select 2;")]);
    let three = folder(&world, "three", &[ONE, ("3_c.sql", "select 3;")]);
    let four = folder(&world, "four", &[ONE, ("4_d.sql", "select 4;")]);
    let settings = world.machine().path("work/nexus.toml");
    let text = fs::read_to_string(&settings).unwrap() + "[context.t.migrations]\nshop = \"db/two\"\n";
    fs::write(&settings, text).unwrap();
    // From any folder: the path is relative to the file that says it.
    let show = |variable: Option<&str>, more: &[&str]| {
        let args = ["-o", "json", "--config", settings.to_str().unwrap(), "migrate", "set", "show", "shop"];
        let mut command = world.command(&[&args, more].concat());
        command.current_dir(world.machine().path("home"));
        command.envs(variable.map(|folder| ("NEXUS_MIGRATIONS_SHOP", folder)));
        let output = command.output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["newest"].clone()
    };
    assert_eq!(show(None, &[]), 2);
    assert_eq!(show(Some(three.to_str().unwrap()), &[]), 3);
    assert_eq!(show(Some(three.to_str().unwrap()), &["--source", four.to_str().unwrap()]), 4);
}

#[test]
fn a_set_means_the_same_folder_in_every_checkout_of_one_repository() {
    let world = World::new();
    folder(&world, "work/db", &[ONE]);
    world.ok(&["migrate", "set", "add", "shop", "--source", "./db/"]);
    assert_eq!(world.control_sql("select source from control.migration_sets where name = 'shop'"), ["db"]);
    let again = world.run(&["migrate", "set", "add", "shop", "--source", "db"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing was changed"));
    // The other checkout has the same settings beside other files.
    let other = folder(&world, "other/db", &[ONE, ("2_b.sql", "select 2;")]);
    fs::copy(world.machine().path("work/nexus.toml"), other.with_file_name("nexus.toml")).unwrap();
    let mut command = world.command(&["-o", "json", "migrate", "set", "show", "shop"]);
    let output = command.current_dir(world.machine().path("other")).output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["newest"], &shown["source"]), (&2.into(), &other.to_str().unwrap().into()));
}

#[test]
fn a_missing_folder_is_told_with_the_ways_to_say_where_it_is() {
    let world = elsewhere();
    let (code, error) = world.error(&["migrate", "plan", "--all"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("set_folder_missing")));
    let hint = error["hint"].as_str().unwrap();
    for way in ["--source shop=DIR", "NEXUS_MIGRATIONS_SHOP=DIR", "nexus.toml"] {
        assert!(hint.contains(way), "{hint}");
    }
    assert!(!hint.contains("mkdir"), "{hint}");
}

#[test]
fn a_flag_that_does_not_fit_is_refused() {
    let world = elsewhere();
    folder(&world, "other", &[]);
    let other = world.machine().path("other");
    let add =
        ["migrate", "set", "add", "app", "--source", other.to_str().unwrap(), "--history", "public.app"];
    world.ok(&add);
    for (flag, code) in [
        ("./here", "source_unclear"),
        ("shpo=./here", "set_not_found"),
        ("nexus=./here", "set_built_in"),
        ("shop=postgres://me:hunter2@db/x", "usage"),
    ] {
        let (_, error) = world.error(&["migrate", "plan", "--all", "--source", flag]);
        assert_eq!(error["code"], code, "{flag}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn status_and_new_tenants_need_no_files() {
    let world = World::new();
    let source = folder(&world, "shop", &[ONE]);
    world.ok(&["migrate", "set", "add", "shop", "--source", source.to_str().unwrap()]);
    world.ok(&["tenant", "create", "acme"]);
    world.ok(&["migrate", "tenants", "--all"]);
    fs::remove_dir_all(source).unwrap();
    let status = world.json(&["migrate", "status"]);
    assert_eq!((&status["sets"][1]["newest"], &status["sets"][1]["behind"]), (&1.into(), &0.into()));
    world.ok(&["tenant", "create", "birch"]);
    let database = "select database_name from control.tenants where slug = 'birch'";
    let database = world.control_sql(database).remove(0);
    assert_eq!(world.sql(&database, "select version from public._sqlx_migrations order by 1"), ["1"]);
}

#[test]
fn two_pipelines_from_two_folders_at_once_do_not_see_each_other() {
    let world = elsewhere();
    world.ok(&["tenant", "create", "acme"]);
    let recorded = "select source, updated_at from control.migration_sets where name = 'shop'";
    let before = world.control_sql(recorded);
    let checkouts: Vec<String> = (2..=3)
        .map(|version| {
            let file = format!("{version}_x.sql");
            let files = [ONE, (file.as_str(), "drop table a;")];
            folder(&world, &format!("checkout-{version}"), &files).display().to_string()
        })
        .collect();
    let mut running = Vec::new();
    for _ in 0..3 {
        for (checkout, version) in checkouts.iter().zip(2_i64..) {
            for verb in [&["plan", "--all"][..], &["lint", "shop"]] {
                let flag = format!("shop={checkout}");
                let args = [&["-o", "json", "migrate"], verb, &["--source", &flag]].concat();
                running.push((version, world.command(&args).spawn().unwrap()));
            }
        }
    }
    for (version, child) in running {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let other = 5 - version;
        assert!(
            said.contains(&format!("{version}_x")) || said.contains(&format!("\"version\": {version},")),
            "{said}"
        );
        assert!(
            !said.contains(&format!("{other}_x")) && !said.contains(&format!("\"version\": {other},")),
            "{said}"
        );
    }
    assert_eq!(world.control_sql(recorded), before);
}
