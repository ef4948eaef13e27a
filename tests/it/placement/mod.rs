//! Many servers, many stores: how they are registered, and where tenants go.

mod clusters;
mod connections;
mod passed_over;
mod stores;

use super::support::stack::{self, Stack};
use super::support::world::World;

/// Registers the second server; its stack.
fn with_second_server(world: &World, name: &str, more: &[&str]) -> &'static Stack {
    let second = stack::second();
    let password = second.home.join("local/postgres.password");
    let (port, password) = (second.port.clone(), password.to_str().unwrap().to_owned());
    let mut args = vec!["cluster", "add", name, "--host", &second.socket_dir, "--port", &port];
    args.extend(["--user", "nexus", "--password-file", &password]);
    args.extend(more);
    world.ok(&args);
    second
}

/// Whether a database is on a stack's server.
fn has_database(on: &Stack, name: &str) -> bool {
    let statement = format!("select count(*) from pg_database where datname = '{name}'");
    on.sql("nexus", &on.password(), "postgres", &statement).unwrap() == ["1"]
}
