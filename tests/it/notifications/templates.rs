//! What notifications say: built-in, or as the tenant has it.

use serde_json::json;

use super::Desk;

#[test]
fn an_app_sends_in_the_language_of_its_user() {
    let desk = Desk::new();
    let bob = desk.user("bob@acme.example");
    desk.user("eve@acme.example");
    let change = json!({ "profile": { "language": "de-AT" } });
    desk.server.change("PATCH", &format!("/users/{bob}"), &desk.ann, &change).ok();
    let sample = json!({ "order": 1, "items": [{ "name": "x" }] });
    let german = json!({
        "subject": "Bestellung {{ data.order }} ist unterwegs",
        "text": "Guten Tag {{ name }},\n{% for item in data.items %}\n- {{ item.name }}\n{% endfor %}\nIhr {{ tenant }}\n",
        "html": "<p>{{ data.items[0].name }}</p>",
        "sample": sample,
    });
    desk.template("app.order.shipped", "de", &german).ok();
    let english =
        json!({ "subject": "Order {{ data.order }}", "text": "It is on its way.\n", "sample": sample });
    desk.template("app.order.shipped", "en", &english).ok();
    let order = json!({ "order": 4711, "items": [{ "name": "<b>tea</b>" }, { "name": "milk" }] });
    let to = ["bob@acme.example", "eve@acme.example"];
    desk.sent(&json!({ "kind": "app.order.shipped", "to": to, "channel": "email", "data": order }));
    let mail = desk.until_mail("bob@acme.example", 1).remove(0);
    for part in [
        "Subject: Bestellung 4711 ist unterwegs\r\n",
        "Guten Tag Bob,\r\n- <b>tea</b>\r\n- milk\r\nIhr acme\r\n",
        "<p>&lt;b&gt;tea&lt;&#x2f;b&gt;</p>",
    ] {
        assert!(mail.contains(part), "{part:?} is not in {mail}");
    }
    let other = desk.until_mail("eve@acme.example", 1).remove(0);
    assert!(other.contains("Subject: Order 4711\r\n") && other.contains("It is on its way."), "{other}");
}

#[test]
fn a_tenants_own_invitation_is_what_its_people_get_and_reset_brings_the_built_in_one_back() {
    let desk = Desk::new();
    let own =
        json!({ "subject": "Welcome to {{ tenant }}", "text": "Go to {{ link }} within {{ within }}.\n" });
    desk.template("account.invitation", "en", &own).ok();
    let invite = |email: &str| {
        desk.server.change("POST", "/users?invite=true", &desk.ann, &json!({ "email": email })).ok()
    };
    invite("bob@acme.example");
    let mail = desk.until_mail("bob@acme.example", 1).remove(0);
    assert!(mail.contains("Subject: Welcome to acme\r\n"), "{mail}");
    assert!(mail.contains("Go to https://acme.app.example/invitation#tenant=acme&token=nxi_"), "{mail}");
    let path = "/notifications/templates/account.invitation/email/en";
    let shown = desk.server.get(path, &desk.ann).ok();
    assert_eq!((&shown["origin"], &shown["version"]), (&json!("tenant"), &json!(1)));
    desk.server.send("DELETE", path, &[&crate::support::api::bearer(&desk.ann)], &[]).ok();
    let shown = desk.server.get(path, &desk.ann).ok();
    assert_eq!((&shown["origin"], &shown["versions"]), (&json!("built_in"), &json!([2, 1])));
    invite("cy@acme.example");
    let mail = desk.until_mail("cy@acme.example", 1).remove(0);
    assert!(mail.contains("Subject: You are invited to acme\r\n"), "{mail}");
    assert!(mail.contains("text/html") && mail.contains("text/plain"), "{mail}");
}

#[test]
fn a_value_that_there_is_not_is_an_error_when_the_template_is_set_and_when_it_is_sent() {
    let desk = Desk::new();
    let wrong =
        json!({ "subject": "Hello", "text": "Hello\nyour {{ data.ordr }}\n", "sample": { "order": 1 } });
    let refused = desk.template("app.order", "en", &wrong);
    assert_eq!(refused.problem(), (400, "template_value_unknown".to_owned()));
    let said = refused.json();
    assert!(
        said.to_string()
            .contains("line 2 of the text: there is no value data.ordr; did you mean data.order?"),
        "{said}"
    );
    let right = json!({ "subject": "Hello", "text": "your {{ data.order }}\n", "sample": { "order": 1 } });
    desk.template("app.order", "en", &right).ok();
    let body = |data| json!({ "kind": "app.order", "to": ["bob@acme.example"], "data": data });
    assert_eq!(desk.send(&body(json!({}))).problem(), (400, "template_value_unknown".to_owned()));
    assert_eq!(desk.send(&body(json!({ "order": 7 }))).status, 202);
    let none = json!({ "kind": "app.nothing", "to": ["bob@acme.example"] });
    assert_eq!(desk.send(&none).problem(), (404, "template_not_found".to_owned()));
}

#[test]
fn what_a_template_could_do_harm_with_is_refused() {
    let desk = Desk::new();
    for text in [
        "{% include '/etc/passwd' %}",
        "{% set x = 'aaaaaaaa' %}",
        "{{ 'a' * 1000000000 }}",
        "{{ name ~ name }}",
        "{% macro x() %}{{ x() }}{% endmacro %}",
        "{{ name|replace('a', name) }}",
        "{{ name",
    ] {
        let refused = desk.template("account.disabled", "en", &json!({ "subject": "x", "text": text }));
        assert_eq!(refused.problem(), (400, "template_invalid".to_owned()), "{text}: {refused:?}");
    }
    let numbers: Vec<u32> = (0..300).collect();
    let loops = "{% for a in data.n %}{% for b in data.n %}{% for c in data.n %}.{% endfor %}{% endfor %}{% endfor %}";
    let endless = json!({ "subject": "x", "text": loops, "sample": { "n": numbers } });
    let refused = desk.template("app.loop", "en", &endless);
    assert_eq!(refused.problem(), (400, "template_invalid".to_owned()), "{refused:?}");
    for subject in ["a\nBcc: eve@x.example", "", "{{ data.s }}"] {
        let body = json!({ "subject": subject, "text": "x", "sample": { "s": "a\r\nBcc: eve@x.example" } });
        assert_eq!(
            desk.template("app.subject", "en", &body).problem(),
            (400, "template_subject_invalid".to_owned())
        );
    }
}

#[test]
fn a_row_that_was_written_by_hand_stops_nobody() {
    let desk = Desk::new();
    desk.world.tenant_sql(
        "acme",
        "insert into nexus.notification_templates (kind, channel, language, version, subject, text, created_by)
         values ('account.invitation', 'email', 'en', 1, 'x', '{% for a in name %}{{ nothing }}{% endfor %}', 'x')",
    );
    desk.server.change("POST", "/users?invite=true", &desk.ann, &json!({ "email": "bob@acme.example" })).ok();
    let mail = desk.until_mail("bob@acme.example", 1).remove(0);
    assert!(mail.contains("Subject: You are invited to acme\r\n"), "{mail}");
}

#[test]
fn a_preview_says_what_a_message_would() {
    let desk = Desk::new();
    let path = |kind: &str| format!("/notifications/templates/{kind}/email/en/preview");
    let said = desk.server.change("POST", &path("account.password_reset"), &desk.ann, &json!({})).ok();
    assert_eq!(said["subject"], "Reset your password for acme");
    let trial = json!({ "subject": "{{ data.a|upper }}", "text": "{{ name }}", "data": { "a": "hi" } });
    let said = desk.server.change("POST", &path("app.new"), &desk.ann, &trial).ok();
    assert_eq!((&said["subject"], &said["text"]), (&json!("HI"), &json!("Ann Example")));
    let unknown = desk.server.change("POST", &path("account.invitations"), &desk.ann, &json!({}));
    assert_eq!(unknown.problem(), (400, "notification_kind_unknown".to_owned()));
}

#[test]
fn the_command_line_sets_shows_and_resets_a_template() {
    let desk = Desk::new();
    let text = desk.world.file("work/text.txt", "Hallo {{ name }}\n");
    let name = ["account.disabled", "--language", "de", "--tenant", "acme"];
    let run = |verb: &str, more: &[&str]| {
        let line = [&["notify", "template", verb][..], &name, more].concat();
        desk.world.json(&line)
    };
    let set = run("set", &["--subject", "Gesperrt", "--text-file", &text]);
    assert_eq!((&set["subject"], &set["version"]), (&json!("Gesperrt"), &json!(1)));
    assert_eq!(run("show", &[])["text"], "Hallo {{ name }}\n");
    let diff = run("show", &["--diff"])["diff"].as_str().unwrap().to_owned();
    assert!(
        diff.contains("+Gesperrt\n") && diff.contains("-Your account at {{ tenant }} was disabled\n"),
        "{diff}"
    );
    assert_eq!(run("preview", &[])["text"], "Hallo Ann Example\n");
    let list = desk.world.json(&["notify", "template", "list", "--tenant", "acme"]);
    let own: Vec<_> = list.as_array().unwrap().iter().filter(|row| row["origin"] == "tenant").collect();
    assert_eq!((own.len(), &own[0]["language"]), (1, &json!("de")));
    assert_eq!(run("reset", &[])["action"], "notification_template.reset");
    let (exit, error) = desk.world.error(&[
        "notify",
        "template",
        "set",
        "account.disabled",
        "--subject",
        "x",
        "--text-file",
        &text,
    ]);
    assert_eq!((exit, &error["code"]), (5, &json!("template_platform")));
}
