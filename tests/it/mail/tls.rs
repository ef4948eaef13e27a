//! Encrypted connections and logins, with a stock server.

use std::path::{Path, PathBuf};

use nexus::infra::smtp::{BadCertificate, Outcome, SmtpServer, Step, StepDetail, Why, speaks_tls};
use nexus::settings::SmtpTls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stock::StockServer;
use super::{LONG, SHORT, client, mail, said, server, with_login};

/// A certificate that signs itself, and a folder with it in a file.
pub struct Certificate {
    folder: TempDir,
    pub cert: String,
    pub key: String,
}

impl Certificate {
    pub fn of(names: &[&str]) -> Self {
        Self::with(names, |_| {})
    }

    pub fn with(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &cert).unwrap();
        Self { folder, cert, key: key.serialize_pem() }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A stock server that shows it; further settings over these.
    pub fn serve(&self, more: &Value) -> StockServer {
        let mut settings = json!({ "cert": self.cert, "key": self.key });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        StockServer::start(&settings)
    }
}

fn trusting(server: SmtpServer, file: &Path) -> SmtpServer {
    SmtpServer { ca_file: Some(file.to_owned()), ..server }
}

const LOGIN: (&str, &str) = ("jo", "correct horse");

fn login() -> Value {
    json!({ "user": LOGIN.0, "password": LOGIN.1 })
}

#[tokio::test]
async fn a_message_goes_under_starttls_with_a_login_in_each_way_that_servers_offer() {
    let certificate = Certificate::of(&["127.0.0.1"]);
    for methods in [json!(["PLAIN", "LOGIN"]), json!(["LOGIN"])] {
        let mut more = login();
        more["methods"] = methods.clone();
        let mut stock = certificate.serve(&more);
        let server = trusting(server(stock.port, SmtpTls::StartTls), &certificate.file());
        let outcome =
            client(with_login(server, LOGIN.0, LOGIN.1), LONG).send(&mail("bob@globex.example")).await;
        assert!(matches!(outcome, Outcome::Sent(_)), "{methods}: {outcome:?}");
        let taken = stock.taken();
        assert_eq!((&taken["user"], &taken["secure"]), (&json!("jo"), &json!(true)), "{methods}");
    }
}

#[tokio::test]
async fn a_message_goes_under_tls_from_the_first_byte_on() {
    let certificate = Certificate::of(&["127.0.0.1"]);
    let mut more = login();
    more["secure"] = json!(true);
    let mut stock = certificate.serve(&more);
    assert!(speaks_tls("127.0.0.1", stock.port, LONG.tls).await);
    let server = trusting(server(stock.port, SmtpTls::Implicit), &certificate.file());
    let outcome = client(with_login(server, LOGIN.0, LOGIN.1), LONG).send(&mail("bob@globex.example")).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    assert_eq!(stock.taken()["secure"], true);
}

#[tokio::test]
async fn a_wrong_login_defers_the_message_and_is_not_repeated() {
    let certificate = Certificate::of(&["127.0.0.1"]);
    let stock = certificate.serve(&login());
    let server = trusting(server(stock.port, SmtpTls::StartTls), &certificate.file());
    let outcome =
        client(with_login(server, "jo", "wrong-horse"), LONG).send(&mail("bob@globex.example")).await;
    // This server repeats the password.
    assert_eq!(said(&outcome), ("deferred", "AUTH: 535 5.7.8 wrong login for jo: [hidden]".to_owned()));
    assert!(outcome.stop().unwrap().is_of_server(), "the next message would end the same");
}

#[tokio::test]
async fn a_server_that_wants_a_login_or_tls_is_not_taken_for_one_that_refuses_the_message() {
    let certificate = Certificate::of(&["127.0.0.1"]);
    let stock = certificate.serve(&login());
    let outcome = client(server(stock.port, SmtpTls::None), LONG).send(&mail("bob@globex.example")).await;
    assert_eq!(said(&outcome).0, "deferred", "{outcome:?}");
    let unencrypted = with_login(server(stock.port, SmtpTls::None), LOGIN.0, LOGIN.1);
    let outcome = client(unencrypted, LONG).send(&mail("bob@globex.example")).await;
    assert!(matches!(&outcome, Outcome::Deferred(stop) if stop.step == Step::Auth), "{outcome:?}");
    let none = StockServer::plain();
    let outcome = client(trusting(server(none.port, SmtpTls::StartTls), &certificate.file()), LONG)
        .send(&mail("b@c.example"))
        .await;
    assert_eq!(said(&outcome), ("deferred", "STARTTLS: the server does not offer STARTTLS".to_owned()));
    assert_eq!(none.end().len(), 0, "nothing went in plain text");
}

/// What is wrong with the certificate of a server, and what was seen of it.
async fn refused(certificate: &Certificate, trusted: &Path) -> (BadCertificate, Vec<String>) {
    let stock = certificate.serve(&json!({}));
    let server = trusting(server(stock.port, SmtpTls::StartTls), trusted);
    let (outcome, steps) = client(server, LONG).send_traced(&mail("bob@globex.example")).await;
    assert_eq!(stock.end().len(), 0, "nothing went to a server that is not trusted");
    let Outcome::Deferred(stop) = &outcome else { panic!("{outcome:?}") };
    let Why::Certificate(bad) = &stop.why else { panic!("{outcome:?}") };
    let Some(StepDetail::Tls(seen)) = steps.last().map(|taken| &taken.seen) else { panic!("{steps:?}") };
    (bad.clone(), seen.chain[0].names.clone())
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_and_shown() {
    let right = Certificate::of(&["127.0.0.1"]);
    let other_name = Certificate::of(&["smtp.example.com"]);
    let old = Certificate::with(&["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let early =
        Certificate::with(&["127.0.0.1"], |params| params.not_before = rcgen::date_time_ymd(4000, 1, 1));
    for (shown, trusted, bad, name) in [
        (&right, &other_name, BadCertificate::Issuer, "127.0.0.1"),
        (&other_name, &other_name, BadCertificate::Name, "smtp.example.com"),
        (&old, &old, BadCertificate::Expired, "127.0.0.1"),
        (&early, &early, BadCertificate::NotYet, "127.0.0.1"),
    ] {
        assert_eq!(refused(shown, &trusted.file()).await, (bad, vec![name.to_owned()]));
    }
}

#[tokio::test]
async fn a_server_may_show_the_certificate_that_is_trusted_itself_also_where_it_is_an_authoritys() {
    // As `openssl req -x509` makes it.
    let certificate =
        Certificate::with(&["127.0.0.1"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let mut stock = certificate.serve(&json!({}));
    let server = trusting(server(stock.port, SmtpTls::StartTls), &certificate.file());
    let outcome = client(server, LONG).send(&mail("bob@globex.example")).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    stock.taken();
}

#[tokio::test]
async fn the_wrong_kind_of_encryption_is_named() {
    let certificate = Certificate::of(&["127.0.0.1"]);
    let plain = certificate.serve(&json!({}));
    let implicit = trusting(server(plain.port, SmtpTls::Implicit), &certificate.file());
    let outcome = client(implicit, LONG).send(&mail("bob@globex.example")).await;
    assert_eq!(said(&outcome), ("deferred", "TLS: the port does not speak TLS at once".to_owned()));
    let secure = certificate.serve(&json!({ "secure": true }));
    let starttls = trusting(server(secure.port, SmtpTls::StartTls), &certificate.file());
    let outcome = client(starttls, SHORT).send(&mail("bob@globex.example")).await;
    assert!(outcome.stop().is_some_and(|stop| stop.step == Step::Greeting), "{outcome:?}");
}
