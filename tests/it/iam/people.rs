//! A support loop: people are made, grouped, granted, asked about, shut out and deleted.

use super::{acme, error, json, sql, user};
use crate::support::world::World;

#[test]
fn a_group_gives_its_members_what_it_carries_and_the_answer_names_the_way() {
    let world = acme();
    user(&world, "bob@acme.example");
    json(&world, &["permission", "register", "invoice:create", "--description", "make invoices"]);
    json(&world, &["role", "create", "Accountant", "--allow", "invoice:*"]);
    json(&world, &["group", "create", "Office"]);
    json(&world, &["group", "create", "Finance", "--parent", "Office"]);
    json(&world, &["role", "grant", "Accountant", "--group", "Office"]);
    json(&world, &["group", "add", "Finance", "bob@acme.example"]);
    assert_eq!(
        world.run(&["user", "can", "bob@acme.example", "invoice:create", "-t", "acme"]).status.code(),
        Some(3)
    );
    sql(&world, "update nexus.users set state = 'active'");
    let answer = json(&world, &["user", "can", "BOB@ACME.example", "invoice:create"]);
    assert_eq!(
        answer["path"],
        serde_json::json!([
            "user bob@acme.example",
            "group Finance",
            "group Office",
            "role Accountant",
            "permission invoice:*"
        ])
    );
    let groups = json(&world, &["user", "groups", "bob@acme.example"]);
    assert_eq!(groups[1], serde_json::json!({ "group": "Office", "via": ["Finance"] }));
    let tree = world.ok(&["group", "tree", "-t", "acme"]);
    assert_eq!(tree, "Office\tAccountant\t0\t0\n  Finance\t\t1\t1\n");
}

#[test]
fn a_no_says_what_comes_nearest_and_exits_with_3() {
    let world = acme();
    let args = ["user", "can", "ann@acme.example", "user:crate", "-t", "acme"];
    let (code, failure) = world.error(&args);
    assert_eq!((code, failure["hint"].as_str()), (2, Some("did you mean user:create?")));
    user(&world, "bob@acme.example");
    json(&world, &["role", "grant", "Viewer", "--user", "bob@acme.example"]);
    sql(&world, "update nexus.users set state = 'active'");
    let output = world.run(&["-o", "json", "user", "can", "bob@acme.example", "user:create", "-t", "acme"]);
    assert_eq!(output.status.code(), Some(3));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["allowed"], &answer["reason"]), (&false.into(), &"missing".into()));
    assert_eq!(answer["roles"], serde_json::json!(["Manager", "Admin"]));
}

#[test]
fn an_address_is_one_however_it_is_written() {
    let world = acme();
    user(&world, "Jürgen@Bücher.example");
    for same in ["JU\u{308}RGEN@BÜCHER.EXAMPLE", "jürgen@xn--bcher-kva.example"] {
        assert_eq!(json(&world, &["user", "show", same])["email"], "Jürgen@Bücher.example");
        assert_eq!(
            error(&world, &["user", "create", "--email", same, "--invite"]),
            (5, "user_exists".into())
        );
    }
}

#[test]
fn a_deleted_user_can_be_had_back_and_an_erased_one_leaves_its_id_and_the_log() {
    let world = acme();
    user(&world, "bob@acme.example");
    json(&world, &["role", "grant", "Manager", "--user", "bob@acme.example"]);
    let id = json(&world, &["user", "show", "bob@acme.example"])["id"].as_str().unwrap().to_owned();
    let delete = ["user", "delete", "bob@acme.example", "--yes", "--confirm", "bob@acme.example"];
    assert_eq!(json(&world, &delete)["outcome"], "done");
    assert_eq!(json(&world, &["user", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(
        error(&world, &["user", "create", "--email", "bob@acme.example", "--invite"]),
        (5, "user_state".into())
    );
    json(&world, &["user", "undelete", "bob@acme.example"]);
    assert_eq!(json(&world, &["user", "show", "bob@acme.example"])["roles"][0], "Manager");
    json(&world, &delete);
    assert_eq!(json(&world, &["--yes", "user", "purge", "--due"]), serde_json::json!([]));
    sql(
        &world,
        "update nexus.users set deleted_at = now() - interval '31 days' where deleted_at is not null",
    );
    let planned = json(&world, &["--dry-run", "user", "purge", "--due"]);
    assert_eq!(planned[0]["outcome"], "planned");
    let purged = json(&world, &["--yes", "user", "purge", "--due"]);
    assert_eq!((&purged[0]["email"], &purged[0]["id"]), (&"bob@acme.example".into(), &id.clone().into()));
    let everything =
        "select t::text from nexus.users as t union all select t::text from nexus.audit_log as t";
    let left = sql(&world, everything).join("\n");
    assert!(left.contains(&id) && !left.contains("bob"), "{left}");
    assert!(!world.control_sql("select t::text from control.audit_log as t").join("\n").contains("bob@"));
    // The address is free again.
    user(&world, "bob@acme.example");
}

#[test]
fn every_change_is_in_both_logs_and_a_dry_run_is_in_none() {
    let world = acme();
    user(&world, "bob@acme.example");
    let count = |world: &World| {
        let rows = sql(world, "select count(*) from nexus.audit_log");
        (rows, world.control_sql("select count(*) from control.audit_log where tenant_id is not null"))
    };
    let before = count(&world);
    for args in [
        &["user", "create", "--email", "eve@acme.example", "--invite"][..],
        &["user", "disable", "bob@acme.example"],
        &["role", "create", "Extra", "--allow", "*:read"],
        &["role", "grant", "Admin", "--user", "bob@acme.example"],
        &["role", "disallow", "User", "*:update"],
        &["group", "create", "Office"],
        &["permission", "register", "a:b", "--description", "c"],
        &["user", "update", "bob@acme.example", "--name", "Bob"],
        &["user", "invite", "bob@acme.example"],
    ] {
        json(&world, &[&["--dry-run"], args].concat());
        assert_eq!(count(&world), before, "{args:?}");
    }
    assert_eq!(json(&world, &["user", "show", "bob@acme.example"])["name"], "");
    json(&world, &["role", "grant", "Admin", "--user", "bob@acme.example"]);
    assert_eq!(
        json(&world, &["role", "grant", "Admin", "--user", "bob@acme.example"])["outcome"],
        "unchanged"
    );
    let last = "select action, detail->>'role' from nexus.audit_log order by id desc limit 2";
    assert_eq!(sql(&world, last), ["role.grant|Admin", "user.create|"]);
    let last = "select action, tenant_id is not null from control.audit_log order by id desc limit 1";
    assert_eq!(world.control_sql(last), ["role.grant|t"]);
}

#[test]
fn the_platform_has_a_realm_of_its_own() {
    let world = acme();
    world.json(&["user", "create", "--email", "ops@example.com", "--role", "Admin", "--invite"]);
    assert_eq!(world.json(&["user", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(json(&world, &["user", "list"])[0]["email"], "ann@acme.example");
    assert_eq!(world.error(&["user", "show", "ann@acme.example"]).0, 4);
}

#[test]
fn a_permission_that_a_pattern_still_gives_is_not_said_to_be_denied() {
    let world = acme();
    json(&world, &["permission", "register", "invoice:read", "--description", "see invoices"]);
    let before = json(&world, &["role", "show", "User"]);
    let (code, failure) = world.error(&["role", "disallow", "User", "invoice:read", "--tenant", "acme"]);
    assert_eq!((code, &failure["code"]), (5, &"permission_covered".into()));
    assert_eq!(failure["details"]["by"], serde_json::json!(["*:read"]));
    let hint = failure["hint"].as_str().unwrap();
    assert!(hint.contains("nexus role disallow User '*:read' --tenant acme"), "{hint}");
    assert_eq!(json(&world, &["role", "show", "User"]), before);
    // What no pattern gives is not there to be taken.
    assert_eq!(json(&world, &["role", "disallow", "User", "role:grant"])["outcome"], "unchanged");
}

#[test]
fn several_are_added_to_a_group_or_none_and_all_who_are_not_there_are_named() {
    let world = acme();
    user(&world, "bob@acme.example");
    json(&world, &["group", "create", "Sales"]);
    let members = |verb: &str, users: &[&str]| {
        let (code, failure) =
            world.error(&[&["group", verb, "Sales"][..], users, &["--tenant", "acme"]].concat());
        (code, failure["details"]["names"].clone())
    };
    let absent = serde_json::json!(["bib@acme.example", "zoe@zzz.test"]);
    let asked = ["ann@acme.example", "bib@acme.example", "bob@acme.example", "zoe@zzz.test"];
    assert_eq!(members("add", &asked), (4, absent.clone()));
    assert_eq!(json(&world, &["group", "members", "Sales"]), serde_json::json!([]));
    json(&world, &["group", "add", "Sales", "ann@acme.example", "bob@acme.example"]);
    assert_eq!(members("remove", &asked), (4, absent));
    assert_eq!(json(&world, &["group", "members", "Sales"]).as_array().unwrap().len(), 2);
}
