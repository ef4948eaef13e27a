//! `[context.NAME.events]`: what carries events between processes, and to programs outside.

use std::net::IpAddr;
use std::path::PathBuf;

use super::SecretSetting;
use super::error::SettingsError;
use super::key::{Default, Key, Kind};
use super::mail::bare_host;
use super::values::SectionValues;

/// What carries events.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct EventSettings {
    /// `None`: PostgreSQL alone.
    pub nats: Option<NatsSettings>,
}

/// NATS servers, and what Nexus has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// `nats://` or `tls://`, without a user.
    pub servers: Vec<String>,
    /// A credentials file, or the seed of an nkey; `None`: without a login.
    pub credentials: Option<SecretSetting>,
    /// The certificates that the servers' are checked against; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether connections must be encrypted.
    pub is_encrypted: bool,
    /// What the stream, its subjects and consumers begin with.
    pub prefix: String,
    pub replicas: usize,
    /// Most megabytes of the stream.
    pub max_megabytes: u32,
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "backend",
        kind: Kind::Word(&["postgres", "nats"]),
        default: Default::Value("postgres"),
        help: "What carries events: postgres alone, or nats (JetStream), where other programs can read them, too.",
    },
    Key {
        name: "nats_url",
        kind: Kind::NatsServers,
        default: Default::Words("required where backend is nats"),
        help: "The NATS servers, e.g. tls://nats.example.com:4222; several of one cluster with commas between them.",
    },
    Key {
        name: "nats_credentials",
        kind: Kind::Secret,
        default: Default::Words("none: without a login"),
        help: "What Nexus signs in with, as a reference: a credentials file (.creds) or the seed of an nkey.",
    },
    Key {
        name: "nats_ca_file",
        kind: Kind::Path,
        default: Default::Words("the system's certificates"),
        help: "The certificates that the NATS servers' are checked against, in PEM form.",
    },
    Key {
        name: "nats_plaintext",
        kind: Kind::Word(&["refuse", "allow"]),
        default: Default::Value("refuse"),
        help: "Whether nats:// to another machine may go without TLS: anyone on the network path can read events.",
    },
    Key {
        name: "nats_prefix",
        kind: Kind::Token,
        default: Default::Value("nexus"),
        help: "What subjects begin with, and the names of the stream and its consumers: one for each installation.",
    },
    Key {
        name: "nats_replicas",
        kind: Kind::Number(1, 5),
        default: Default::Value("1"),
        help: "On how many servers of a cluster the stream is kept, where Nexus makes it.",
    },
    Key {
        name: "nats_max_mb",
        kind: Kind::Number(16, 1_000_000),
        default: Default::Value("1024"),
        help: "Most megabytes of the stream, where Nexus makes it; the oldest events go first, and all after 7 days.",
    },
];

impl EventSettings {
    /// # Errors
    /// Where NATS is to be used, and no server is named.
    pub(super) fn read(section: &SectionValues<'_>) -> Result<Self, SettingsError> {
        if section.text("backend") != Some("nats") {
            return Ok(Self::default());
        }
        let urls = section.required("nats_url")?;
        let servers: Vec<String> = urls.split(',').map(|url| url.trim().to_owned()).collect();
        let allowed = section.text("nats_plaintext") == Some("allow");
        let number = |name: &str, usual: u32| section.number(name).unwrap_or(usual);
        Ok(Self {
            nats: Some(NatsSettings {
                is_encrypted: !allowed && !servers.iter().all(|server| is_here(server)),
                servers,
                credentials: section.secret("nats_credentials"),
                ca_file: section.path("nats_ca_file"),
                prefix: section.text("nats_prefix").unwrap_or("nexus").to_owned(),
                replicas: usize::try_from(number("nats_replicas", 1)).unwrap_or(1),
                max_megabytes: number("nats_max_mb", 1_024),
            }),
        })
    }
}

/// Whether a server is on this machine, whatever a resolver says.
fn is_here(server: &str) -> bool {
    let Some(place) = server.strip_prefix("nats://") else { return false };
    let host = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
        _ => place,
    };
    host == "localhost" || bare_host(host).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Values;
    use super::super::document;
    use super::*;

    fn read(text: &str) -> Result<EventSettings, String> {
        let mut values = Values::default();
        let text = format!("[context.prod.events]\n{text}\n");
        document::parse(Path::new("/etc/nexus.toml"), &text, &mut values)
            .map_err(|error| error.to_string())?;
        EventSettings::read(&values.section("context.prod.events")).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_backend_postgresql_carries_events() {
        assert_eq!(read("").unwrap(), EventSettings::default());
        let missing = read("backend = \"nats\"").unwrap_err();
        assert_eq!(missing, "context.prod.events.nats_url is not set");
    }

    #[test]
    fn events_cross_no_network_unencrypted_unless_that_is_allowed() {
        let encrypted = |url: &str, more: &str| {
            read(&format!("backend = \"nats\"\nnats_url = \"{url}\"\n{more}"))
                .unwrap()
                .nats
                .unwrap()
                .is_encrypted
        };
        assert!(!encrypted("nats://127.0.0.1:4222", "") && !encrypted("nats://localhost", ""));
        assert!(!encrypted("nats://[::1]:4222", ""));
        assert!(encrypted("nats://nats.example:4222", "") && encrypted("tls://127.0.0.1:4222", ""));
        assert!(encrypted("nats://127.0.0.1,nats://nats.example", ""));
        assert!(!encrypted("nats://nats.example:4222", "nats_plaintext = \"allow\""));
    }

    #[test]
    fn a_url_has_no_user_and_a_prefix_is_one_word() {
        for url in [
            "nats://me:secret@nats.example",
            "http://nats.example",
            "nats.example:4222",
            "nats://",
            "nats://a,",
        ] {
            let error = read(&format!("backend = \"nats\"\nnats_url = \"{url}\"")).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(read("nats_prefix = \"a.b\"").is_err() && read("nats_prefix = \"a>\"").is_err());
    }
}
