//! `[context.NAME.serve]`: where the API is served, and to whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::key::{Default, Key, Kind};
use super::values::{SectionValues, Values};

/// Where the API is served if nobody says another place.
macro_rules! bind {
    () => {
        "127.0.0.1:8420"
    };
}

const BIND: &str = bind!();
/// The issuer of tokens if nobody says another: what is served there.
pub const ISSUER: &str = concat!("http://", bind!());

/// Where the API is served, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeSettings {
    /// The address that is listened on.
    pub bind: SocketAddr,
    /// Whether other processes may listen on the same address, too.
    pub share_port: bool,
    /// The certificates that clients are shown, and their key; absent: no TLS.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// What clients write before a path, without a slash at its end; absent: the bound address.
    pub public_url: Option<String>,
    /// The domain whose subdomains name tenants by their slugs.
    pub tenant_domain: Option<String>,
    /// Where the links of messages lead to, without a slash at its end; absent: the public URL. `{tenant}` in
    /// it stands for the tenant's slug.
    pub app_url: Option<String>,
    /// Where messages are written to as files, where no mail server is set.
    pub mail_folder: Option<PathBuf>,
    /// Most sessions that one process holds open in tenants' databases.
    pub sessions: u32,
    /// Seconds that a request may take.
    pub timeout_seconds: u32,
    /// Most bytes of a request's body, unpacked.
    pub body_bytes: u32,
    /// Networks whose proxies say whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of web pages that may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Networks whose clients may read the metrics.
    pub metrics_from: Vec<IpNet>,
    /// Most requests a minute that a message is asked for by, of one client.
    pub messages_a_minute: u32,
    /// Most requests a minute that a password is checked or set by, of one client; the same for those that
    /// exchange or end a session, and for all others.
    pub passwords_a_minute: u32,
    pub sessions_a_minute: u32,
    pub requests_a_minute: u32,
}

/// The keys whose new values a server takes over while it runs (SIGHUP); all others need a restart.
pub const RELOADED: &[&str] = &[
    "tls_cert",
    "tls_key",
    "tenant_domain",
    "timeout_seconds",
    "body_kib",
    "trusted_proxies",
    "cors_origins",
    "metrics_from",
    "passwords_a_minute",
    "sessions_a_minute",
    "messages_a_minute",
    "requests_a_minute",
];

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "bind",
        kind: Kind::Address,
        default: Default::Value(BIND),
        help: "The address and port that the API is served at.",
    },
    Key {
        name: "share_port",
        kind: Kind::Word(&["true", "false"]),
        default: Default::Value("false"),
        help: "Whether several processes may listen on the same address and port (SO_REUSEPORT).",
    },
    Key {
        name: "tls_cert",
        kind: Kind::Path,
        default: Default::Words("none: plain HTTP"),
        help: "The server's certificate and those between it and its authority, in PEM form.",
    },
    Key {
        name: "tls_key",
        kind: Kind::Path,
        default: Default::Words("none"),
        help: "The key of that certificate, in PEM form, in a file that others cannot read.",
    },
    Key {
        name: "public_url",
        kind: Kind::Url,
        default: Default::Words("http:// or https:// and the address that is listened on"),
        help: "What clients write before a path, e.g. https://api.example.com.",
    },
    Key {
        name: "tenant_domain",
        kind: Kind::Host,
        default: Default::Words("none: a request names its tenant by token or header"),
        help: "The domain whose subdomains name tenants by slug, e.g. app.example.com.",
    },
    Key {
        name: "app_url",
        kind: Kind::Url,
        default: Default::Words("public_url"),
        help: "Where the links of messages lead to; {tenant} in it stands for the tenant's slug.",
    },
    Key {
        name: "mail_folder",
        kind: Kind::Path,
        default: Default::Words(
            "none: without smtp_host, messages wait; in context local they go to its mailbox",
        ),
        help: "Used only where smtp_host is not set: messages are written here as files.",
    },
    Key {
        name: "sessions",
        kind: Kind::Number(2, 10_000),
        default: Default::Value("32"),
        help: "The most sessions that one process holds open in tenants' databases.",
    },
    Key {
        name: "timeout_seconds",
        kind: Kind::Number(1, 300),
        default: Default::Value("30"),
        help: "How many seconds a request may take before it is given up.",
    },
    Key {
        name: "body_kib",
        kind: Kind::Number(1, 65_536),
        default: Default::Value("1024"),
        help: "The most KiB of a request's body, counted after it is unpacked.",
    },
    Key {
        name: "trusted_proxies",
        kind: Kind::Networks,
        default: Default::Words("none: X-Forwarded-For is ignored"),
        help: "Networks whose proxies say in X-Forwarded-For whom they speak for, e.g. 10.0.0.0/8,fd00::/8.",
    },
    Key {
        name: "cors_origins",
        kind: Kind::Origins,
        default: Default::Words("none: no page of another origin calls the API"),
        help: "Origins of web pages that may call the API from a browser, e.g. https://app.example.com.",
    },
    Key {
        name: "metrics_from",
        kind: Kind::Networks,
        default: Default::Value("127.0.0.0/8,::1/128"),
        help: "Networks whose clients may read /metrics.",
    },
    Key {
        name: "messages_a_minute",
        kind: Kind::Number(1, 1_000_000),
        default: Default::Value("30"),
        help: "The most requests a minute of one address that register somebody or ask for a message.",
    },
    Key {
        name: "passwords_a_minute",
        kind: Kind::Number(1, 1_000_000),
        default: Default::Value("30"),
        help: "The most requests a minute of one address that check or set a password.",
    },
    Key {
        name: "sessions_a_minute",
        kind: Kind::Number(1, 1_000_000),
        default: Default::Value("120"),
        help: "The most requests a minute of one address that exchange a refresh token or sign out.",
    },
    Key {
        name: "requests_a_minute",
        kind: Kind::Number(1, 100_000_000),
        default: Default::Value("6000"),
        help: "The most other requests a minute of one user, or without a good token of one address.",
    },
];

/// The networks of a list that was checked.
fn networks(text: &str) -> Vec<IpNet> {
    text.split(',').filter_map(|net| net.trim().parse().ok()).collect()
}

/// The origins of a list that was checked.
fn origins(text: &str) -> Vec<String> {
    text.split(',').map(|origin| origin.trim().to_owned()).collect()
}

impl std::default::Default for ServeSettings {
    /// As where nobody sets anything.
    fn default() -> Self {
        Self::read(&Values::default().section(""))
    }
}

impl ServeSettings {
    pub(super) fn read(section: &SectionValues<'_>) -> Self {
        let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let address = section.text("bind").unwrap_or(BIND).parse().unwrap_or(here);
        let text = |name: &str| section.text(name).map(str::to_owned);
        Self {
            bind: address,
            share_port: section.text("share_port") == Some("true"),
            tls_cert: section.path("tls_cert"),
            tls_key: section.path("tls_key"),
            public_url: text("public_url").map(|url| url.trim_end_matches('/').to_owned()),
            tenant_domain: text("tenant_domain").map(|domain| domain.to_ascii_lowercase()),
            app_url: text("app_url").map(|url| url.trim_end_matches('/').to_owned()),
            mail_folder: section.path("mail_folder"),
            messages_a_minute: section.number("messages_a_minute").unwrap_or(30),
            sessions: section.number("sessions").unwrap_or(32),
            timeout_seconds: section.number("timeout_seconds").unwrap_or(30),
            trusted_proxies: section.text("trusted_proxies").map(networks).unwrap_or_default(),
            cors_origins: section.text("cors_origins").map(origins).unwrap_or_default(),
            metrics_from: networks(section.text("metrics_from").unwrap_or("127.0.0.0/8,::1/128")),
            passwords_a_minute: section.number("passwords_a_minute").unwrap_or(30),
            sessions_a_minute: section.number("sessions_a_minute").unwrap_or(120),
            requests_a_minute: section.number("requests_a_minute").unwrap_or(6_000),
            body_bytes: section.number("body_kib").unwrap_or(1024) * 1024,
        }
    }
}
