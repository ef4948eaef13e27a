//! Making a tenant.

use crate::support::world::World;

#[test]
fn a_tenant_is_made_and_used_with_its_own_credentials() {
    let world = World::new();
    let made = world.json(&["tenant", "create", "acme", "--admin-email", "ann@acme.example"]);
    assert_eq!(made["state"], "active");
    assert_eq!(made["outcome"], "created");
    assert_eq!(world.there(), world.believed());

    let env = world.env("acme");
    let login = |name: &str| env[name].as_str().unwrap().to_owned();
    let roles = world.sql_as(
        &login("PGUSER"),
        &login("PGPASSWORD"),
        &login("PGDATABASE"),
        "select name from nexus.roles order by name",
    );
    assert_eq!(roles.unwrap(), ["Admin", "Manager", "User", "Viewer"]);
}

#[test]
fn the_same_command_again_answers_with_the_same_tenant() {
    let world = World::new();
    let first = world.json(&["tenant", "create", "acme", "--label", "plan=gold"]);
    let again = world.json(&["tenant", "create", "acme", "--label", "plan=gold"]);
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(again["id"], first["id"]);
}

#[test]
fn the_same_slug_with_other_settings_is_a_conflict_that_says_what_differs() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--label", "plan=gold"]);
    let (code, error) = world.error(&["tenant", "create", "acme", "--name", "Acme"]);
    assert_eq!(code, 5);
    assert_eq!(error["code"], "tenant_exists");
    assert_eq!(error["details"]["differences"], serde_json::json!(["name", "labels"]));
}
