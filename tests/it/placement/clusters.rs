use super::super::support::stack;
use super::super::support::world::World;
use super::{has_database, with_second_server};

#[test]
fn a_tenant_is_made_and_used_on_the_server_that_was_named() {
    let world = World::new();
    let second = with_second_server(&world, "eu2", &[]);
    let made = world.json(&["tenant", "create", "acme", "--cluster", "eu2"]);
    assert_eq!(made["cluster"], "eu2");
    let database = made["database"].as_str().unwrap();
    assert!(has_database(second, database) && !has_database(world.stack(), database));
    let shown = world.ok(&["tenant", "psql", "acme", "--", "-Atc", "select current_database()"]);
    assert_eq!(shown.trim(), database);
    assert_eq!(world.env("acme")["PGHOST"], second.socket_dir.as_str());
    world.ok(&["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"]);
    assert!(!has_database(second, database));
}

#[test]
fn without_a_wish_the_emptiest_server_is_taken() {
    let world = World::new();
    with_second_server(&world, "eu2", &["--capacity", "1"]);
    let cluster = |slug: &str| world.json(&["tenant", "create", slug])["cluster"].clone();
    // Both are empty: the first by name. Then a server for 1,000 with one is emptier than one for
    // one with one, which is full.
    assert_eq!(cluster("aa"), "default");
    assert_eq!(cluster("bb"), "eu2");
    assert_eq!(cluster("cc"), "default");
    let (code, error) = world.error(&["tenant", "create", "dd", "--cluster", "eu2"]);
    assert_eq!((code, error["code"].as_str()), (5, Some("no_room")));
}

#[test]
fn a_draining_server_takes_none_until_it_is_undone() {
    let world = World::new();
    with_second_server(&world, "eu2", &[]);
    world.ok(&["cluster", "drain", "eu2"]);
    let (code, error) = world.error(&["tenant", "create", "acme", "--cluster", "eu2"]);
    assert_eq!((code, error["code"].as_str()), (5, Some("no_room")));
    world.ok(&["cluster", "drain", "eu2", "--undo"]);
    world.ok(&["tenant", "create", "acme", "--cluster", "eu2"]);
}

#[test]
fn labels_say_where_a_tenant_may_go() {
    let world = World::new();
    with_second_server(&world, "eu2", &["--label", "tier=gold"]);
    let nowhere = world.error(&["tenant", "create", "acme", "--place", "tier=gold"]);
    assert_eq!((nowhere.0, nowhere.1["code"].as_str()), (5, Some("no_room")));
    world.ok(&["store", "update", "default", "--label", "tier=gold"]);
    assert_eq!(world.json(&["tenant", "create", "acme", "--place", "tier=gold"])["cluster"], "eu2");
}

#[test]
fn the_same_create_with_another_server_is_a_conflict() {
    let world = World::new();
    with_second_server(&world, "eu2", &[]);
    world.ok(&["tenant", "create", "acme", "--cluster", "eu2"]);
    world.ok(&["tenant", "create", "acme", "--cluster", "eu2"]);
    world.ok(&["tenant", "create", "acme"]);
    let (code, error) = world.error(&["tenant", "create", "acme", "--cluster", "default"]);
    assert_eq!(code, 5);
    assert_eq!(error["details"]["differences"], serde_json::json!(["cluster"]));
}

#[test]
fn a_server_is_registered_once() {
    let world = World::new();
    with_second_server(&world, "eu2", &[]);
    with_second_server(&world, "eu2", &[]);
    let second = stack::second();
    let password = second.home.join("local/postgres.password");
    let add = |name: &str, on: &stack::Stack, file: &str| {
        let args = ["cluster", "add", name, "--host", &on.socket_dir, "--port", &on.port];
        let args: Vec<&str> = args.into_iter().chain(["--user", "nexus", "--password-file", file]).collect();
        world.error(&args)
    };
    let (code, error) = add("eu3", second, password.to_str().unwrap());
    assert_eq!((code, error["code"].as_str()), (5, Some("server_registered")));
    let first = world.stack().home.join("local/postgres.password");
    let (code, error) = add("eu4", world.stack(), first.to_str().unwrap());
    assert_eq!((code, error["code"].as_str()), (5, Some("server_registered")));
    assert_eq!(error["details"]["name"], "default");
}

#[test]
fn a_server_with_tenants_stays_and_one_without_goes_with_its_templates() {
    let world = World::new();
    let second = with_second_server(&world, "eu2", &[]);
    world.ok(&["tenant", "create", "acme", "--cluster", "eu2"]);
    let remove = ["cluster", "remove", "eu2", "--yes", "--confirm", "eu2"];
    let (code, error) = world.error(&remove);
    assert_eq!((code, error["code"].as_str()), (5, Some("in_use")));
    world.ok(&["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"]);
    world.ok(&remove);
    let mark = format!("nexus:{}:%", world.id);
    let left = format!(
        "select (select count(*) from pg_database where shobj_description(oid, 'pg_database') like '{mark}')
              + (select count(*) from pg_roles where shobj_description(oid, 'pg_authid') like '{mark}')"
    );
    assert_eq!(second.sql("nexus", &second.password(), "postgres", &left).unwrap(), ["0"]);
    assert_eq!(world.error(&["cluster", "show", "eu2"]).0, 4);
    let sealed = "select count(*) from control.sealed_secrets where name like 'cluster.%'";
    assert_eq!(world.control_sql(sealed), ["0"]);
}

#[test]
fn the_server_of_the_settings_cannot_be_removed() {
    let world = World::new();
    let (code, error) = world.error(&["cluster", "remove", "default", "--yes", "--confirm", "default"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("of_settings")));
}

#[test]
fn a_wrong_password_or_a_login_without_rights_registers_nothing() {
    let world = World::new();
    let second = stack::second();
    let wrong = world.machine().path("wrong.password");
    std::fs::write(&wrong, "wrong\n").unwrap();
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let role = format!("r{}", uuid::Uuid::new_v4().simple());
    let make = format!("create role {role} login createdb createrole password 'wrong'");
    second.sql("nexus", &second.password(), "postgres", &make).unwrap();
    let allow = format!("grant connect on database postgres to {role}");
    second.sql("nexus", &second.password(), "postgres", &allow).unwrap();
    for (user, code, word) in [("nexus", 8, "database_login_refused"), (role.as_str(), 2, "not_superuser")] {
        let args = ["cluster", "add", "eu2", "--host", &second.socket_dir, "--port", &second.port];
        let file = ["--user", user, "--password-file", wrong.to_str().unwrap()];
        let args: Vec<&str> = args.into_iter().chain(file).collect();
        let (exit, error) = world.error(&args);
        assert_eq!((exit, error["code"].as_str()), (code, Some(word)), "{error}");
    }
    assert_eq!(world.error(&["cluster", "show", "eu2"]).0, 4);
    let drop = format!("revoke all on database postgres from {role}; drop role {role}");
    second.sql("nexus", &second.password(), "postgres", &drop).unwrap();
}

#[test]
fn a_check_tells_what_is_wrong_and_list_remembers_it() {
    let world = World::new();
    with_second_server(&world, "eu2", &[]);
    world.ok(&["cluster", "check"]);
    world.control_sql("update control.clusters set port = 1 where name = 'eu2'");
    let output = world.run(&["-o", "json", "cluster", "check"]);
    assert_eq!(output.status.code(), Some(8));
    let list = world.json(&["cluster", "list"]);
    assert_eq!(list[0]["problem"], serde_json::Value::Null);
    assert!(list[1]["problem"].as_str().unwrap().contains("does not answer"), "{list}");
}

#[test]
fn a_server_whose_adding_was_cut_short_takes_no_tenant_until_it_is_added_again() {
    for point in ["cluster.add.recorded", "cluster.add.closed", "cluster.add.template"] {
        let world = World::new();
        let second = stack::second();
        let password = second.home.join("local/postgres.password");
        let args = ["cluster", "add", "eu2", "--host", &second.socket_dir, "--port", &second.port];
        let file = ["--user", "nexus", "--password-file", password.to_str().unwrap()];
        let args: Vec<&str> = args.into_iter().chain(file).collect();
        world.killed_at(point, &args);
        let (code, error) = world.error(&["tenant", "create", "acme", "--cluster", "eu2"]);
        assert_eq!((code, error["code"].as_str()), (5, Some("no_room")), "{point}");
        world.ok(&args);
        assert_eq!(world.json(&["tenant", "create", "acme", "--cluster", "eu2"])["cluster"], "eu2");
    }
}

/// As if another server answered at the address: what is recorded is what the other one called itself.
fn swap(world: &World, name: &str) {
    let other =
        format!("update control.clusters set system_id = '7000000000000000001' where name = '{name}'");
    world.control_sql(&other);
}

#[test]
fn a_server_that_was_swapped_for_another_is_named_and_nothing_is_changed_on_it() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let recorded = "select system_id from control.clusters where name = 'default'";
    let is = world.control_sql(recorded).remove(0);
    swap(&world, "default");
    let there = world.there();
    let checked = world.run(&["-o", "json", "cluster", "check", "default"]);
    let text = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(9), "{text}");
    assert!(text.contains(&is) && text.contains("7000000000000000001"), "{text}");
    for args in [
        &["tenant", "suspend", "acme", "--reason", "unpaid"][..],
        &["tenant", "create", "bolt"],
        &["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"],
        &["tenant", "repair", "acme"],
        &["init"],
    ] {
        let (code, error) = world.error(args);
        assert_eq!((code, error["code"].as_str()), (9, Some("cluster_swapped")), "{args:?}: {error}");
    }
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "active", "nothing was acknowledged");
    assert_eq!(world.there(), there);
    // It was upgraded: a person says so.
    world.ok(&["--yes", "fsck", "--accept-record"]);
    assert_eq!(world.control_sql(recorded), [is]);
    world.ok(&["cluster", "check", "default"]);
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
}
