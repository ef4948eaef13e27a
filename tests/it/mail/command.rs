//! `nexus notify test`.

use serde_json::{Value, json};

use super::stock::StockServer;
use super::tls::Certificate;
use crate::support::machine::Machine;

/// A machine whose context `prod` has no servers that are up, and mail as it is said.
fn machine(mail: &str) -> Machine {
    let settings = format!(
        "default_context = \"prod\"\n\
         [context.prod.control]\nhost = \"127.0.0.1\"\nport = 1\nuser = \"nexus\"\ntls = \"disable\"\n\
         [context.prod.store]\nendpoint = \"http://127.0.0.1:1\"\nadmin_token = \"env:NONE\"\n\
         [context.prod.mail]\n{mail}\n"
    );
    Machine::new().with_settings(&settings)
}

fn at(port: u16, more: &str) -> Machine {
    machine(&format!(
        "smtp_host = \"127.0.0.1\"\nsmtp_port = {port}\nfrom = \"Acme <no-reply@acme.example>\"\n{more}"
    ))
}

const TEST: [&str; 6] = ["-o", "json", "notify", "test", "--to", "bob@globex.example"];

/// What is written, how it ends, and the error's code and hints.
fn tested(machine: &Machine) -> (Value, i32, String, String) {
    let output = machine.output(&TEST, "");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_default();
    let text = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
    let view = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (view, output.status.code().unwrap(), text("code"), text("hint"))
}

fn steps(view: &Value) -> Vec<&str> {
    view["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

#[test]
fn every_step_is_shown_while_no_database_is_up() {
    let certificate = Certificate::of(&["127.0.0.1"]);
    let mut stock = certificate.serve(&json!({ "user": "jo", "password": "correct horse" }));
    let machine = at(
        stock.port,
        "smtp_user = \"jo\"\nsmtp_password = \"env:SMTP_PASSWORD\"\nsmtp_ca_file = \"ca.pem\"",
    )
    .with_variable("SMTP_PASSWORD", "correct horse")
    .with_file("work/ca.pem", &certificate.cert);
    let (view, code, _, _) = tested(&machine);
    assert_eq!((code, &view["state"], &view["failed"]), (0, &json!("sent"), &Value::Null), "{view}");
    assert_eq!(
        steps(&view),
        [
            "DNS",
            "connect",
            "greeting",
            "EHLO",
            "STARTTLS",
            "TLS",
            "EHLO",
            "AUTH",
            "MAIL FROM",
            "RCPT TO",
            "DATA",
            "message",
            "reply"
        ]
    );
    let step =
        |name: &str| view["steps"].as_array().unwrap().iter().rfind(|step| step["step"] == name).unwrap();
    assert_eq!(step("TLS")["certificates"][0]["names"], json!(["127.0.0.1"]));
    assert_eq!(step("AUTH")["reply"]["code"], 235);
    assert!(!view.to_string().contains("correct horse"));
    let taken = stock.taken();
    assert_eq!((&taken["to"][0], &taken["user"]), (&json!("bob@globex.example"), &json!("jo")));
    let content = taken["content"].as_str().unwrap();
    for header in
        ["From: Acme <no-reply@acme.example>\r\n", "Auto-Submitted: auto-generated\r\n", "Message-ID: <"]
    {
        assert!(content.contains(header), "{header:?} is not in {content}");
    }
}

#[test]
fn what_failed_is_named_with_what_to_do() {
    let certificate = Certificate::of(&["smtp.example.com"]);
    let stock = certificate.serve(&json!({}));
    let plain = StockServer::plain();
    let secure = certificate.serve(&json!({ "secure": true }));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let trusted = |machine: Machine| machine.with_file("work/ca.pem", &certificate.cert);
    let ca = "smtp_ca_file = \"ca.pem\"";
    for (machine, expected_code, last, hint) in [
        (
            at(free, ca),
            "mail_server_unreachable",
            "connect",
            format!("check smtp_host and smtp_port: nothing listens at 127.0.0.1:{free}"),
        ),
        (
            at(stock.port, ca),
            "mail_tls_failed",
            "TLS",
            "the certificate is for smtp.example.com, not for 127.0.0.1: set smtp_host to a name in it"
                .to_owned(),
        ),
        (
            at(plain.port, ca),
            "mail_tls_failed",
            "STARTTLS",
            format!(
                "the server has no STARTTLS on port {}: set smtp_tls = \"implicit\" and smtp_port = 465",
                plain.port
            ),
        ),
        (
            at(stock.port, &format!("smtp_tls = \"implicit\"\n{ca}")),
            "mail_tls_failed",
            "TLS",
            format!("port {} speaks plain text first: set smtp_tls = \"starttls\"", stock.port),
        ),
        (
            at(secure.port, ca),
            "mail_server_unreachable",
            "greeting",
            format!("port {} speaks TLS at once: set smtp_tls = \"implicit\"", secure.port),
        ),
    ] {
        let (view, exit, code, hints) = tested(&trusted(machine));
        assert_eq!((exit, code.as_str()), (8, expected_code), "{view} {hints}");
        assert_eq!(steps(&view).last(), Some(&last), "{view}");
        assert_eq!(view["state"], "deferred");
        assert!(hints.contains(&hint), "{hint:?} is not in {hints}");
    }
}

#[test]
fn a_server_without_encryption_shows_refusals_and_greylisting() {
    let stock = StockServer::plain();
    let machine = at(stock.port, "smtp_tls = \"none\"");
    let run = |to: &str| {
        let output = machine.output(&["-o", "json", "notify", "test", "--to", to], "");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_default();
        (output.status.code().unwrap(), error["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(run("relay@globex.example"), (8, "mail_refused".to_owned()));
    assert_eq!(run("grey@globex.example"), (8, "mail_deferred".to_owned()));
    assert_eq!(run("grey@globex.example"), (0, String::new()), "the second time");
    assert_eq!(run("lost@globex.example"), (8, "mail_unknown".to_owned()));
}

#[test]
fn without_a_server_it_says_what_to_set() {
    let (view, exit, code, hints) = tested(&machine("reply_to = \"help@acme.example\""));
    assert_eq!((view, exit, code.as_str()), (Value::Null, 2, "mail_not_configured"));
    assert!(hints.contains("set smtp_host and from under [context.prod.mail] in nexus.toml"), "{hints}");
    assert!(hints.contains("NEXUS_CONTEXT_PROD_MAIL_SMTP_HOST"), "{hints}");
}

#[test]
fn a_dry_run_sends_nothing() {
    let stock = StockServer::plain();
    let machine = at(stock.port, "smtp_tls = \"none\"");
    let seen = machine.run(&["--dry-run", "notify", "test", "--to", "bob@globex.example"]);
    assert!(seen.contains("a test message would be sent to bob@globex.example; nothing was done"), "{seen}");
    assert_eq!(stock.end().len(), 0);
}
