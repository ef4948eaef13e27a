//! `nexus notify provider check`: what receivers see of a domain, on a DNS server and a mail server of the test.

use serde_json::{Value, json};

use super::dns::DnsServer;
use super::stock::StockServer;
use crate::support::machine::Machine;

/// A public key of RSA with 2048 bits, and one with 1024.
const LONG_KEY: &str = include_str!("dkim-rsa2048.b64");
const SHORT_KEY: &str = include_str!("dkim-rsa1024.b64");

/// A machine whose context `prod` has no servers that are up, with this mail server.
fn machine(mail: &str) -> Machine {
    Machine::new().with_settings(&format!(
        "default_context = \"prod\"\n\
         [context.prod.control]\nhost = \"127.0.0.1\"\nport = 1\nuser = \"nexus\"\ntls = \"disable\"\n\
         [context.prod.store]\nendpoint = \"http://127.0.0.1:1\"\nadmin_token = \"env:NONE\"\n\
         [context.prod.mail]\n{mail}\n"
    ))
}

/// What a check finds, by code, and how it ends.
struct Checked {
    findings: Vec<Value>,
    exit: i32,
}

impl Checked {
    fn of(machine: &Machine, words: &[&str]) -> Self {
        let line = [&["-o", "json", "notify", "provider", "check"], words].concat();
        let output = machine.output(&line, "");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let findings = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
        Self { findings, exit: output.status.code().unwrap() }
    }

    fn one(&self, code: &str) -> &Value {
        let found = self.findings.iter().find(|it| it["code"] == code);
        found.unwrap_or_else(|| panic!("no {code} in {:#?}", self.findings))
    }

    fn severity(&self, code: &str) -> &str {
        self.one(code)["severity"].as_str().unwrap()
    }

    fn says(&self, code: &str, words: &str) {
        let one = self.one(code);
        let text = format!("{} {}", one["detail"].as_str().unwrap(), one["fix"].as_str().unwrap_or_default());
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
}

fn of_domain(dns: &DnsServer, domain: &str, more: &[&str]) -> Checked {
    let (from, server) = (format!("no-reply@{domain}"), dns.address());
    let words = [&["--from", &from, "--dns-server", &server], more].concat();
    Checked::of(&machine("reply_to = \"help@acme.example\""), &words)
}

#[test]
fn a_domain_in_order_is_said_to_be_so_and_nothing_is_sent() {
    let mut dns = DnsServer::start();
    dns.mx("acme.example", 10, "mx.acme.example");
    dns.txt("acme.example", "site-verification=x");
    dns.txt("acme.example", "v=spf1 include:spf.provider.example -all");
    dns.txt("spf.provider.example", "v=spf1 ip4:192.0.2.0/24 ?all");
    dns.txt("s1._domainkey.acme.example", &format!("v=DKIM1; k=rsa; p={LONG_KEY}"));
    dns.txt("_dmarc.acme.example", "v=DMARC1; p=reject; rua=mailto:d@acme.example");
    let stock =
        StockServer::start(&json!({ "hideStarttls": true, "user": "jo", "password": "correct horse" }));
    let mail = format!(
        "smtp_host = \"127.0.0.1\"\nsmtp_port = {}\nsmtp_tls = \"none\"\nsmtp_user = \"jo\"\n\
         smtp_password = \"env:SMTP_PASSWORD\"\nfrom = \"Acme <no-reply@acme.example>\"\ndns_server = \"{}\"",
        stock.port,
        dns.address()
    );
    let machine = machine(&mail).with_variable("SMTP_PASSWORD", "correct horse");
    let checked = Checked::of(&machine, &["--dkim-selector", "s1", "--sender-ip", "192.0.2.7"]);
    for one in &checked.findings {
        assert_eq!(one["severity"], "ok", "{one}");
    }
    assert_eq!(checked.exit, 0);
    checked.says("mail.mx", "answers and bounces go to mx.acme.example");
    checked.says("mail.spf", "v=spf1 include:spf.provider.example -all");
    checked.says("mail.spf_server", "lets 192.0.2.7 send for acme.example");
    checked.says("mail.dkim", "2048 bits");
    checked.says("mail.dmarc", "p=reject");
    checked.says("mail.server", "takes the login");
    assert_eq!(stock.end(), Vec::<Value>::new());
}

#[test]
fn what_is_missing_is_named_with_the_record_to_add() {
    let mut dns = DnsServer::start();
    dns.txt("acme.example", "site-verification=x");
    let checked = of_domain(&dns, "acme.example", &["--dkim-selector", "s1"]);
    assert_eq!(checked.exit, 2);
    for (code, severity, fix) in [
        ("mail.mx", "warning", "add the record acme.example MX 10 HOST"),
        ("mail.spf", "error", "add the record acme.example TXT \"v=spf1 include:PROVIDER -all\""),
        ("mail.dkim", "error", "add the record s1._domainkey.acme.example TXT"),
        (
            "mail.dmarc",
            "warning",
            "add the record _dmarc.acme.example TXT \"v=DMARC1; p=none; rua=mailto:ADDRESS\"",
        ),
        ("mail.alignment", "error", "receivers treat mail as forged"),
        ("mail.server", "skipped", "no mail server is set"),
    ] {
        assert_eq!(checked.severity(code), severity, "{code}");
        checked.says(code, fix);
    }
}

#[test]
fn records_that_receivers_cannot_use_are_faults() {
    let mut dns = DnsServer::start();
    let loops = ["a.loop.example", "b.loop.example"];
    dns.txt(loops[0], "v=spf1 include:b.loop.example -all");
    dns.txt(loops[1], "v=spf1 include:a.loop.example -all");
    dns.txt("two.example", "v=spf1 -all");
    dns.txt("two.example", "v=spf1 mx -all");
    dns.txt("open.example", "v=spf1 +all");
    dns.txt("typo.example", "v=spf1 ipv4:192.0.2.1 -all");
    dns.txt("gone.example", "v=spf1 include:none.example -all");
    let many = (0..11).map(|n| format!("a:h{n}.many.example")).collect::<Vec<_>>().join(" ");
    dns.txt("many.example", &format!("v=spf1 {many} -all"));
    for (domain, words) in [
        (loops[0], "more than 10 lookups"),
        ("two.example", "has 2 SPF records"),
        ("open.example", "lets everybody send"),
        ("typo.example", "\"ipv4:192.0.2.1\" is no term of SPF"),
        ("gone.example", "none.example has no SPF record"),
        ("many.example", "takes 11 lookups"),
    ] {
        let checked = of_domain(&dns, domain, &[]);
        assert_eq!((checked.severity("mail.spf"), checked.exit), ("error", 2), "{domain}");
        checked.says("mail.spf", words);
    }
    dns.mx("null.example", 0, "");
    dns.txt("s1._domainkey.null.example", &format!("v=DKIM1; p={SHORT_KEY}"));
    dns.txt("_dmarc.null.example", "v=DMARC1; p=block");
    let checked = of_domain(&dns, "null.example", &["--dkim-selector", "s1"]);
    checked.says("mail.mx", "takes no mail");
    assert_eq!(checked.severity("mail.dmarc"), "error");
    assert_eq!(checked.severity("mail.dkim"), "warning");
    checked.says("mail.dkim", "1024 bits");
}

#[test]
fn a_server_that_the_record_does_not_let_send_is_told() {
    let mut dns = DnsServer::start();
    dns.a("acme.example", [192, 0, 2, 1]);
    dns.mx("acme.example", 10, "mx.acme.example");
    dns.a("mx.acme.example", [192, 0, 2, 2]);
    dns.txt("acme.example", "v=spf1 a mx/31 ~all");
    dns.txt("unsure.example", "v=spf1 exists:%{i}.spf.example -all");
    let at = |domain: &str, ip: &str| of_domain(&dns, domain, &["--sender-ip", ip]);
    for (ip, severity) in
        [("192.0.2.1", "ok"), ("192.0.2.3", "ok"), ("192.0.2.4", "warning"), ("2001:db8::1", "warning")]
    {
        assert_eq!(at("acme.example", ip).severity("mail.spf_server"), severity, "{ip}");
    }
    at("acme.example", "192.0.2.4").says("mail.spf_server", "add ip4:192.0.2.4 to the record");
    let unsure = at("unsure.example", "192.0.2.1");
    assert_eq!(unsure.severity("mail.spf_server"), "notice");
    unsure.says("mail.spf_server", "not evaluated: it depends on exists:%{i}.spf.example");
}

#[test]
fn the_policy_of_a_domain_above_counts() {
    let mut dns = DnsServer::start();
    dns.txt("_dmarc.acme.example", "v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@acme.example");
    let checked = of_domain(&dns, "mail.shop.acme.example", &[]);
    checked.says("mail.dmarc", "p=quarantine (the policy of acme.example)");
}

#[test]
fn what_could_not_be_looked_up_is_not_well() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = free.to_string();
    let words = ["--from", "a@acme.example", "--dns-server", &server];
    let checked = Checked::of(&machine("reply_to = \"help@acme.example\""), &words);
    assert_eq!(checked.exit, 8);
    for code in ["mail.mx", "mail.spf", "mail.dmarc"] {
        assert_eq!(checked.severity(code), "unchecked", "{code}");
    }
}

#[test]
fn a_login_that_is_refused_is_a_fault_with_what_to_do() {
    let dns = DnsServer::start();
    let stock = StockServer::start(&json!({ "hideStarttls": true, "user": "jo", "password": "right" }));
    let mail = format!(
        "smtp_host = \"127.0.0.1\"\nsmtp_port = {}\nsmtp_tls = \"none\"\nsmtp_user = \"jo\"\n\
         smtp_password = \"env:SMTP_PASSWORD\"\nfrom = \"no-reply@acme.example\"",
        stock.port
    );
    let machine = machine(&mail).with_variable("SMTP_PASSWORD", "wrong horse");
    let checked = Checked::of(&machine, &["--dns-server", &dns.address()]);
    assert_eq!((checked.severity("mail.server"), checked.exit), ("error", 8));
    checked.says("mail.server", "check smtp_user and what smtp_password refers to");
    assert!(!json!(checked.findings).to_string().contains("wrong horse"));
}
