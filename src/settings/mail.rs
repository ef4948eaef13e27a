//! `[context.NAME.mail]`: the server that mail is handed to, and whom it is from.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::SecretSetting;
use super::error::SettingsError;
use super::key::{Default, Key, Kind};
use super::values::SectionValues;
use crate::kernel::MailAddress;

/// The server that mail is handed to, and whom it is from.
#[derive(Debug, Clone, std::default::Default)]
pub struct MailSettings {
    /// `None`: none is set. The local context then has its own mailbox.
    pub server: Option<MailServerSettings>,
    /// Whom mail is from; always set where a server is.
    pub from: Option<MailAddress>,
    /// Where answers go to.
    pub reply_to: Option<MailAddress>,
    /// Who is asked what the DNS says of the sender's domain; `None`: those that this machine asks.
    pub dns_server: Option<SocketAddr>,
}

/// A server that takes mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServerSettings {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    pub login: Option<MailLogin>,
    /// The certificates that the server's is checked against; `None`: the system's.
    pub ca_file: Option<PathBuf>,
}

/// As whom mail is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailLogin {
    pub user: String,
    pub password: SecretSetting,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// From its first byte (RFC 8314, section 3.3).
    Implicit,
    /// From the command STARTTLS on; a server that does not offer it gets no mail (RFC 3207).
    StartTls,
    /// Not at all.
    None,
}

impl SmtpTls {
    /// As it is written in the settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::StartTls => "starttls",
            Self::None => "none",
        }
    }

    /// The usual port (RFC 8314, section 7.3; RFC 6409, section 3.1; RFC 5321, section 4.5.4.2).
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Implicit => IMPLICIT_PORT,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

/// The port on which TLS begins at once.
pub const IMPLICIT_PORT: u16 = 465;

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "smtp_host",
        kind: Kind::Host,
        default: Default::Words("in context local the stack's own mailbox; else none: no mail is sent"),
        help: "The SMTP server that mail is handed to, e.g. smtp.example.com.",
    },
    Key {
        name: "smtp_port",
        kind: Kind::Number(1, 65535),
        default: Default::Words("587 with starttls, 465 with implicit, 25 with none"),
        help: "Its port.",
    },
    Key {
        name: "smtp_tls",
        kind: Kind::Word(&["implicit", "starttls", "none"]),
        default: Default::Words("implicit on port 465, else starttls"),
        help: "How the connection is encrypted: implicit from its first byte, starttls after a command; none only for a server on this machine.",
    },
    Key {
        name: "smtp_plaintext",
        kind: Kind::Word(&["refuse", "allow"]),
        default: Default::Value("refuse"),
        help: "Whether smtp_tls = \"none\" may be used for a server on another machine: anyone on the network path can read mail and password.",
    },
    Key {
        name: "smtp_user",
        kind: Kind::Text,
        default: Default::Words("none: without a login"),
        help: "The user name at the SMTP server.",
    },
    Key {
        name: "smtp_password",
        kind: Kind::Secret,
        default: Default::Words("none"),
        help: "Password of smtp_user, as a reference: env:NAME, file:PATH or cmd:PROGRAM ARGS.",
    },
    Key {
        name: "smtp_ca_file",
        kind: Kind::Path,
        default: Default::Words("the system's certificates"),
        help: "The certificates that the SMTP server's is checked against, in PEM form; the server's own may be among them.",
    },
    Key {
        name: "from",
        kind: Kind::MailAddress,
        default: Default::Words("required where smtp_host is set"),
        help: "Sender address, e.g. \"Acme <no-reply@acme.example>\"; the server must be allowed to send for its domain.",
    },
    Key {
        name: "reply_to",
        kind: Kind::MailAddress,
        default: Default::Words("none: replies go to from"),
        help: "Reply-To address.",
    },
    Key {
        name: "dns_server",
        kind: Kind::Address,
        default: Default::Words("those of /etc/resolv.conf"),
        help: "Address and port of the DNS server that a check of the sender's domain asks, e.g. 9.9.9.9:53.",
    },
];

impl MailSettings {
    /// # Errors
    /// Where half of a login or no sender is set, or mail would go unencrypted to another machine.
    pub(super) fn read(section: &SectionValues<'_>) -> Result<Self, SettingsError> {
        let address = |name: &str| section.text(name).and_then(|text| text.parse::<MailAddress>().ok());
        let (from, reply_to) = (address("from"), address("reply_to"));
        let dns_server = section.text("dns_server").and_then(|text| text.parse().ok());
        if section.text("smtp_host").is_none() {
            // What is said of a server without saying which is a slip.
            let of_server = section.paths().into_iter().any(|path| path.contains(".mail.smtp_"));
            return if of_server {
                Err(SettingsError::Missing { key: section.key("smtp_host") })
            } else {
                Ok(Self { server: None, from, reply_to, dns_server })
            };
        }
        section.required("from")?;
        let server = MailServerSettings::read(section)?;
        Ok(Self { server: Some(server), from, reply_to, dns_server })
    }
}

impl MailServerSettings {
    fn read(section: &SectionValues<'_>) -> Result<Self, SettingsError> {
        let host = section.required("smtp_host")?.to_owned();
        let port = section.number("smtp_port").and_then(|port| u16::try_from(port).ok());
        let tls = match section.text("smtp_tls") {
            Some("implicit") => SmtpTls::Implicit,
            Some("none") => SmtpTls::None,
            None if port == Some(IMPLICIT_PORT) => SmtpTls::Implicit,
            _ => SmtpTls::StartTls,
        };
        let allowed = section.text("smtp_plaintext") == Some("allow");
        if tls == SmtpTls::None && !allowed && !is_here(&host) {
            return Err(SettingsError::MailUnencrypted { section: section.key("") });
        }
        let login = match (section.text("smtp_user"), section.secret("smtp_password")) {
            (None, None) => None,
            (Some(user), Some(password)) => Some(MailLogin { user: user.to_owned(), password }),
            (Some(_), None) => {
                return Err(SettingsError::Missing { key: section.key("smtp_password") });
            }
            (None, Some(_)) => return Err(SettingsError::Missing { key: section.key("smtp_user") }),
        };
        let ca_file = section.path("smtp_ca_file");
        Ok(Self { host, port: port.unwrap_or_else(|| tls.port()), tls, login, ca_file })
    }
}

/// A host without the brackets that an IPv6 address may have.
#[must_use]
pub fn bare_host(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether a host is this machine, whatever a resolver says.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || bare_host(host).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Values;
    use super::super::document;
    use super::*;

    fn read(text: &str) -> Result<MailSettings, String> {
        let mut values = Values::default();
        let text = format!("[context.prod.mail]\n{text}\n");
        document::parse(Path::new("/etc/nexus.toml"), &text, &mut values)
            .map_err(|error| error.to_string())?;
        MailSettings::read(&values.section("context.prod.mail")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_says_how_it_is_encrypted_and_the_other_way_round() {
        let server = |text: &str| {
            let server = read(&format!("smtp_host = \"mx.example\"\nfrom = \"a@b.example\"\n{text}"));
            server.unwrap().server.unwrap()
        };
        assert_eq!((server("").tls, server("").port), (SmtpTls::StartTls, 587));
        assert_eq!(server("smtp_port = 465").tls, SmtpTls::Implicit);
        assert_eq!(server("smtp_tls = \"implicit\"").port, 465);
        assert_eq!(server("smtp_port = 2525").tls, SmtpTls::StartTls);
    }

    #[test]
    fn mail_crosses_no_network_unencrypted_unless_that_is_allowed() {
        let plain = |host: &str, more: &str| {
            read(&format!("smtp_host = \"{host}\"\nsmtp_tls = \"none\"\nfrom = \"a@b.example\"\n{more}"))
        };
        for host in ["localhost", "127.0.0.1", "::1", "[::1]"] {
            assert!(plain(host, "").is_ok(), "{host}");
        }
        let refused = plain("mx.example", "").unwrap_err();
        assert!(refused.contains("context.prod.mail.smtp_tls"), "{refused}");
        assert!(plain("mx.example", "smtp_plaintext = \"allow\"").is_ok());
    }

    #[test]
    fn half_of_it_is_refused_with_the_key_that_is_missing() {
        let missing = |text: &str| read(text).unwrap_err();
        assert_eq!(missing("smtp_port = 25"), "context.prod.mail.smtp_host is not set");
        assert_eq!(missing("smtp_host = \"mx.example\""), "context.prod.mail.from is not set");
        let host = "smtp_host = \"mx.example\"\nfrom = \"a@b.example\"\n";
        assert_eq!(
            missing(&format!("{host}smtp_user = \"u\"")),
            "context.prod.mail.smtp_password is not set"
        );
        let password = "smtp_password = \"env:SMTP_PASSWORD\"";
        assert_eq!(missing(&format!("{host}{password}")), "context.prod.mail.smtp_user is not set");
        assert!(read("from = \"Acme <a@b.example>\"").unwrap().server.is_none());
    }
}
