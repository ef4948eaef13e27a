//! `[context.NAME.outbound]`: where requests may go whose addresses tenants choose, such as those of webhooks.

use ipnet::IpNet;

use super::key::{Default, Key, Kind};
use super::values::SectionValues;

/// This machine itself.
const LOOPBACK: &str = "127.0.0.0/8,::1/128";

/// Where requests may go whose addresses tenants choose.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct OutboundSettings {
    /// Networks that may be reached, on any port, though they are not of the Internet.
    pub allow_networks: Vec<IpNet>,
    /// Whether they may be reached without TLS, too.
    pub plaintext_http: bool,
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "allow_networks",
        kind: Kind::Networks,
        default: Default::Words(
            "in context local 127.0.0.0/8,::1/128; else none: public addresses on port 443 only",
        ),
        help: "Networks that webhooks and tenants' mail servers may reach, on any port, although their addresses are not public, e.g. 10.20.0.0/16. Tenants' administrators choose the addresses: name no network whose services trust it.",
    },
    Key {
        name: "plaintext_http",
        kind: Kind::Word(&["refuse", "allow"]),
        default: Default::Words("in context local allow, else refuse"),
        help: "Whether http:// may be used within allow_networks; elsewhere it never is.",
    },
];

impl OutboundSettings {
    pub(super) fn read(section: &SectionValues<'_>, is_local: bool) -> Self {
        let usual = if is_local { LOOPBACK } else { "" };
        let networks = section.text("allow_networks").unwrap_or(usual);
        Self {
            allow_networks: networks.split(',').filter_map(|net| net.trim().parse().ok()).collect(),
            plaintext_http: section.text("plaintext_http").map_or(is_local, |word| word == "allow"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Values;
    use super::super::document;
    use super::*;

    fn read(text: &str, is_local: bool) -> OutboundSettings {
        let mut values = Values::default();
        let text = format!("[context.prod.outbound]\n{text}\n");
        document::parse(Path::new("/etc/nexus.toml"), &text, &mut values).unwrap();
        OutboundSettings::read(&values.section("context.prod.outbound"), is_local)
    }

    #[test]
    fn nothing_but_the_internet_is_reached_unless_it_is_named() {
        assert_eq!(read("", false), OutboundSettings::default());
        let named = read("allow_networks = \"10.20.0.0/16, fd00::/8\"\nplaintext_http = \"allow\"", false);
        assert_eq!((named.allow_networks.len(), named.plaintext_http), (2, true));
    }

    #[test]
    fn a_machine_of_ones_own_reaches_itself() {
        let local = read("", true);
        assert_eq!((local.allow_networks.len(), local.plaintext_http), (2, true));
        let strict = read("allow_networks = \"10.0.0.0/8\"\nplaintext_http = \"refuse\"", true);
        assert_eq!((strict.allow_networks.len(), strict.plaintext_http), (1, false));
    }
}
