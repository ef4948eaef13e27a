//! What to do about a step that failed: one sentence each, the likeliest first.

use crate::infra::smtp::{BadCertificate, CONNECTION_REFUSED, Certificate, SmtpServer, Step, Stop, Why};
use crate::kernel::{MailAddress, shell};
use crate::settings::SmtpTls;
use crate::settings::mail::IMPLICIT_PORT;

/// What is known of a test that failed.
pub(super) struct Failed<'a> {
    pub(super) stop: &'a Stop,
    pub(super) server: &'a SmtpServer,
    pub(super) from: &'a MailAddress,
    /// The certificates that the server showed, its own first.
    pub(super) chain: &'a [Certificate],
    /// Whether the port was seen to begin with TLS.
    pub(super) speaks_tls: bool,
}

impl Failed<'_> {
    pub(super) fn advice(&self) -> Vec<String> {
        match self.stop.step {
            Step::Lookup => self.of_name(),
            Step::Connect => self.of_connection(),
            Step::Greeting | Step::Ehlo | Step::Noop => self.of_greeting(),
            Step::Starttls | Step::Tls => self.of_tls(),
            Step::Auth => self.of_login(),
            Step::Mail | Step::Rcpt | Step::Record | Step::Data | Step::Message | Step::Accepted => {
                self.of_message()
            }
        }
    }

    fn of_name(&self) -> Vec<String> {
        let host = &self.server.host;
        let first = match &self.stop.why {
            Why::NoAddress => format!("check smtp_host: {host} has no address"),
            Why::NoAnswer(_) => {
                "the resolver of this machine did not answer: check its network and /etc/resolv.conf"
                    .to_owned()
            }
            why => format!("this machine could not look up {host}: {why}"),
        };
        vec![first, format!("see what this machine knows of it: getent hosts {}", shell::word(host))]
    }

    fn of_connection(&self) -> Vec<String> {
        let SmtpServer { host, port, .. } = self.server;
        let usual = "mail is usually handed over on port 587 (starttls) or 465 (implicit)".to_owned();
        match &self.stop.why {
            Why::NoAnswer(_) if *port == 25 => {
                vec!["many networks block port 25: set smtp_port to 587 or 465".to_owned()]
            }
            Why::NoAnswer(_) => vec![
                format!("a firewall between this machine and {host} may drop connections to port {port}"),
                usual,
            ],
            Why::Io(words) if words == CONNECTION_REFUSED => {
                vec![format!("check smtp_host and smtp_port: nothing listens at {host}:{port}"), usual]
            }
            why => vec![format!("this machine cannot connect to {host}:{port}: {why}"), usual],
        }
    }

    fn of_greeting(&self) -> Vec<String> {
        let SmtpServer { host, port, tls, .. } = self.server;
        let silent = matches!(self.stop.why, Why::NoAnswer(_) | Why::Closed);
        if self.speaks_tls || matches!(self.stop.why, Why::SpeaksTls) || (silent && *port == IMPLICIT_PORT) {
            return vec![format!("port {port} speaks TLS at once: set smtp_tls = \"implicit\"")];
        }
        match &self.stop.why {
            Why::Reply(_) => vec!["the server rejects this machine: ask its operator".to_owned()],
            Why::NotSmtp(_) => {
                vec![format!("{host}:{port} is not a mail server: check smtp_host and smtp_port")]
            }
            _ if *tls == SmtpTls::Implicit => {
                vec![format!("the server is silent under TLS: check smtp_port, which is {port}")]
            }
            _ => vec![
                format!("{host}:{port} accepts connections and says nothing: check smtp_host and smtp_port"),
                "some networks answer in the place of a mail server: try from another one".to_owned(),
            ],
        }
    }

    fn of_tls(&self) -> Vec<String> {
        let SmtpServer { host, port, .. } = self.server;
        match &self.stop.why {
            Why::SpeaksPlain => {
                vec![format!("port {port} speaks plain text first: set smtp_tls = \"starttls\"")]
            }
            Why::Closed if self.server.tls == SmtpTls::Implicit => vec![format!(
                "the server closed port {port} during the handshake: if it speaks plain text first, set \
                 smtp_tls = \"starttls\""
            )],
            Why::NoStarttls => vec![
                format!(
                    "the server has no STARTTLS on port {port}: set smtp_tls = \"implicit\" and smtp_port = 465"
                ),
                "or, for a server on this machine, smtp_tls = \"none\"".to_owned(),
            ],
            Why::NoTrust(_) => {
                vec!["install ca-certificates, or name the server's authority in smtp_ca_file".to_owned()]
            }
            Why::Certificate(bad) => self.of_certificate(bad),
            _ => vec![format!("see what the server offers: {}", openssl(host, *port, self.server.tls))],
        }
    }

    fn of_certificate(&self, bad: &BadCertificate) -> Vec<String> {
        let SmtpServer { host, port, tls, .. } = self.server;
        let Some(own) = self.chain.first() else {
            return vec![format!("see what the server shows: {}", openssl(host, *port, *tls))];
        };
        match bad {
            BadCertificate::Name => {
                let names = if own.names.is_empty() { own.subject.clone() } else { own.names.join(", ") };
                vec![format!("the certificate is for {names}, not for {host}: set smtp_host to a name in it")]
            }
            BadCertificate::Issuer => {
                let issuer = self.chain.last().map_or(&own.issuer, |last| &last.issuer);
                vec![
                    format!("it was issued by {issuer}, which this machine does not trust"),
                    format!(
                        "if that is right, save its certificate and name the file in smtp_ca_file: {}",
                        openssl(host, *port, *tls)
                    ),
                ]
            }
            BadCertificate::Expired => {
                vec![format!(
                    "it expired on {}: the operator of {host} has to renew it",
                    own.not_after.date()
                )]
            }
            BadCertificate::NotYet => vec![format!(
                "it is valid from {} on: check the clock of this machine: date -u",
                own.not_before.date()
            )],
            BadCertificate::Other(_) => {
                vec![format!("see what the server shows: {}", openssl(host, *port, *tls))]
            }
        }
    }

    fn of_login(&self) -> Vec<String> {
        let port = self.server.port;
        match &self.stop.why {
            Why::NoMechanism(offered) if offered.is_empty() && self.server.tls == SmtpTls::None => {
                vec!["most servers take a login only under TLS: set smtp_tls = \"starttls\"".to_owned()]
            }
            Why::NoMechanism(offered) if offered.is_empty() && port == SmtpTls::StartTls.port() => {
                vec![
                    "remove smtp_user and smtp_password, or ask the server's operator for a login".to_owned(),
                ]
            }
            Why::NoMechanism(offered) if offered.is_empty() => vec![
                format!("port {port} takes no login: set smtp_port = {}", SmtpTls::StartTls.port()),
                "or remove smtp_user and smtp_password".to_owned(),
            ],
            Why::NoMechanism(offered) => vec![format!(
                "the server offers only {}; Nexus can use PLAIN and LOGIN: ask the server's operator for one of them",
                offered.join(", ")
            )],
            Why::Reply(reply) if reply.code == 535 => vec![
                "check smtp_user and what smtp_password refers to".to_owned(),
                "some providers want a password of its own for programs, or a token".to_owned(),
            ],
            Why::Reply(reply) if reply.code == 538 => {
                vec!["the server takes a login only under TLS: set smtp_tls = \"starttls\"".to_owned()]
            }
            _ => vec!["check smtp_user and what smtp_password refers to".to_owned()],
        }
    }

    fn of_message(&self) -> Vec<String> {
        let later = || {
            let words = "temporary refusal, often greylisting: try again in a few minutes; \
                         Nexus retries messages to users by itself";
            vec![words.to_owned()]
        };
        let log_in = || vec!["the server wants a login: set smtp_user and smtp_password".to_owned()];
        let no_login = self.server.login.is_none();
        match (&self.stop.why, self.stop.step) {
            (Why::Reply(reply), _) if matches!(reply.code, 530 | 534 | 535 | 538) => log_in(),
            (Why::Reply(reply), _) if reply.is_temporary() => later(),
            (Why::Reply(_), Step::Mail) => vec![format!(
                "the server does not let this login send as {}: set from to an address that it may use",
                self.from.address
            )],
            (Why::Reply(_), Step::Rcpt) if no_login => vec![
                "if the server relays only for authenticated clients, set smtp_user and smtp_password"
                    .to_owned(),
                "or the address to send to is wrong".to_owned(),
            ],
            (Why::Reply(_), Step::Rcpt) => {
                vec!["the address is wrong, or the server does not relay for this login".to_owned()]
            }
            (Why::Reply(_), _) => vec!["the server's words say why: ask its operator".to_owned()],
            (Why::NotAscii, _) => vec!["use an ASCII address".to_owned()],
            (_, Step::Accepted) => {
                vec!["look whether the message arrived before you send it again".to_owned()]
            }
            _ => vec!["the server took no message; try again".to_owned()],
        }
    }
}

/// How the certificates of a server are seen.
fn openssl(host: &str, port: u16, tls: SmtpTls) -> String {
    let starttls = if tls == SmtpTls::Implicit { "" } else { " -starttls smtp" };
    format!("openssl s_client -connect {}:{port}{starttls} -showcerts", shell::word(host))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn advice(port: u16, step: Step, why: Why) -> String {
        let tls = SmtpTls::StartTls;
        let server = SmtpServer { host: "mx.example".to_owned(), port, tls, login: None, ca_file: None };
        let (from, stop) = ("a@b.example".parse().unwrap(), Stop { step, why });
        Failed { stop: &stop, server: &server, from: &from, chain: &[], speaks_tls: false }
            .advice()
            .join("\n")
    }

    #[test]
    fn a_port_that_is_set_already_is_not_advised() {
        assert!(advice(2525, Step::Auth, Why::NoMechanism(Vec::new())).contains("set smtp_port = 587"));
        assert!(!advice(587, Step::Auth, Why::NoMechanism(Vec::new())).contains("smtp_port"));
        let others = advice(587, Step::Auth, Why::NoMechanism(vec!["XOAUTH2".to_owned()]));
        assert!(others.contains("only XOAUTH2; Nexus can use PLAIN and LOGIN"), "{others}");
    }

    #[test]
    fn only_a_refused_connection_means_that_nothing_listens() {
        let refused = advice(587, Step::Connect, Why::Io(CONNECTION_REFUSED.to_owned()));
        assert!(refused.contains("nothing listens at mx.example:587"), "{refused}");
        let unreachable = advice(587, Step::Connect, Why::Io("network is unreachable".to_owned()));
        assert!(unreachable.contains("network is unreachable") && !unreachable.contains("listens"));
    }

    #[test]
    fn a_resolver_that_does_not_answer_says_nothing_of_the_name() {
        assert!(advice(587, Step::Lookup, Why::NoAddress).contains("mx.example has no address"));
        for why in [
            Why::NoAnswer(Duration::from_secs(5)),
            Why::Io("temporary failure in name resolution".to_owned()),
        ] {
            let words = advice(587, Step::Lookup, why);
            assert!(!words.contains("no address"), "{words}");
        }
    }
}
