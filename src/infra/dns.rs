//! Looks records up in the DNS: those that say who sends mail for a domain.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

/// The usual port.
const PORT: u16 = 53;
/// How long one question may take; it is asked twice.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);
/// Where the machine's servers are named: resolv.conf(5).
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Most of them, as resolv.conf(5) has it.
const MOST_SERVERS: usize = 3;

/// Looks records up.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

/// No server answered, or what it said is none of the answers that say what there is.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct DnsError(String);

impl Dns {
    /// Asks this server, or, without one, those that this machine asks.
    ///
    /// # Errors
    /// Where the resolver cannot be made.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, DnsError> {
        let servers = server.map_or_else(of_machine, |server| vec![server]);
        let servers = servers.into_iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let connections = connections.map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.to_vec())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = QUESTION_TIMEOUT;
        options.attempts = 1;
        // What is asked is what others see of the domain.
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = true;
        Ok(Self { resolver: builder.build().map_err(|error| DnsError(error.to_string()))? })
    }

    /// The texts of a name, each in one piece (RFC 7208, section 3.3); none where there is no such name.
    ///
    /// # Errors
    /// Where nobody answers, or the answer says nothing of what there is.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let text = |data: &RData| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        };
        self.look_up(name, RecordType::TXT, text).await
    }

    /// The servers that take mail for a name, the preferred ones first; an empty name: none does (RFC 7505).
    ///
    /// # Errors
    /// As [`Dns::texts`].
    pub async fn mail_servers(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let server = |data: &RData| match data {
            RData::MX(mx) => {
                let host = mx.exchange.to_ascii();
                Some((mx.preference, host.trim_end_matches('.').to_owned()))
            }
            _ => None,
        };
        let mut found = self.look_up(name, RecordType::MX, server).await?;
        found.sort();
        Ok(found.into_iter().map(|(_, host)| host).collect())
    }

    /// The addresses of a name.
    ///
    /// # Errors
    /// As [`Dns::texts`].
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        let address = |data: &RData| data.ip_addr();
        let mut found = self.look_up(name, RecordType::A, address).await?;
        found.extend(self.look_up(name, RecordType::AAAA, address).await?);
        Ok(found)
    }

    async fn look_up<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, DnsError> {
        // With a dot at its end a name is whole: no search list is gone through.
        let whole = format!("{}.", name.trim_end_matches('.'));
        match self.resolver.lookup(whole, kind).await {
            Ok(found) => Ok(found.answers().iter().filter_map(|record| read(&record.data)).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(NetError::Timeout) => Err(DnsError(format!("no answer about {name}"))),
            Err(error) => Err(DnsError(format!("{name}: {error}"))),
        }
    }
}

/// The servers that this machine asks.
fn of_machine() -> Vec<SocketAddr> {
    named(&fs::read_to_string(RESOLV_CONF).unwrap_or_default())
}

fn named(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let (word, rest) = line.trim().split_once(char::is_whitespace)?;
        let ip: IpAddr = if word == "nameserver" { rest.trim().parse().ok()? } else { return None };
        Some(SocketAddr::new(ip, PORT))
    };
    let mut found: Vec<_> = text.lines().filter_map(server).take(MOST_SERVERS).collect();
    if found.is_empty() {
        found.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_servers_are_those_of_resolv_conf_else_its_own() {
        let of = |text: &str| named(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        let text =
            "# by hand\nsearch a.example\nnameserver 10.0.0.2\n nameserver\t::1 \nnameserver fe80::1%eth0\n";
        assert_eq!(of(text), ["10.0.0.2:53", "[::1]:53"]);
        assert_eq!(of("options edns0\n"), ["127.0.0.1:53"]);
    }
}
