//! Built-in roles mean what their names say, and patterns leave out what is administrative.

use nexus::infra::db::REALM;
use serde_json::{Value, json};

use super::{acme, error, json, sql, user};
use crate::support::world::World;

/// Everything administrative that a realm registers.
const ADMINISTRATIVE: [&str; 28] = [
    "user:read",
    "user:create",
    "user:update",
    "user:delete",
    "role:read",
    "role:create",
    "role:update",
    "role:delete",
    "role:grant",
    "group:read",
    "group:create",
    "group:update",
    "group:delete",
    "settings:read",
    "settings:update",
    "permission:read",
    "permission:create",
    "session:read",
    "session:delete",
    "operator:read",
    "operator:grant",
    "token:read",
    "token:create",
    "api-key:read",
    "api-key:create",
    "api-key:revoke",
    "key:update",
    "token:delete",
];

fn can(world: &World, email: &str, permission: &str) -> bool {
    let output = world.run(&["user", "can", email, permission, "--tenant", "acme"]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

/// Everybody has the role that their address says.
fn staff() -> World {
    let world = acme();
    for name in ["invoice:read", "invoice:create", "invoice:update", "invoice:delete"] {
        json(&world, &["permission", "register", name, "--description", "invoices"]);
    }
    for name in ["key:update", "token:delete"] {
        json(&world, &["permission", "register", name, "--description", "keys"]);
    }
    for role in ["Manager", "User", "Viewer"] {
        let email = format!("{}@acme.example", role.to_lowercase());
        user(&world, &email);
        json(&world, &["role", "grant", role, "--user", &email]);
    }
    sql(&world, "update nexus.users set state = 'active'");
    world
}

#[test]
fn user_and_viewer_work_with_the_business_only_and_a_manager_runs_its_people_too() {
    let world = staff();
    for (email, business, administrative) in [
        ("user", &["read", "create", "update"][..], &[][..]),
        ("viewer", &["read"], &[]),
        ("manager", &["read", "create", "update", "delete"], &["user", "group"]),
    ] {
        let email = format!("{email}@acme.example");
        for action in ["read", "create", "update", "delete"] {
            let allowed = can(&world, &email, &format!("invoice:{action}"));
            assert_eq!(allowed, business.contains(&action), "{email} invoice:{action}");
        }
        for name in ADMINISTRATIVE {
            let resource = name.split_once(':').unwrap().0;
            assert_eq!(can(&world, &email, name), administrative.contains(&resource), "{email} {name}");
        }
    }
    for name in ADMINISTRATIVE.iter().chain(&["invoice:delete"]) {
        assert!(can(&world, "ann@acme.example", name), "{name}");
    }
}

#[test]
fn the_list_of_permissions_says_which_are_administrative_and_who_holds_them() {
    let world = staff();
    let listed = json(&world, &["permission", "list"]);
    let of = |name: &str| -> Value {
        let all = listed.as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    for name in ADMINISTRATIVE {
        assert_eq!(of(name)["administrative"], true, "{name}");
    }
    assert_eq!(of("invoice:read")["administrative"], false);
    assert_eq!(of("invoice:read")["roles"], json!(["Admin", "Manager", "User", "Viewer"]));
    assert_eq!(of("role:update")["roles"], json!(["Admin"]));
    assert_eq!(of("user:update")["roles"], json!(["Admin", "Manager"]));
    let shown = json(&world, &["role", "show", "Viewer"]);
    assert_eq!(
        shown["covers"],
        json!({ "*:read": ["file:read", "invoice:read", "notification:read", "usage:read"] })
    );
    let told = world.run(&["role", "show", "Viewer", "--tenant", "acme"]);
    assert!(String::from_utf8(told.stderr).unwrap().contains("covers business permissions"));
    assert_eq!(json(&world, &["role", "show", "Admin"])["covers"]["*:*"].as_array().unwrap().len(), 50);
}

#[test]
fn what_is_administrative_is_allowed_by_name_to_any_role() {
    let world = staff();
    json(&world, &["role", "create", "Helpdesk", "--allow", "user:*", "--allow", "session:delete"]);
    json(&world, &["role", "grant", "Helpdesk", "--user", "viewer@acme.example"]);
    for (name, allowed) in [
        ("user:read", true),
        ("user:delete", true),
        ("session:delete", true),
        ("session:read", false),
        ("role:read", false),
    ] {
        assert_eq!(can(&world, "viewer@acme.example", name), allowed, "{name}");
    }
    // Nothing that it holds is in the way of taking what it holds by name.
    json(&world, &["role", "disallow", "Helpdesk", "session:delete"]);
    assert_eq!(error(&world, &["role", "disallow", "Helpdesk", "user:read"]).1, "permission_covered");
    assert_eq!(json(&world, &["role", "disallow", "Viewer", "user:read"])["outcome"], "unchanged");
}

/// Puts the realm back to what it was before patterns had left anything out, with these roles changed
/// by somebody, and applies the migration once more.
fn upgraded(world: &World, changed: &str) {
    let before =
        "delete from nexus.role_permissions where permission <> all (array['*:*', '*:read', '*:create',
            '*:update', '*:delete']);
        alter table nexus.sessions drop column access;";
    let (_, _, text) = REALM.texts().find(|(_, name, _)| name.contains("administrative")).unwrap();
    for statement in [before, changed, text] {
        sql(world, statement);
    }
}

fn held(world: &World, role: &str) -> Vec<String> {
    let shown = json(world, &["role", "show", role]);
    serde_json::from_value(shown["permissions"].clone()).unwrap()
}

#[test]
fn an_upgrade_narrows_only_the_built_in_roles_that_nobody_changed() {
    let world = staff();
    upgraded(&world, "select 1");
    assert_eq!(held(&world, "Viewer"), ["*:read"]);
    assert_eq!(held(&world, "User"), ["*:create", "*:read", "*:update"]);
    let manager = held(&world, "Manager");
    assert_eq!(manager.len(), 12, "{manager:?}");
    assert!(
        can(&world, "manager@acme.example", "user:update")
            && !can(&world, "user@acme.example", "role:update")
    );
    assert_eq!(held(&world, "Admin"), ["*:*"]);
}

#[test]
fn an_upgrade_lets_a_role_that_somebody_made_or_changed_allow_what_it_allowed() {
    let world = staff();
    upgraded(
        &world,
        "insert into nexus.roles (name) values ('Auditor'), ('Partly');
         insert into nexus.role_permissions (role_id, permission) select id, '*:read' from nexus.roles where name = 'Auditor';
         insert into nexus.role_permissions (role_id, permission, condition)
         select id, '*:update', 'team = ''eu''' from nexus.roles where name = 'Partly'
         union all select id, 'user:update', 'owner' from nexus.roles where name = 'Partly';
         delete from nexus.role_permissions where permission = '*:create'
             and role_id = (select id from nexus.roles where name = 'User');
         update nexus.role_permissions set condition = 'owner'
             where role_id = (select id from nexus.roles where name = 'Viewer')",
    );
    let auditor = held(&world, "Auditor");
    for name in ADMINISTRATIVE.into_iter().filter(|name| name.ends_with(":read")) {
        assert!(auditor.iter().any(|one| one == name), "{name}");
    }
    assert_eq!(auditor.len(), 10, "{auditor:?}");
    assert!(held(&world, "User").contains(&"role:update".to_owned()), "it was changed");
    assert!(held(&world, "Viewer").contains(&"user:read when owner".to_owned()));
    let partly = held(&world, "Partly");
    assert!(partly.contains(&"user:update when (owner) or (team = 'eu')".to_owned()), "{partly:?}");
    assert!(partly.contains(&"role:update when team = 'eu'".to_owned()), "{partly:?}");
}

#[test]
fn parts_of_a_permission_have_one_length_everywhere() {
    let world = acme();
    let longest = format!("{}:{}", "a".repeat(63), "b".repeat(63));
    json(&world, &["permission", "register", &longest, "--description", "long"]);
    json(&world, &["role", "create", "Long", "--allow", &longest]);
    json(&world, &["role", "grant", "Long", "--user", "ann@acme.example"]);
    world.ok(&["token", "mint", "--tenant", "acme", "--user", "ann@acme.example", "--permission", &longest]);
    let too_long = format!("{longest}b");
    for args in [
        &["permission", "register", &too_long, "--description", "x"][..],
        &["token", "mint", "--user", "ann@acme.example", "--permission", &too_long],
        &["api-key", "create", "--user", "ann@acme.example", "--name", "x", "--reveal", "--scope", &too_long],
    ] {
        assert_eq!(world.run(&[args, &["--tenant", "acme"]].concat()).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_first_passwords_are_hashed_as_the_settings_say() {
    use crate::support::machine::Machine;
    let world = World::new();
    let with = |args: &[&str], input: &str| {
        use std::io::Write;
        let mut command = world.command(args);
        command.stdin(std::process::Stdio::piped());
        command.env("NEXUS_CONTEXT_T_PASSWORDS_MEMORY_KIB", "20480");
        command.env("NEXUS_CONTEXT_T_PASSWORDS_PASSES", "3");
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    with(
        &["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--admin-password-stdin"],
        "nine wet dogs on a hill\n",
    );
    let cost = "select split_part(password_hash, '$', 4) from nexus.users";
    assert_eq!(sql(&world, cost), ["m=20480,t=3,p=1"]);
    // The operator of an installation that is not there yet.
    let control = format!("{}_two", world.control);
    let settings = std::fs::read_to_string(world.machine().path("work/nexus.toml")).unwrap();
    let other = Machine::new().with_settings(&settings.replace(&world.control, &control));
    let other = other
        .with_variable("NEXUS_CONTEXT_T_PASSWORDS_MEMORY_KIB", "20480")
        .with_variable("NEXUS_CONTEXT_T_PASSWORDS_PASSES", "3");
    let init = ["init", "--operator-email", "ops@example.com", "--operator-password-stdin"];
    let made = other.output(&init, "nine wet dogs on a hill\n");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let kept = world.sql(&control, cost);
    world.sql("postgres", &format!("drop database if exists \"{control}\" with (force)"));
    assert_eq!(kept, ["m=20480,t=3,p=1"]);
}
