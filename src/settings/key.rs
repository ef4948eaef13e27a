//! What keys there are: the one description that everything about settings follows from.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::error::Expected;
use super::{
    control, events, issuer, keys, local, log, mail, migrations, outbound, passwords, serve, server, store,
    telemetry, tenants, tokens,
};
use crate::kernel::{MailAddress, suggest};

/// Stands for any name, where a section's keys are names that people chose.
pub const ANY: &str = "SET";

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name within the section.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds when it is not set.
    pub default: Default,
    /// What it is for: one sentence.
    pub help: &'static str,
}

/// What holds when a key is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// This value; `$NEXUS_HOME` and `NAME` in it stand for the home and the context.
    Value(&'static str),
    /// Something that depends on what is there, in words.
    Words(&'static str),
    /// Nothing: it must be set.
    Required,
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text without control characters.
    Text,
    /// A host's name or address, or the folder of a socket.
    Host,
    /// An address and a port.
    Address,
    /// Networks, as addresses and lengths of prefixes, separated by commas.
    Networks,
    /// Origins of web pages as browsers write them, separated by commas.
    Origins,
    /// NATS servers, separated by commas.
    NatsServers,
    /// A word of small letters, digits, `-` and `_`.
    Token,
    /// A path; a relative one counts from the folder of the file that says it.
    Path,
    /// `http://` or `https://`, without a user in it.
    Url,
    /// The issuer of tokens: an `https://` URL, or an `http://` one of this machine.
    Issuer,
    /// A whole number, between two bounds, both included.
    Number(u32, u32),
    /// One of several words.
    Word(&'static [&'static str]),
    /// An address of mail, with a name where it has one.
    MailAddress,
    /// A reference to a secret.
    Secret,
    /// The name of a context.
    Context,
}

/// A table of keys.
#[derive(Debug)]
pub struct Section {
    /// Its path; `NAME` stands for a context's name, empty for the top of the file.
    pub path: &'static str,
    /// What it is for: one sentence.
    pub help: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// Every section there is, in the order in which a person reads them.
pub const SECTIONS: &[Section] = &[
    Section { path: "", help: "At the top of the file.", keys: TOP },
    Section { path: "log", help: "What is logged to standard error.", keys: log::KEYS },
    Section {
        path: "telemetry",
        help: "Where the API server sends traces of requests (OpenTelemetry).",
        keys: telemetry::KEYS,
    },
    Section { path: "local", help: "The embedded stack.", keys: local::KEYS },
    Section {
        path: "context.NAME.control",
        help: "The server of the control database, which holds the platform's own state.",
        keys: control::KEYS,
    },
    Section {
        path: "context.NAME.cluster",
        help: "The server on which tenants' databases are placed. Absent: the control server.",
        keys: server::CLUSTER_KEYS,
    },
    Section {
        path: "context.NAME.store",
        help: "The object store in which tenants' buckets are placed.",
        keys: store::KEYS,
    },
    Section {
        path: "context.NAME.keys",
        help: "The master key, which wraps every tenant's data key.",
        keys: keys::KEYS,
    },
    Section { path: "context.NAME.tenants", help: "Limits of tenants.", keys: tenants::KEYS },
    Section {
        path: "context.NAME.migrations",
        help: "Where the files of sets of migrations are on this machine, by the sets' names.",
        keys: migrations::KEYS,
    },
    Section {
        path: "context.NAME.passwords",
        help: "How people's passwords are kept, and how guessing them is stopped.",
        keys: passwords::KEYS,
    },
    Section {
        path: "context.NAME.tokens",
        help: "The claims of access tokens, and which tokens are accepted.",
        keys: tokens::KEYS,
    },
    Section { path: "context.NAME.serve", help: "The API.", keys: serve::KEYS },
    Section {
        path: "context.NAME.mail",
        help: "The server that mail is handed to, and whom mail is from.",
        keys: mail::KEYS,
    },
    Section {
        path: "context.NAME.outbound",
        help: "Where requests may go whose addresses tenants choose, such as those of webhooks.",
        keys: outbound::KEYS,
    },
    Section {
        path: "context.NAME.events",
        help: "What carries events between processes, and to programs outside.",
        keys: events::KEYS,
    },
];

const TOP: &[Key] = &[Key {
    name: "default_context",
    kind: Kind::Context,
    default: Default::Value("local"),
    help: "The context that commands work on when neither --context nor NEXUS_CONTEXT names one.",
}];

/// Variables that stand for no key of the file, and what each does.
pub const PLAIN_VARIABLES: &[(&str, &str)] = &[
    ("NEXUS_CONFIG", "The settings file, like --config."),
    ("NEXUS_CONTEXT", "The context, like --context."),
    ("NEXUS_HOME", "The folder under which Nexus keeps everything on a machine."),
    ("NEXUS_LOG", "A filter of what is logged, e.g. nexus=debug,sqlx=warn; beats -v and log.level."),
    ("NEXUS_MIGRATIONS_SET", "The folder of a set's files; SET stands for its name in capitals, '-' as '_'."),
    ("NEXUS_PG_BIN", "Short for NEXUS_LOCAL_POSTGRES_BIN."),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "The standard name of NEXUS_TELEMETRY_ENDPOINT."),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Headers of traces, as NAME=VALUE,NAME=VALUE: as if telemetry.headers named this variable.",
    ),
    ("NEXUS_COMPLETE", "Set by the shells' completion scripts."),
    ("NEXUS_FAILPOINT", "Where a test build stops or dies; a released build has no such points."),
];

impl Section {
    /// The key's whole path, with `NAME` still in it.
    #[must_use]
    pub fn full_path(&self, key: &Key) -> String {
        if self.path.is_empty() { key.name.to_owned() } else { format!("{}.{}", self.path, key.name) }
    }
}

/// The variable that sets a key: its path in capitals, with an underscore for each dot and hyphen.
#[must_use]
pub fn variable(path: &str) -> String {
    format!("NEXUS_{}", path.to_ascii_uppercase().replace(['.', '-'], "_"))
}

impl Kind {
    /// Whether a text that does not fit may be repeated: what could be a secret in the wrong place, a
    /// number's place too, may not.
    pub(super) fn may_repeat(self, text: &str) -> bool {
        match self {
            Self::Secret
            | Self::Host
            | Self::Url
            | Self::Issuer
            | Self::Address
            | Self::Networks
            | Self::NatsServers
            | Self::Origins => false,
            _ if text.is_empty() => true,
            Self::Number(..) => {
                text.len() <= 12 && text.bytes().all(|c| c.is_ascii_digit() || b"+-.".contains(&c))
            }
            Self::Word(words) => suggest::nearest(text, words.iter().copied()).is_some(),
            Self::Path => text.starts_with("~/"),
            Self::Text | Self::Token | Self::Context | Self::MailAddress => false,
        }
    }

    /// Checks a text that was given for a key of this kind.
    pub(super) fn check(self, text: &str) -> Result<(), Expected> {
        let expected = |words: &str| Err(Expected::Words(words.to_owned()));
        if text.is_empty() || text.chars().any(char::is_control) {
            return expected("text without control characters, not empty");
        }
        match self {
            Self::Host => {
                let stranger = |c: char| c.is_whitespace() || "/@?,=".contains(c);
                // libpq takes a comma in a folder for the end of the first of several.
                let is_folder = text.starts_with('/') && !text.contains(',');
                if !is_folder && text.contains(stranger) {
                    return expected("a host's name, an address, or a socket's folder beginning with '/'");
                }
                Ok(())
            }
            Self::Address => match text.parse::<SocketAddr>() {
                Ok(_) => Ok(()),
                Err(_) => expected("an address and a port, e.g. 127.0.0.1:8420 or [::]:8420"),
            },
            Self::Networks if text.split(',').all(|net| net.trim().parse::<IpNet>().is_ok()) => Ok(()),
            Self::Networks => expected("networks, e.g. 10.0.0.0/8,fd00::/8"),
            Self::Origins if text.split(',').all(|origin| is_origin(origin.trim())) => Ok(()),
            Self::Origins => expected(
                "origins, e.g. https://app.example.com,http://localhost:5173: scheme, host in small letters, \
                 and port where it is not the usual one",
            ),
            Self::NatsServers if text.split(',').all(|server| is_nats_server(server.trim())) => Ok(()),
            Self::NatsServers => expected(
                "NATS servers like tls://nats.example.com:4222 or nats://127.0.0.1:4222, with no user in it",
            ),
            Self::Token if text.len() <= 40 && text.bytes().all(is_of_token) => Ok(()),
            Self::Token => expected("up to 40 small letters, digits, '-' and '_'"),
            Self::Path if text.starts_with('~') => expected("a path; '~' is not expanded here"),
            Self::Text | Self::Path => Ok(()),
            Self::Url => {
                let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
                match rest {
                    Some(rest) if !rest.is_empty() && !rest.contains(['@', ' ', '?', '#']) => Ok(()),
                    _ => expected("a URL like https://host.example:9000, with no user or query in it"),
                }
            }
            Self::Issuer => issuer::check(text).map_err(|written| Expected::Issuer { written }),
            Self::Number(least, most) => match text.parse::<u32>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => expected(&format!("a whole number from {least} to {most}")),
            },
            Self::Word(words) if words.contains(&text) => Ok(()),
            Self::Word(words) => Err(Expected::OneOf(words)),
            Self::MailAddress => match text.parse::<MailAddress>() {
                Ok(_) => Ok(()),
                Err(_) => expected("an address of mail, e.g. Acme <no-reply@acme.example>"),
            },
            Self::Secret => text.parse::<super::SecretRef>().map(drop).map_err(Expected::Secret),
            Self::Context => match text.parse::<super::ContextName>() {
                Ok(_) => Ok(()),
                Err(error) => expected(&error.to_string()),
            },
        }
    }
}

fn is_nats_server(text: &str) -> bool {
    let place = text.strip_prefix("nats://").or_else(|| text.strip_prefix("tls://"));
    place.is_some_and(|place| {
        !place.is_empty()
            && !place.contains(|c: char| c.is_whitespace() || c.is_control() || "@/?#".contains(c))
    })
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
}

/// Whether a text is an origin as browsers write it (RFC 6454, section 6.2): they are compared byte by byte.
fn is_origin(text: &str) -> bool {
    let (rest, usual_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, ":443"),
        (_, Some(rest)) => (rest, ":80"),
        _ => return false,
    };
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    !host.is_empty() && rest.chars().all(is_allowed) && is_port && !rest.ends_with(usual_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for right in
            ["https://app.example.com", "http://localhost:5173", "http://[::1]:3000", "https://[::1]"]
        {
            assert!(is_origin(right), "{right}");
        }
        for wrong in [
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://App.example.com",
            "https://a.example/",
            "https://a.example:443",
            "http://a.example:80",
            "https://a.example:x",
            "https://*.a.example",
            "https://me@a.example",
            "ftp://a.example",
            "",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
