//! `nexus webhook`: what it shows, asks and writes down.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::receiver::{Receiver, Reply};
use super::{acme, hook, id, of_acme};

#[test]
fn a_secret_is_shown_once_or_goes_into_a_file_that_only_its_owner_may_read() {
    let world = acme();
    let made = hook(&world, "http://127.0.0.1:9/", "user.*");
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let file = world.machine().path("work/hook.secret");
    let path = file.display().to_string();
    let args =
        ["webhook", "create", "http://127.0.0.1:9/b", "--event", "*", "--file", &path, "--tenant", "acme"];
    let said = world.run(&args);
    let said = String::from_utf8(said.stdout).unwrap() + &String::from_utf8(said.stderr).unwrap();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("whsec_") && !said.contains(written.trim()), "{said}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // Nobody is told again, and nothing says it beside what is sealed.
    let rows = "select e::text from control.webhooks e union all select detail::text from control.audit_log
                union all select d::text from control.webhook_deliveries d";
    for text in [
        world.control_sql(rows).join("\n"),
        world.ok(&["webhook", "list", "--tenant", "acme"]),
        of_acme(&world, "show", &[id(&made)]).to_string(),
        world.tenant_sql("acme", "select detail::text from nexus.audit_log").join("\n"),
    ] {
        assert!(!text.contains("whsec_") && !text.contains(&secret[6..]), "{text}");
    }
    // Without a place for it nothing is made.
    let before = of_acme(&world, "list", &[]).as_array().unwrap().len();
    let args = ["webhook", "create", "http://127.0.0.1:9/c", "--event", "*", "--tenant", "acme"];
    assert_eq!(world.run(&args).status.code(), Some(2));
    assert_eq!(of_acme(&world, "list", &[]).as_array().unwrap().len(), before);
}

#[test]
fn a_webhook_is_changed_disabled_enabled_and_deleted_and_all_of_it_is_written_down() {
    let world = acme();
    let made = hook(&world, "http://127.0.0.1:9/a?token=hidden", "user.*");
    let changed = of_acme(
        &world,
        "update",
        &[
            id(&made),
            "--event",
            "order.*",
            "--event",
            "user.created",
            "--description",
            "the shop",
            "--key-pair",
        ],
    );
    assert_eq!(changed["events"], json!(["order.*", "user.created"]));
    assert!(changed["public_key"].as_str().unwrap().starts_with("whpk_"));
    assert_eq!((&changed["url"], &changed["description"]), (&made["url"], &json!("the shop")));
    let without = of_acme(&world, "update", &[id(&made), "--no-key-pair"]);
    assert!(without["public_key"].is_null());
    assert_eq!(of_acme(&world, "disable", &[id(&made)])["disabled_reason"], "request");
    let enabled = of_acme(&world, "enable", &[id(&made)]);
    assert_eq!((&enabled["state"], enabled["missed_since"].is_null()), (&json!("active"), false));
    let (code, error) = world.error(&["webhook", "delete", id(&made), "--tenant", "acme"]);
    assert_eq!((code, error["code"].as_str().unwrap()), (3, "confirmation_required"));
    world.ok(&["webhook", "delete", id(&made), "--tenant", "acme", "--yes", "--confirm", "127.0.0.1"]);
    let (code, error) = world.error(&["webhook", "show", id(&made), "--tenant", "acme"]);
    assert_eq!((code, error["code"].as_str().unwrap()), (4, "webhook_not_found"));
    let log = world.json(&["audit", "list", "--tenant", "acme"]);
    let actions: Vec<_> = log.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    let wanted = [
        "webhook.delete",
        "webhook.enable",
        "webhook.disable",
        "webhook.update",
        "webhook.update",
        "webhook.create",
    ];
    assert_eq!(actions[..6], wanted);
    let inside = world.tenant_sql("acme", "select action from nexus.audit_log order by id desc limit 6");
    assert_eq!(inside, wanted, "the tenant's own log says the same");
    assert!(!log.to_string().contains("hidden"), "what a path may hide is not written down");
}

#[test]
fn in_a_dry_run_nothing_is_written_and_nothing_is_sent() {
    let (world, receiver) = (acme(), Receiver::taking());
    let made = hook(&world, &receiver.url("/"), "*");
    let dry = |args: &[&str]| world.ok(&[&["--dry-run", "webhook"], args, &["--tenant", "acme"]].concat());
    let said = dry(&["create", "http://127.0.0.1:9/", "--event", "*", "--reveal"]);
    assert!(!said.contains("whsec_"), "{said}");
    dry(&["update", id(&made), "--event", "order.*"]);
    dry(&["rotate", id(&made), "--reveal"]);
    dry(&["disable", id(&made)]);
    dry(&["delete", id(&made)]);
    dry(&["test", id(&made)]);
    let all = of_acme(&world, "list", &[]);
    let kept = (all.as_array().unwrap().len(), &all[0]["events"], &all[0]["state"]);
    assert_eq!(kept, (1, &json!(["*"]), &json!("active")));
    assert!(all[0]["previous_secret_until"].is_null() && receiver.connections() == 0);
}

#[test]
fn a_test_shows_each_step_with_its_time_and_fails_where_the_answer_is_not_2xx() {
    let world = acme();
    let receiver = Receiver::with(|got| {
        assert_eq!(got.event()["type"], "webhook.test");
        Reply::status(if got.path == "/good" { 200 } else { 503 })
    });
    let good = hook(&world, &receiver.url("/good"), "*");
    let tested = of_acme(&world, "test", &[id(&good)]);
    let steps: Vec<_> = tested["steps"].as_array().unwrap().iter().map(|it| it["step"].clone()).collect();
    assert_eq!(steps, ["resolve", "connect", "request", "answer"]);
    assert!(tested["steps"].as_array().unwrap().iter().all(|step| step["ms"].is_u64()));
    assert_eq!((&tested["state"], &tested["status"]), (&json!("delivered"), &json!(200)));
    let bad = hook(&world, &receiver.url("/bad"), "*");
    let (code, error) = world.error(&["webhook", "test", id(&bad), "--tenant", "acme"]);
    assert_eq!((code, error["code"].as_str().unwrap()), (8, "webhook_test_failed"));
    assert!(error["message"].as_str().unwrap().contains("503"), "{error}");
    // Nobody listens there.
    let none = hook(&world, "http://127.0.0.1:9/", "*");
    let (_, error) = world.error(&["webhook", "test", id(&none), "--tenant", "acme"]);
    assert!(error["message"].as_str().unwrap().contains("the connection was refused"), "{error}");
}

#[test]
fn a_tenant_has_fifty_webhooks_at_most_and_sees_none_of_anothers() {
    let world = acme();
    world.ok(&["tenant", "create", "birch"]);
    let made = hook(&world, "http://127.0.0.1:9/", "*");
    assert_eq!(world.json(&["webhook", "list", "--tenant", "birch"]), json!([]));
    let (code, error) = world.error(&["webhook", "show", id(&made), "--tenant", "birch"]);
    assert_eq!((code, error["code"].as_str().unwrap()), (4, "webhook_not_found"));
    world.control_sql(
        "insert into control.webhooks (id, tenant_id, url, events, created_by)
         select gen_random_uuid(), tenant_id, url, events, created_by from control.webhooks,
                generate_series(1, 49)",
    );
    let args = ["webhook", "create", "http://127.0.0.1:9/", "--event", "*", "--reveal", "--tenant", "acme"];
    let (code, error) = world.error(&args);
    assert_eq!((code, error["code"].as_str().unwrap()), (5, "too_many_webhooks"));
}

#[test]
fn what_is_no_event_is_refused_before_anything_is_asked() {
    let world = acme();
    for event in ["mail.*", "mail.invitation", "User.created", "user:created", "us*", ""] {
        let args =
            ["webhook", "create", "http://127.0.0.1:9/", "--event", event, "--reveal", "--tenant", "acme"];
        assert_eq!(world.run(&args).status.code(), Some(2), "{event}");
    }
}

#[test]
fn several_types_of_events_are_given_with_commas_between_them() {
    let world = acme();
    let made = hook(&world, "http://127.0.0.1:9/", "order.shipped,user.*");
    assert_eq!(made["events"], json!(["order.shipped", "user.*"]));
}

#[test]
fn who_enables_a_webhook_is_shown_the_command_that_sends_what_it_missed() {
    let world = acme();
    let made = hook(&world, "http://127.0.0.1:9/", "*");
    of_acme(&world, "disable", &[id(&made)]);
    let told = world.run(&["webhook", "enable", id(&made), "--tenant", "acme"]).stderr;
    let wanted = format!("to send what it missed: nexus webhook replay {} --tenant acme", id(&made));
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains(&wanted), "{told}");
}

#[test]
fn a_tenant_that_is_purged_takes_its_webhooks_with_it() {
    let world = acme();
    hook(&world, "http://127.0.0.1:9/", "*");
    world.ok(&["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"]);
    let left = "select (select count(*) from control.webhooks) + (select count(*) from control.sealed_secrets
                where name like 'webhook.%')";
    assert_eq!(world.control_sql(left), ["0"]);
}
