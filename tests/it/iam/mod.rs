//! Users, roles, groups and permissions, as support staff and operators meet them.

mod case;
mod escalation;
mod facts;
mod graphs;
mod handed;
mod hints;
mod imports;
pub mod inside;
mod many;
mod meaning;
mod operators;
mod people;
mod signin;

use serde_json::Value;

use crate::support::world::World;

/// An installation with a tenant `acme`, whose administrator is ann, with a password.
pub fn acme() -> World {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", "nine wet dogs on a hill");
    world
}

/// Runs a command in the tenant's realm, for its JSON.
pub fn json(world: &World, args: &[&str]) -> Value {
    world.json(&[args, &["--tenant", "acme"]].concat())
}

/// Runs a command in the tenant's realm that must fail: its exit code and its error's code.
pub fn error(world: &World, args: &[&str]) -> (i32, String) {
    let (code, error) = world.error(&[args, &["--tenant", "acme"]].concat());
    (code, error["code"].as_str().unwrap_or_default().to_owned())
}

/// Makes a user who has no password yet.
pub fn user(world: &World, email: &str) {
    json(world, &["user", "create", "--email", email, "--invite"]);
}

/// Rows of a statement in the tenant's database, as the superuser.
pub fn sql(world: &World, statement: &str) -> Vec<String> {
    let database = world.control_sql("select database_name from control.tenants where slug = 'acme'");
    world.sql(&database[0], statement)
}
