//! `nexus service`.

use serde_json::json;

use super::{acme, answering};

#[test]
fn a_service_is_registered_shown_called_and_removed_at_the_command_line() {
    let (world, app) = (acme(), answering(&json!({ "html": "<p>" })));
    let url = app.url("/");
    let register = |more: &[&str]| {
        let args = ["service", "register", "mail.preview", "--url", &url, "--tenant", "acme"];
        world.json(&[&args[..], more].concat())
    };
    let made = register(&["--timeout", "9s", "--permission", "mail:preview"]);
    assert_eq!((&made["timeout_ms"], &made["permission"]), (&json!(9000), &json!("mail:preview")));
    assert_eq!(
        register(&["--timeout", "9s", "--permission", "mail:preview"]),
        made,
        "the same again changes nothing"
    );
    assert_eq!(register(&["--permission", "mail:preview"])["timeout_ms"], 5000);
    let list = world.json(&["service", "list", "--tenant", "acme"]);
    assert_eq!((&list[0]["name"], &list[0]["health"]), (&json!("mail.preview"), &json!("healthy")));
    assert_eq!(world.json(&["service", "list"]), json!([]));
    let file = world.file("question.json", "{\"template\": \"welcome\"}");
    let answer =
        world.ok(&["service", "call", "mail.preview", "--tenant", "acme", "--data", &format!("@{file}")]);
    assert_eq!(answer.parse::<serde_json::Value>().unwrap(), json!({ "html": "<p>" }));
    assert_eq!(app.got()[0].body, "{\"template\":\"welcome\"}");
    let remove = ["service", "remove", "mail.preview", "--tenant", "acme"];
    assert_eq!(world.error(&remove).1["code"], "confirmation_required");
    let removed = world.json(&[&remove[..], &["--yes", "--confirm", "mail.preview"]].concat());
    assert_eq!(removed, json!({ "name": "mail.preview", "versions": [1], "urls": [url] }));
    let (code, error) = world.error(&["service", "call", "mail.preview", "--tenant", "acme"]);
    assert_eq!((code, &error["code"]), (4, &json!("service_not_found")));
    let wanted = ["service.remove", "service.register", "service.register"];
    let inside = world.tenant_sql("acme", "select action from nexus.audit_log order by id desc limit 3");
    assert_eq!(inside, wanted);
    let outside = "select action from control.audit_log where action like 'service.%' order by id desc";
    assert_eq!(world.control_sql(outside), wanted);
}

#[test]
fn in_a_dry_run_nothing_is_registered_removed_or_called() {
    let (world, app) = (acme(), answering(&json!("ok")));
    let url = app.url("/");
    for tenant in [&[][..], &["--tenant", "acme"]] {
        let run = |args: &[&str]| world.ok(&[args, tenant].concat());
        run(&["--dry-run", "service", "register", "mail.preview", "--url", &url]);
        assert_eq!(world.json(&[&["service", "list"][..], tenant].concat()), json!([]));
    }
    world.ok(&["service", "register", "mail.preview", "--url", &url, "--tenant", "acme"]);
    world.ok(&["--dry-run", "service", "remove", "mail.preview", "--tenant", "acme"]);
    world.ok(&["--dry-run", "service", "call", "mail.preview", "--tenant", "acme"]);
    assert_eq!(world.json(&["service", "list", "--tenant", "acme"])[0]["name"], "mail.preview");
    assert_eq!(app.connections(), 0);
}

#[test]
fn one_address_of_several_is_removed_and_the_service_goes_with_the_last() {
    let world = acme();
    let apps = [answering(&json!(1)), answering(&json!(2))];
    let urls = apps.each_ref().map(|app| app.url("/"));
    for url in &urls {
        world.ok(&["service", "register", "tax.rates", "--url", url]);
    }
    let remove = |url: &str| {
        world.json(&["service", "remove", "tax.rates", "--url", url, "--yes", "--confirm", "tax.rates"])
    };
    assert_eq!(remove(&urls[0])["versions"], json!([]));
    assert_eq!(world.json(&["service", "show", "tax.rates"])["instance_count"], 1);
    assert_eq!(remove(&urls[1])["versions"], json!([1]));
    assert_eq!(world.error(&["service", "show", "tax.rates"]).1["code"], "service_not_found");
    assert_eq!(world.control_sql("select count(*) from control.services"), ["0"]);
}

#[test]
fn a_tenant_that_is_destroyed_takes_its_services_with_it() {
    let (world, app) = (acme(), answering(&json!(1)));
    world.ok(&["service", "register", "tax.rates", "--url", &app.url("/"), "--tenant", "acme"]);
    world.ok(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    assert_eq!(world.control_sql("select count(*) from control.service_instances"), ["0"]);
}
