use std::fs;

use super::super::support::world::World;
use super::{folder, shop};

fn code(error: &(i32, serde_json::Value)) -> (i32, &str) {
    (error.0, error.1["code"].as_str().unwrap())
}

#[test]
fn a_set_is_added_and_shown_with_its_files() {
    let world = World::new();
    let folder = shop(&world);
    let shown = world.json(&["migrate", "set", "show", "shop"]);
    assert_eq!(shown["source"], folder.canonicalize().unwrap().to_str().unwrap());
    assert_eq!(shown["history"], "public._sqlx_migrations");
    assert_eq!((&shown["files"], &shown["newest"], &shown["tenants"]), (&2.into(), &2.into(), &0.into()));
    let second = &shown["migrations"][1];
    assert_eq!((&second["description"], &second["reversible"]), (&"notes".into(), &true.into()));
    let names: Vec<_> =
        world.ok(&["-o", "id", "migrate", "set", "list"]).lines().map(str::to_owned).collect();
    assert_eq!(names, ["nexus", "shop"]);
}

#[test]
fn a_folder_is_kept_from_the_root_wherever_the_command_was_typed() {
    let world = World::new();
    folder(&world, "work/here", &[]);
    world.ok(&["migrate", "set", "add", "shop", "--source", "here"]);
    let shown = world.json(&["migrate", "set", "show", "shop"]);
    let expected = world.machine().path("work/here").canonicalize().unwrap();
    assert_eq!(shown["source"], expected.to_str().unwrap());
}

#[test]
fn the_same_command_again_changes_nothing_and_another_one_conflicts() {
    let world = World::new();
    let source = shop(&world).display().to_string();
    let rows = "select count(*) from control.audit_log where action = 'migrations.set.add'";
    let again = world.run(&["migrate", "set", "add", "shop", "--source", &source]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing was changed"));
    assert_eq!(world.control_sql(rows), ["1"]);
    let other = folder(&world, "other", &[]);
    let moved = world.error(&["migrate", "set", "add", "shop", "--source", other.to_str().unwrap()]);
    assert_eq!(code(&moved), (5, "set_exists"));
    assert_eq!(moved.1["hint"], "change it: nexus migrate set update shop --source DIR");
}

#[test]
fn a_history_table_is_one_sets_alone_and_the_hint_gives_another() {
    let world = World::new();
    shop(&world);
    let source = folder(&world, "reports", &[]).display().to_string();
    let add = ["migrate", "set", "add", "rep-orts", "--source", &source];
    let taken = world.error(&add);
    assert_eq!(code(&taken), (5, "history_taken"));
    let hint = taken.1["hint"].as_str().unwrap();
    assert!(hint.ends_with("--history public._sqlx_migrations_rep_orts"), "{hint}");
    let flags = hint.split_once(": ").unwrap().1.split(' ');
    let more: Vec<&str> = add.into_iter().chain(flags).collect();
    assert_eq!(world.json(&more)["history"], "public._sqlx_migrations_rep_orts");
}

#[test]
fn a_history_table_that_is_no_plain_name_is_refused() {
    let world = World::new();
    let source = folder(&world, "shop", &[]).display().to_string();
    for table in ["a;drop table b", "\"a\"", "nexus._sqlx_migrations", "pg_catalog.a", "A", "a.b.c"] {
        let output = world.run(&["migrate", "set", "add", "shop", "--source", &source, "--history", table]);
        assert_eq!(output.status.code(), Some(2), "{table}");
    }
}

#[test]
fn sets_run_after_those_that_they_depend_on_and_never_in_a_circle() {
    let world = World::new();
    let source = folder(&world, "any", &[]).display().to_string();
    for (name, before) in [("z", None), ("m", Some("z")), ("a", Some("m"))] {
        let history = format!("public.history_{name}");
        let mut args = vec!["migrate", "set", "add", name, "--source", &source, "--history", &history];
        args.extend(before.into_iter().flat_map(|before| ["--depends-on", before]));
        world.ok(&args);
    }
    assert_eq!(world.ok(&["-o", "id", "migrate", "set", "list"]), "nexus\nz\nm\na\n");
    let circle = world.error(&["migrate", "set", "update", "z", "--depends-on", "a"]);
    assert_eq!(code(&circle), (2, "set_cycle"));
    assert!(circle.1["message"].as_str().unwrap().contains("a -> m -> z -> a"), "{}", circle.1);
    let itself = world.error(&["migrate", "set", "update", "z", "--depends-on", "z"]);
    assert_eq!(code(&itself), (2, "set_cycle"));
    let unknown = world.error(&["migrate", "set", "update", "z", "--depends-on", "b"]);
    assert_eq!(code(&unknown), (4, "set_not_found"));
    world.ok(&["migrate", "set", "update", "a", "--independent"]);
    assert_eq!(world.ok(&["-o", "id", "migrate", "set", "list"]), "nexus\na\nz\nm\n");
}

#[test]
fn a_set_that_another_depends_on_stays() {
    let world = World::new();
    shop(&world);
    let source = folder(&world, "reports", &[]).display().to_string();
    let more = ["--history", "public.r", "--depends-on", "shop"];
    let add: Vec<&str> =
        ["migrate", "set", "add", "reports", "--source", &source].into_iter().chain(more).collect();
    world.ok(&add);
    let refused = world.error(&["migrate", "set", "remove", "shop", "--yes", "--confirm", "shop"]);
    assert_eq!(code(&refused), (5, "set_depended_on"));
    assert!(refused.1["hint"].as_str().unwrap().ends_with("nexus migrate set update reports --independent"));
}

#[test]
fn a_set_moves_to_another_folder() {
    let world = World::new();
    shop(&world);
    let other = folder(&world, "other", &[("3_c.sql", "select 3;")]);
    let moved = world.json(&["migrate", "set", "update", "shop", "--source", other.to_str().unwrap()]);
    assert_eq!(moved["newest"], 3);
    let gone = world.error(&["migrate", "set", "update", "shop", "--source", "/nowhere"]);
    assert_eq!(code(&gone), (2, "set_folder_missing"));
    let never =
        world.error(&["migrate", "set", "add", "new", "--source", "/nowhere", "--history", "public.new"]);
    assert_eq!(code(&never), (2, "set_folder_missing"));
    assert_eq!(never.1["hint"], "make it: mkdir -p /nowhere", "there is no set to be updated");
}

#[test]
fn a_missing_folder_is_named_and_the_list_still_comes() {
    let world = World::new();
    let folder = shop(&world);
    fs::remove_dir_all(&folder).unwrap();
    let sets = world.json(&["migrate", "set", "list"]);
    let problem = sets[1]["problem"].as_str().unwrap();
    assert!(problem.contains(folder.canonicalize().unwrap_or(folder.clone()).to_str().unwrap()), "{problem}");
    assert!(sets[1]["files"].is_null());
    let lint = world.error(&["migrate", "lint"]);
    assert_eq!(code(&lint), (2, "set_folder_missing"));
    assert!(lint.1["hint"].as_str().unwrap().contains("--source shop=DIR"), "{}", lint.1);
}

#[test]
fn a_set_that_tenants_have_is_forgotten_only_when_said_so() {
    let world = World::new();
    shop(&world);
    world.ok(&["tenant", "create", "acme"]);
    world.control_sql(
        "insert into control.tenant_versions (tenant_id, set_name, version)
         select id, 'shop', 2 from control.tenants where slug = 'acme'",
    );
    assert_eq!(world.json(&["migrate", "set", "show", "shop"])["versions"][0]["tenants"], 1);
    let remove = ["migrate", "set", "remove", "shop", "--yes", "--confirm", "shop"];
    let refused = world.error(&remove);
    assert_eq!(code(&refused), (5, "set_in_use"));
    let unasked = world.error(&["migrate", "set", "remove", "shop", "--forget"]);
    assert_eq!(code(&unasked), (3, "confirmation_required"));
    world.ok(&["--dry-run", "migrate", "set", "remove", "shop", "--forget"]);
    assert_eq!(world.control_sql("select count(*) from control.migration_sets"), ["2"]);
    world.ok(&[&remove[..], &["--forget"]].concat());
    assert_eq!(world.control_sql("select count(*) from control.tenant_versions"), ["0"]);
    let detail =
        "select detail->>'forgotten_tenants' from control.audit_log where action = 'migrations.set.remove'";
    assert_eq!(world.control_sql(detail), ["1"]);
}

#[test]
fn a_dry_run_checks_everything_and_writes_nothing() {
    let world = World::new();
    let source = folder(&world, "shop", &[]).display().to_string();
    world.ok(&["--dry-run", "migrate", "set", "add", "shop", "--source", &source]);
    assert_eq!(world.control_sql("select count(*) from control.migration_sets"), ["1"]);
    let gone = world.error(&["--dry-run", "migrate", "set", "add", "shop", "--source", "/nowhere"]);
    assert_eq!(gone.0, 2);
    world.ok(&["migrate", "set", "add", "shop", "--source", &source]);
    let before = world.control_sql("select count(*), max(updated_at) from control.migration_sets");
    let other = folder(&world, "other", &[]).display().to_string();
    world.ok(&["--dry-run", "migrate", "set", "update", "shop", "--source", &other]);
    assert_eq!(world.control_sql("select count(*), max(updated_at) from control.migration_sets"), before);
    let audited = "select count(*) from control.audit_log where action like 'migrations.%'";
    assert_eq!(world.control_sql(audited), ["1"]);
}

#[test]
fn nexuss_own_set_is_there_and_is_left_alone() {
    let world = World::new();
    let shown = world.json(&["migrate", "set", "show", "nexus"]);
    assert_eq!(shown["history"], "nexus._sqlx_migrations");
    let newest = "select max(version) from nexus._sqlx_migrations";
    assert_eq!(world.control_sql(newest), [shown["newest"].to_string()]);
    let source = folder(&world, "any", &[]).display().to_string();
    let tries: [&[&str]; 4] = [
        &["migrate", "set", "add", "nexus", "--source", &source],
        &["migrate", "set", "update", "nexus", "--source", &source],
        &["migrate", "set", "remove", "nexus", "--yes", "--confirm", "nexus"],
        &["migrate", "new", "nexus", "add orders"],
    ];
    for args in tries {
        assert_eq!(code(&world.error(args)), (2, "set_built_in"), "{args:?}");
    }
}

#[test]
fn of_two_sets_that_want_one_history_table_one_gets_it() {
    let world = World::new();
    let source = folder(&world, "any", &[]).display().to_string();
    let children: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| world.command(&["migrate", "set", "add", name, "--source", &source]).spawn().unwrap())
        .into();
    let codes: Vec<_> =
        children.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 5).count(), 3, "{codes:?}");
}

#[test]
fn a_wrong_file_is_told_with_its_name_and_the_mend() {
    let world = World::new();
    let folder = shop(&world);
    fs::write(folder.join("3_a.sql"), "-- nexus: lok_timeout=5s\nselect 1;\n").unwrap();
    let (exit, error) = world.error(&["migrate", "lint"]);
    assert_eq!((exit, error["code"].as_str()), (2, Some("migration_header")));
    assert!(error["message"].as_str().unwrap().contains("3_a.sql:1: \"lok_timeout\" is not a directive"));
    assert_eq!(error["hint"], "write: -- nexus: lock_timeout=5s");
    assert_eq!(error["details"]["line"], 1);
}

#[test]
fn a_set_stays_while_a_run_is_under_way() {
    let world = World::new();
    shop(&world);
    world.control_sql(
        "insert into control.runs (id, kind, state, caller, plan)
         values (gen_random_uuid(), 'forward', 'running', 'test', '{}')",
    );
    let remove = ["migrate", "set", "remove", "shop", "--yes", "--confirm", "shop"];
    assert_eq!(code(&world.error(&remove)), (7, "run_under_way"));
    world.control_sql("update control.runs set state = 'done', finished_at = now()");
    world.ok(&remove);
}

#[test]
fn a_link_to_the_newest_release_is_followed_each_time() {
    let world = World::new();
    folder(&world, "release1", &[("1_a.sql", "select 1;")]);
    folder(&world, "release2", &[("1_a.sql", "select 1;"), ("2_b.sql", "select 2;")]);
    let current = world.machine().path("current");
    std::os::unix::fs::symlink(world.machine().path("release1"), &current).unwrap();
    world.ok(&["migrate", "set", "add", "shop", "--source", current.to_str().unwrap()]);
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink(world.machine().path("release2"), &current).unwrap();
    assert_eq!(world.json(&["migrate", "set", "show", "shop"])["newest"], 2);
}

#[test]
fn on_a_terminal_the_name_of_what_goes_is_typed() {
    let world = World::new();
    shop(&world);
    let remove = ["migrate", "set", "remove", "shop"];
    let other = world.machine().on_terminal(&remove, "other\n");
    assert!(other.ends_with("--- exit 3") && other.contains("Nexus removes its record of them"), "{other}");
    let typed = world.machine().on_terminal(&remove, "shop\n");
    assert!(typed.ends_with("--- exit 0"), "{typed}");
    assert_eq!(world.error(&["migrate", "set", "show", "shop"]).0, 4);
}

#[test]
fn a_path_in_a_hint_is_one_word_of_a_shell() {
    let world = World::new();
    let folder = world.machine().path("work/my files");
    let source = folder.display().to_string();
    let (_, error) = world.error(&["migrate", "set", "add", "shop", "--source", &source]);
    assert_eq!(error["hint"], format!("make it: mkdir -p '{source}'"), "{error}");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("1_a.down.sql"), "drop table a;").unwrap();
    let (_, error) = world.error(&["migrate", "set", "add", "shop", "--source", &source]);
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.ends_with(&format!("rm '{source}/1_a.down.sql'")), "{error}");
}
