//! Mail servers that customers name: their addresses are checked where the connection is opened.

use std::net::IpAddr;

use super::outcome::Why;
use crate::infra::outbound::Policy;
use crate::settings::SmtpTls;

/// The ports at which public servers take mail: RFC 5321, RFC 8314, RFC 6409, and the one that providers offer where
/// networks block these.
const PORTS: [u16; 4] = [25, 465, 587, 2525];

/// Requires that all of these addresses may be connected to: who controls a name chooses among its addresses. Any port,
/// and no encryption, are for networks that the operator allows.
///
/// # Errors
/// [`Why::NotAllowed`].
pub fn require_allowed(
    policy: &Policy,
    (port, tls): (u16, SmtpTls),
    addresses: &[IpAddr],
) -> Result<(), Why> {
    let is_usual = PORTS.contains(&port);
    let usual = is_usual && tls != SmtpTls::None;
    match addresses.iter().find(|ip| !policy.allows(**ip, usual)) {
        None => Ok(()),
        Some(ip) if !policy.allows(*ip, true) => {
            Err(Why::NotAllowed("its address is not public, and in no network that the operator allows"))
        }
        Some(_) if !is_usual => Err(Why::NotAllowed("its port must be 25, 465, 587 or 2525")),
        Some(_) => Err(Why::NotAllowed("its connection must be encrypted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::OutboundSettings;

    fn of(allowed: &[&str], (port, tls): (u16, SmtpTls), addresses: &[&str]) -> Result<(), String> {
        let allow_networks = allowed.iter().map(|net| net.parse().unwrap()).collect();
        let policy = Policy::new(&OutboundSettings { allow_networks, plaintext_http: false });
        let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        require_allowed(&policy, (port, tls), &addresses).map_err(|why| why.to_string())
    }

    #[test]
    fn public_servers_are_reached_at_ports_of_mail_and_encrypted() {
        assert_eq!(of(&[], (587, SmtpTls::StartTls), &["8.8.8.8", "2606:4700::1111"]), Ok(()));
        assert!(of(&[], (22, SmtpTls::StartTls), &["8.8.8.8"]).unwrap_err().contains("port"));
        assert!(of(&[], (25, SmtpTls::None), &["8.8.8.8"]).unwrap_err().contains("encrypted"));
    }

    #[test]
    fn private_networks_are_reached_only_where_the_operator_allows_them() {
        for ip in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(of(&[], (587, SmtpTls::StartTls), &["8.8.8.8", ip]).unwrap_err().contains("not public"));
        }
        assert_eq!(of(&["10.0.0.0/8"], (1025, SmtpTls::None), &["10.0.0.1"]), Ok(()));
        assert!(of(&["10.0.0.0/8"], (1025, SmtpTls::None), &["10.0.0.1", "127.0.0.1"]).is_err());
    }
}
