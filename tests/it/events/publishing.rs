//! What is published: by apps from plain SQL, and by Nexus with every change of a realm.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{AppLogin, PASSWORD, acme, all, positions, until_published};

#[test]
fn an_app_publishes_in_its_own_transaction() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    let paid = "select nexus.publish('invoice.paid', '2026-0042', '{\"total\": \"12.50\"}')";
    let id = app.sql(&world, paid).unwrap().remove(0);
    app.sql(&world, &format!("begin; {paid}; rollback")).unwrap();
    until_published(&world, "acme");
    let events = all(&server, &ann, "type=invoice.*");
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0];
    assert_eq!(
        (&event["id"], &event["type"], &event["key"], &event["actor"], &event["payload"]),
        (
            &json!(id),
            &json!("invoice.paid"),
            &json!("2026-0042"),
            &json!("app"),
            &json!({ "total": "12.50" })
        )
    );
    // Version 7: ids of events are in the order of their times, nearly.
    assert_eq!(id.as_bytes()[14], b'7', "{id}");
}

#[test]
fn what_is_no_event_of_an_app_is_refused() {
    let (world, ..) = acme();
    let app = AppLogin::of(&world, "acme");
    let mut refused = vec![
        ("'Invoice.Paid', 'k', '{}'", "the type of an event"),
        ("'invoice', 'k', '{}'", "the type of an event"),
        ("null, 'k', '{}'", "the type of an event"),
        ("'invoice.paid', '', '{}'", "the key of an event"),
        ("'invoice.paid', null, '{}'", "the key of an event"),
        ("'invoice.paid', 'k', null", "the payload of an event"),
        ("'invoice.paid', 'k', to_jsonb(repeat('x', 65536))", "the payload of an event"),
    ];
    let own: Vec<String> = ["user.disabled", "mail.invitation", "file.completed", "nexus.x"]
        .map(|own| format!("'{own}', 'k', '{{}}'"))
        .into();
    refused.extend(own.iter().map(|own| (own.as_str(), "are Nexus's own")));
    for (arguments, why) in refused {
        let error = app.sql(&world, &format!("select nexus.publish({arguments})")).unwrap_err();
        assert!(error.contains(why), "{arguments}: {error}");
    }
    let longest = "select nexus.publish('invoice.paid', repeat('k', 200), to_jsonb(repeat('x', 65530)))";
    app.sql(&world, longest).unwrap();
}

#[test]
fn an_app_sees_and_changes_nothing_of_the_outbox() {
    let (world, ..) = acme();
    let app = AppLogin::of(&world, "acme");
    for statement in [
        "select * from nexus.outbox",
        "insert into nexus.outbox (id, key, type, actor) values (gen_random_uuid(), 'k', 'a.b', 'x')",
        "update nexus.outbox set position = 1",
        "delete from nexus.outbox",
        "select * from nexus.event_counter",
        "update nexus.event_counter set last_position = 7",
    ] {
        assert!(app.sql(&world, statement).unwrap_err().contains("permission denied"), "{statement}");
    }
    let report = world.json(&["fsck"]);
    assert_eq!(report, json!([]));
    world.ok(&["tenant", "prove", "acme"]);
    world.ok(&["migrate", "verify"]);
}

/// Types and what they are about, the last of so many events.
fn last(events: &[Value], count: usize) -> Vec<(&str, &Value)> {
    events[events.len() - count..].iter().map(|it| (it["type"].as_str().unwrap(), &it["payload"])).collect()
}

#[test]
fn an_app_hears_that_a_user_was_disabled() {
    let (world, server, ann) = acme();
    let bob = json!({ "email": "bob@acme.example", "password": PASSWORD, "roles": ["User"] });
    let id = server.change("POST", "/users", &ann, &bob).ok()["id"].clone();
    world.ok(&["user", "disable", "bob@acme.example", "--tenant", "acme", "--yes"]);
    until_published(&world, "acme");
    let events = all(&server, &ann, "");
    let created = json!({ "user_id": id, "state": "active", "roles": ["User"], "groups": [] });
    let disabled = json!({ "user_id": id, "sessions": 0 });
    assert_eq!(last(&events, 2), [("user.created", &created), ("user.disabled", &disabled)], "{events:?}");
    let event = &events[events.len() - 1];
    assert_eq!((&event["key"], event["actor"].as_str().unwrap().starts_with("machine:")), (&id, true));
    let text = format!("{events:?}");
    assert!(!text.contains("bob@") && !text.contains(PASSWORD), "{text}");
}

/// The type that each change is told as, with the payload's fields.
const CHANGES: &str = "
user create --email bob@acme.example --password-stdin | user.created | groups roles state user_id
user update bob@acme.example --name Bob | user.updated | fields user_id
user password set bob@acme.example --password-stdin --yes | user.password_changed | sessions user_id
group create staff | group.created | group
group add staff bob@acme.example | group.member_added | group user_id
group update staff --name crew | group.updated | group name
group remove crew bob@acme.example | group.member_removed | group user_id
role create Clerk --allow user:read | role.created | role
role grant Clerk --user bob@acme.example | role.granted | role user_id
role revoke Clerk --user bob@acme.example --yes | role.revoked | role user_id
role delete Clerk --yes --confirm Clerk | role.deleted | role
group delete crew --yes --confirm crew | group.deleted | group
iam set --language de | setting.updated | settings
custom-field create level --of users --type number | custom_field.created | applies_to field type
custom-field update level --of users --required | custom_field.updated | applies_to field
custom-field delete level --of users --yes --confirm level | custom_field.deleted | applies_to field values
api-key create --name bot --user bob@acme.example --reveal | api_key.created | api_key_id name scopes user_id
user disable bob@acme.example --yes | user.disabled | sessions user_id
user enable bob@acme.example | user.enabled | state user_id
user delete bob@acme.example --yes --confirm bob@acme.example | user.deleted | sessions user_id
user undelete bob@acme.example | user.undeleted | user_id";

#[test]
fn every_change_of_a_realm_is_an_event_with_what_its_schema_says() {
    let (world, server, ann) = acme();
    for line in CHANGES.trim().lines() {
        let [command, kind, fields] = <[&str; 3]>::try_from(line.split(" | ").collect::<Vec<_>>()).unwrap();
        let args: Vec<&str> = command.split(' ').chain(["--tenant", "acme"]).collect();
        let output = world.machine().output(&args, &format!("{PASSWORD} x\n"));
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        until_published(&world, "acme");
        let events = all(&server, &ann, &format!("type={kind}"));
        let event = events.last().unwrap_or_else(|| panic!("{command} is no {kind}"));
        let payload = event["payload"].as_object().unwrap();
        assert_eq!(payload.keys().map(String::as_str).collect::<Vec<_>>().join(" "), fields, "{command}");
        let schema: Value = serde_json::from_str(&world.ok(&["event", "schema", kind])).unwrap();
        fits(&schema, &event["payload"]);
    }
    let events = all(&server, &ann, "");
    assert_eq!(positions(&events), (1..).take(events.len()).collect::<Vec<_>>());
}

/// Whether a payload is as its schema says.
fn fits(schema: &Value, payload: &Value) {
    let there: BTreeSet<&String> = payload.as_object().unwrap().keys().collect();
    for name in schema["required"].as_array().unwrap() {
        assert!(there.iter().any(|it| *it == name.as_str().unwrap()), "{name} is missing: {payload}");
    }
    for name in there {
        let field = &schema["properties"][name];
        let value = &payload[name];
        let is_right = match (field["type"].as_str(), field["format"].as_str()) {
            (Some("string"), Some("uuid")) => {
                value.as_str().is_some_and(|it| uuid::Uuid::parse_str(it).is_ok())
            }
            (Some("string"), None) => value.is_string(),
            (Some("array"), _) => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            (Some("integer"), _) => value.is_u64(),
            _ => false,
        };
        assert!(is_right, "{name}: {value} is no {field}");
    }
}

#[test]
fn a_realm_of_a_version_without_a_log_is_changed_and_its_messages_are_sent() {
    let (world, server, ann) = acme();
    drop(server);
    world.tenant_sql(
        "acme",
        "drop function nexus.publish(text, text, jsonb); drop table nexus.event_counter;
         alter table nexus.outbox drop column seq, drop column position;
         create index outbox_unpublished on nexus.outbox (id) where published_at is null;
         drop table nexus.notification_templates, nexus.notifications, nexus.notification_requests,
                    nexus.notification_preferences, nexus.quiet_hours, nexus.inbox, nexus.inbox_counters,
                    nexus.suppressions;
         delete from nexus._sqlx_migrations where version >= 20261201095100",
    );
    world.control_sql("update control.tenants set schema_version = 20261201020000 where slug = 'acme'");
    world.ok(&["user", "create", "--tenant", "acme", "--email", "bob@acme.example", "--invite", "--reveal"]);
    let server = crate::support::api::ApiServer::start(&world);
    until_published(&world, "acme");
    assert_eq!(server.get("/events", &ann).status, 503);
    world.ok(&["migrate", "tenants", "--all"]);
    world.ok(&["user", "disable", "bob@acme.example", "--tenant", "acme", "--yes"]);
    until_published(&world, "acme");
    // What was published before there was a log is its beginning.
    let events = all(&server, &ann, "");
    assert_eq!(positions(&events), (1..).take(events.len()).collect::<Vec<_>>());
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"user.created") && kinds.last() == Some(&"user.disabled"), "{kinds:?}");
    // Without an outbox at all, too.
    world.tenant_sql("acme", "drop table nexus.outbox cascade");
    world.ok(&["user", "enable", "bob@acme.example", "--tenant", "acme"]);
}

#[test]
fn an_event_that_a_process_of_the_version_before_published_gets_its_position() {
    let (world, server, ann) = acme();
    drop(server);
    let app = AppLogin::of(&world, "acme");
    app.publish(&world, "invoice.paid", 2);
    // As such a process marks rows.
    world.tenant_sql("acme", "update nexus.outbox set published_at = now() where published_at is null");
    let server = crate::support::api::ApiServer::start(&world);
    let unnumbered = "select count(*) from nexus.outbox where position is null and type not like 'mail.%'";
    world.until(&world.database_of("acme"), unnumbered, |rows| rows == ["0"]);
    assert_eq!(all(&server, &ann, "type=invoice.*").len(), 2);
}

#[test]
fn what_the_owner_of_a_database_wrote_of_the_far_future_keeps_no_event_waiting() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    world.tenant_sql(
        "acme",
        "insert into nexus.outbox (id, key, type, actor, at)
         values (gen_random_uuid(), 'k', 'invoice.odd', 'owner', '290000-01-01'),
                (gen_random_uuid(), 'k', 'invoice.odd', 'owner', '4000-01-01 BC')",
    );
    app.publish(&world, "invoice.paid", 1);
    until_published(&world, "acme");
    assert_eq!(all(&server, &ann, "type=invoice.*").len(), 3);
}

#[test]
fn a_page_of_long_events_ends_before_it_is_full_and_all_are_read() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    let long = "do $$ begin for n in 1..20 loop
                    perform nexus.publish('invoice.long', 'k', to_jsonb(repeat('x', 60000))); commit;
                end loop; end $$";
    app.sql(&world, long).unwrap();
    until_published(&world, "acme");
    let page = server.get("/events?type=invoice.*&limit=100", &ann).ok();
    let count = page["data"].as_array().unwrap().len();
    assert!((1..20).contains(&count) && page["pagination"]["more"] == true, "{count}");
    assert_eq!(all(&server, &ann, "type=invoice.*").len(), 20);
}
