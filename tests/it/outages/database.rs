//! PostgreSQL goes away while a tenant is made, or is not there at all.

use std::time::{Duration, Instant};

use super::{all_is_well, stopped_operation};
use crate::support::machine::Machine;
use crate::support::private::Private;
use crate::support::world::World;

/// Returns when the server answers again.
fn await_server(world: &World) {
    let password = world.stack().password();
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.sql_as("nexus", &password, "postgres", "select 1").is_err() {
        assert!(Instant::now() < deadline, "the server did not come back");
    }
}

#[test]
fn a_create_whose_server_died_is_finished_when_the_server_is_back() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    let points = ["create.roles.after", "create.database.after", "create.activate.before"];
    let mut slugs = Vec::new();
    for (number, point) in points.iter().enumerate() {
        let slug = format!("tenant-{number}");
        let paused = world.paused_at(point, &["-o", "json", "tenant", "create", &slug]);
        private.kill_postgres();
        let output = paused.go_on();
        let operation = stopped_operation(output.status.code(), &output.stderr);
        await_server(&world);
        world.ok(&["operation", "resume", &operation]);
        slugs.push(slug);
    }
    let slugs: Vec<&str> = slugs.iter().map(String::as_str).collect();
    all_is_well(&world, &slugs);
}

#[test]
fn a_create_whose_server_died_after_its_intent_names_the_operation() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    let paused = world.paused_at("create.reserve.after", &["-o", "json", "tenant", "create", "acme"]);
    private.kill_postgres();
    let output = paused.go_on();
    let operation = stopped_operation(output.status.code(), &output.stderr);
    await_server(&world);
    world.ok(&["operation", "resume", &operation]);
    all_is_well(&world, &["acme"]);
}

#[test]
fn a_server_that_is_not_there_is_named_and_nothing_hangs() {
    let machine = Machine::new();
    let folder = machine.path("nowhere").display().to_string();
    let password = machine.path("password").display().to_string();
    let machine = machine.with_file("password", "a password").with_settings(&format!(
        "default_context = \"t\"\n[context.t.control]\nhost = \"{folder}\"\nuser = \"nexus\"\n\
         database = \"nexus\"\npassword = \"file:{password}\"\n\
         [context.t.store]\nendpoint = \"http://127.0.0.1:1\"\nadmin_token = \"file:{password}\"\n"
    ));
    for args in [&["tenant", "create", "acme"][..], &["tenant", "list"], &["operation", "list"], &["init"]] {
        let args: Vec<&str> = ["-o", "json"].iter().chain(args).copied().collect();
        let output = machine.output(&args, "");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(8), "{args:?}: {text}");
        let object: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(object["error"]["code"], "database_unreachable", "{text}");
        assert!(object["error"]["message"].as_str().unwrap().contains(&folder), "{text}");
        assert!(object["error"]["hint"].is_string(), "{text}");
    }
}
