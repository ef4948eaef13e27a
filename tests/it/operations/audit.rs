//! The audit log: one row for each change, and none of them ever changes.

use crate::support::world::World;

#[test]
fn every_change_leaves_one_row_with_who_asked_and_by_which_operation() {
    let world = World::new();
    let made = world.json(&["tenant", "create", "acme"]);
    world.json(&["tenant", "create", "acme"]);
    world.ok(&["tenant", "list"]);
    world.ok(&["tenant", "repair", "acme"]);
    world.killed_at("create.database.before", &["tenant", "create", "birch"]);
    let open = world.json(&["operation", "list", "--open"])[0]["id"].as_str().unwrap().to_owned();
    world.ok(&["operation", "resume", &open]);
    let gone = world.json(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    let rows = world.control_sql(
        "select action, operation_id from control.audit_log where tenant_id is not null order by id",
    );
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let expected = [
        format!("tenant.create|{}", text(&made["operation"])),
        format!("tenant.create|{open}"),
        format!("operation.resume|{open}"),
        format!("tenant.purge|{}", text(&gone["operation"])),
    ];
    assert_eq!(rows, expected);
    let nameless = "select count(*) from control.audit_log where caller = '' or at is null";
    assert_eq!(world.control_sql(nameless), ["0"]);
    let callers = world.control_sql("select distinct caller from control.audit_log");
    assert_eq!(callers.len(), 1, "{callers:?}");
    let secrets = "select count(*) from control.audit_log where detail::text ~* 'password|secret|token'";
    assert_eq!(world.control_sql(secrets), ["0"]);
}

#[test]
fn not_even_the_superuser_changes_it_with_a_statement() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let before = world.control_sql("select t::text from control.audit_log as t");
    assert!(!before.is_empty());
    for statement in [
        "update control.audit_log set caller = 'nobody'",
        "delete from control.audit_log",
        "truncate control.audit_log",
    ] {
        let password = world.stack().password();
        let refusal = world.sql_as("nexus", &password, &world.control, statement).expect_err(statement);
        assert!(refusal.contains("the audit log is append-only"), "{refusal}");
    }
    assert_eq!(world.control_sql("select t::text from control.audit_log as t"), before);
}
