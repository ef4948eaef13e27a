//! Servers and stores that do not answer do not stop the others.

use super::super::support::stack;
use super::super::support::world::World;
use super::{has_database, with_second_server};

/// A store that nobody answers at, registered as one that did.
fn with_dead_store(world: &World, name: &str) {
    let second = stack::second();
    let token = second.home.join("local/s3.token");
    let args = ["store", "add", name, "--driver", "local", "--endpoint", &second.endpoint];
    let args: Vec<&str> = args.into_iter().chain(["--secret-file", token.to_str().unwrap()]).collect();
    world.ok(&args);
    let gone = format!("update control.stores set endpoint = 'http://127.0.0.1:1' where name = '{name}'");
    world.control_sql(&gone);
}

/// What a command that succeeds writes to standard error.
fn said(world: &World, args: &[&str]) -> String {
    let output = world.run(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {text}");
    text
}

/// More tenants than there are, so that the other one has more room.
fn prefer(world: &World, table: &str, other: &str) {
    world.control_sql(&format!("update control.{table} set capacity = 1000000 where name = '{other}'"));
    world.control_sql(&format!("update control.{table} set tenants = tenants + 5 where name = 'default'"));
}

#[test]
fn a_server_that_does_not_answer_is_passed_over_and_named() {
    let world = World::new();
    with_second_server(&world, "eu2", &[]);
    prefer(&world, "clusters", "eu2");
    world.control_sql("update control.clusters set host = '/nowhere' where name = 'eu2'");
    let text = said(&world, &["tenant", "create", "acme"]);
    assert!(text.contains("cluster eu2 is skipped") && text.contains("nexus cluster check eu2"), "{text}");
    let made = world.json(&["tenant", "show", "acme"]);
    assert_eq!(made["cluster"], "default");
    assert!(has_database(world.stack(), made["database"].as_str().unwrap()));
    // Whoever asks for it by name gets its error.
    let (code, error) = world.error(&["tenant", "create", "bolt", "--cluster", "eu2"]);
    assert_eq!((code, error["code"].as_str()), (8, Some("database_unreachable")), "{error}");
}

#[test]
fn a_server_whose_last_check_failed_comes_last_and_is_named() {
    let world = World::new();
    with_second_server(&world, "eu2", &[]);
    prefer(&world, "clusters", "eu2");
    world.control_sql("update control.clusters set problem = 'its disk is full' where name = 'eu2'");
    let text = said(&world, &["tenant", "create", "acme"]);
    assert!(text.contains("cluster eu2 is skipped: its disk is full"), "{text}");
    assert_eq!(world.json(&["tenant", "show", "acme"])["cluster"], "default");
    // Where there is no other it may be well again.
    world.ok(&["cluster", "drain", "default"]);
    world.ok(&["tenant", "create", "bolt"]);
    assert_eq!(world.json(&["tenant", "show", "bolt"])["cluster"], "eu2");
}

#[test]
fn when_no_server_answers_all_are_named_and_the_exit_code_is_8() {
    let world = World::new();
    for name in ["eu2", "eu3"] {
        with_second_server(&world, name, &[]);
        world.control_sql(&format!(
            "update control.clusters set host = '/nowhere', system_id = null where name = '{name}'"
        ));
    }
    world.ok(&["cluster", "drain", "default"]);
    let (code, error) = world.error(&["tenant", "create", "acme"]);
    assert_eq!((code, error["code"].as_str()), (8, Some("no_cluster_answers")), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("eu2: ") && message.contains("eu3: "), "{message}");
    assert_eq!(world.json(&["tenant", "list"]), serde_json::json!([]));
}

#[test]
fn a_store_that_does_not_answer_is_passed_over_and_named() {
    let world = World::new();
    with_dead_store(&world, "s2");
    prefer(&world, "stores", "s2");
    let text = said(&world, &["tenant", "create", "acme"]);
    assert!(text.contains("store s2 is skipped") && text.contains("nexus store check s2"), "{text}");
    assert_eq!(world.json(&["tenant", "show", "acme"])["store"], "default");
}

#[test]
fn a_repair_of_many_asks_a_store_that_does_not_answer_once() {
    let world = World::new();
    let slugs = ["ash", "birch", "cedar", "elder"];
    for slug in slugs {
        world.ok(&["tenant", "create", slug]);
    }
    // It takes what is sent and says nothing: each request alone would wait for 15 seconds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = world.machine().path("work/nexus.toml");
    let text = std::fs::read_to_string(&settings).unwrap().replace(&world.stack().endpoint, &endpoint);
    std::fs::write(&settings, text).unwrap();
    let begun = std::time::Instant::now();
    let output = world.run(&["-o", "json", "tenant", "repair", "--all"]);
    // All failed for that one reason.
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let first = |row: &serde_json::Value| row["error"].as_str().unwrap().contains("no answer in 15 s");
    assert_eq!(rows.iter().filter(|row| first(row)).count(), 1, "{rows:?}");
    assert_eq!(rows.len(), slugs.len(), "{rows:?}");
    // Not 15 seconds for each.
    assert!(begun.elapsed().as_secs() < 40, "{:?}", begun.elapsed());
}

#[test]
fn a_registration_that_was_killed_and_checked_since_is_finished_by_the_same_command() {
    let world = World::new();
    let second = stack::second();
    let password = second.home.join("local/postgres.password");
    let add = ["cluster", "add", "eu2", "--host", &second.socket_dir, "--port", &second.port];
    let more = ["--user", "nexus", "--password-file", password.to_str().unwrap()];
    let add: Vec<&str> = add.into_iter().chain(more).collect();
    for point in ["cluster.add.recorded", "cluster.add.closed", "cluster.add.template"] {
        world.killed_at(point, &add);
        let checked = world.run(&["-o", "json", "cluster", "check", "eu2"]);
        let checked = String::from_utf8(checked.stdout).unwrap();
        assert!(checked.contains("repeat its registration"), "{point}: {checked}");
        // Its maintenance databases may stand open: it takes nobody before it is prepared whole.
        let (code, error) = world.error(&["cluster", "drain", "eu2", "--undo"]);
        assert_eq!((code, error["code"].as_str()), (5, Some("cluster_preparing")), "{point}: {error}");
    }
    world.ok(&add);
    world.ok(&["tenant", "create", "acme", "--cluster", "eu2"]);
    // Who drains it afterwards has it drained, whatever is repeated.
    world.ok(&["cluster", "drain", "eu2"]);
    world.ok(&["cluster", "check", "eu2"]);
    world.ok(&add);
    assert_eq!(world.json(&["cluster", "show", "eu2"])["state"], "draining");
}

#[test]
fn a_tenant_does_not_come_to_a_server_that_was_drained_meanwhile() {
    let world = World::new();
    with_second_server(&world, "eu2", &[]);
    prefer(&world, "clusters", "eu2");
    let proxy = super::super::support::pg_proxy::PgProxy::before(world.stack());
    let config = world.behind(&proxy);
    let create = ["--config", config.as_str(), "tenant", "create", "acme"];
    world.ok(&[&create[..4], &["warm", "--cluster", "default"]].concat());
    for point in 1..8 {
        proxy.reset();
        proxy.at(point, super::super::support::pg_proxy::Operation::Hold);
        let mut making = world.command(&create).spawn().unwrap();
        proxy.wait(|| making.try_wait().unwrap().is_some());
        world.ok(&["cluster", "drain", "eu2"]);
        let drained = world
            .control_sql("select count(*) from control.tenants where cluster = 'eu2' and state <> 'deleted'");
        proxy.go_on();
        let output = making.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let now = world
            .control_sql("select count(*) from control.tenants where cluster = 'eu2' and state <> 'deleted'");
        assert_eq!(now, drained, "held at {point}: a tenant came after the drain was done");
        world.ok(&["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"]);
        world.ok(&["cluster", "drain", "eu2", "--undo"]);
    }
}
