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
    assert_eq!(error["details"]["differences"], serde_json::json!(["name"]));
    let message = error["message"].as_str().unwrap();
    assert_eq!(message, "tenant \"acme\" already exists: its name is \"acme\", not \"Acme\"");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("nexus tenant update acme --name Acme"), "{hint}");
    for (args, expected) in [
        (&["--label", "plan=free"][..], "its labels are \"plan=gold\", not \"plan=free\""),
        (&["--label", "region=eu"], "its labels are \"plan=gold\", not \"region=eu\""),
        (&["--admin-email", "ann@acme.example"], "its admin_email is not set, not \"ann@acme.example\""),
        (&["--cluster", "eu9"], "its cluster is \"default\", not \"eu9\""),
    ] {
        let (code, error) = world.error(&[&["tenant", "create", "acme"], args].concat());
        assert!(code == 5 && error["message"].as_str().unwrap().ends_with(expected), "{args:?}: {error}");
    }
}

#[test]
fn what_is_not_given_again_is_no_difference() {
    let world = World::new();
    let made = ["--name", "Acme Ltd", "--label", "plan=gold", "--admin-email", "ann@acme.example"];
    world.ok(&[&["tenant", "create", "acme"], &made[..]].concat());
    for args in [&[][..], &made[..2], &made[2..4], &made[4..], &made[..]] {
        let again = world.json(&[&["tenant", "create", "acme"], args].concat());
        assert_eq!(
            (&again["outcome"], &again["name"]),
            (&"unchanged".into(), &"Acme Ltd".into()),
            "{args:?}"
        );
    }
    let file = "slug,name\nacme,\n";
    let output = world.machine().output(&["-o", "json", "tenant", "create", "--from", "-"], file);
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["outcome"], "unchanged", "{rows}");
}
