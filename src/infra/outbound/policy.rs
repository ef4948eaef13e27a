//! What is let through: which URLs, and which addresses of a name.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::address::{is_global, meant};
use super::error::OutboundError;
use crate::settings::OutboundSettings;

/// Most characters of a URL.
const LONGEST_URL: usize = 2_000;
/// The usual port.
const HTTPS_PORT: u16 = 443;

/// What is let through. Of the Internet, https on its usual port; in networks that the operator allows, any port, and
/// http where that is allowed too.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    allowed: Vec<IpNet>,
    http: bool,
}

/// A URL that was checked as far as its text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundUrl {
    url: Url,
    pub(super) host: Host<String>,
    pub(super) port: u16,
}

impl OutboundUrl {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Its host, without a dot at the end: certificates have none (RFC 6125, section 6.4).
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        }
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// What a request line says (RFC 9112, section 3.2.1).
    pub(super) fn path_and_query(&self) -> String {
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.url.path())
    }

    /// What the header `Host` says.
    pub(super) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn is_usual(&self) -> bool {
        self.is_https() && self.port == HTTPS_PORT
    }
}

impl fmt::Display for OutboundUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Policy {
    /// Of the settings.
    #[must_use]
    pub fn new(settings: &OutboundSettings) -> Self {
        Self { allowed: settings.allow_networks.clone(), http: settings.plaintext_http }
    }

    /// A URL that may be asked, as far as its text says: what its name resolves to is checked at each request.
    ///
    /// # Errors
    /// One for which [`OutboundError::is_of_url`].
    pub fn url(&self, text: &str) -> Result<OutboundUrl, OutboundError> {
        if text.chars().count() > LONGEST_URL {
            return Err(OutboundError::TooLong(LONGEST_URL));
        }
        let mut url = Url::parse(text.trim()).map_err(|error| OutboundError::NotAUrl(error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if self.http && !self.allowed.is_empty() => {}
            _ => return Err(OutboundError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::UserInfo);
        }
        // It is never sent (RFC 9110, section 4.1).
        url.set_fragment(None);
        let host = url.host().map(|host| host.to_owned());
        let (Some(host), Some(port)) = (host, url.port_or_known_default()) else {
            return Err(OutboundError::NotAUrl("it has no host".to_owned()));
        };
        let checked = OutboundUrl { url, host, port };
        let literal = match checked.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        };
        match literal {
            Some(ip) => self.check(&checked, &[ip])?,
            // Of a name it is not known yet where it leads.
            None if self.allowed.is_empty() && port != HTTPS_PORT => return Err(OutboundError::Port(port)),
            None => {}
        }
        Ok(checked)
    }

    /// The host that a URL names, whether it may be asked or not.
    #[must_use]
    pub fn host_of(&self, text: &str) -> String {
        Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Requires that every address may be connected to: who controls a name chooses among its addresses.
    pub(super) fn check(&self, url: &OutboundUrl, addresses: &[IpAddr]) -> Result<(), OutboundError> {
        for ip in addresses {
            if self.is_allowed(*ip) || (is_global(*ip) && url.is_usual()) {
                continue;
            }
            if is_global(*ip) {
                return Err(if url.is_https() {
                    OutboundError::Port(url.port)
                } else {
                    OutboundError::Scheme
                });
            }
            return Err(match url.host {
                Host::Domain(_) => OutboundError::ResolvesToNotPublic(url.host()),
                _ => OutboundError::NotPublic(url.host()),
            });
        }
        Ok(())
    }

    /// Whether an address may be connected to; `usual`: in a way in which public ones may be.
    #[must_use]
    pub fn allows(&self, ip: IpAddr, usual: bool) -> bool {
        self.is_allowed(ip) || (usual && is_global(ip))
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.allowed.iter().any(|net| net.contains(&meant(ip)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> Policy {
        Policy::default()
    }

    fn lenient() -> Policy {
        let networks = ["127.0.0.0/8", "10.1.0.0/16", "fd00::/8"];
        Policy { allowed: networks.map(|net| net.parse().unwrap()).to_vec(), http: true }
    }

    fn refused(policy: &Policy, text: &str) -> OutboundError {
        let error = policy.url(text).expect_err(text);
        assert!(error.is_of_url(), "{error}");
        error
    }

    #[test]
    fn https_to_names_and_global_addresses_on_the_usual_port_is_let_through() {
        for text in [
            "https://hooks.example.com/in?a=b",
            "https://hooks.example.com:443/",
            "HTTPS://Hooks.Example.COM",
            "https://hooks.example.com./",
            "https://bücher.example/",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
        ] {
            assert!(strict().url(text).is_ok(), "{text}");
        }
        let url = strict().url("https://Bücher.example./a b?c#d").unwrap();
        let seen = (url.as_str(), &*url.host(), &*url.authority(), &*url.path_and_query());
        let host = "xn--bcher-kva.example";
        assert_eq!(
            seen,
            ("https://xn--bcher-kva.example./a%20b?c", host, "xn--bcher-kva.example.", "/a%20b?c")
        );
    }

    #[test]
    fn what_is_no_such_url_is_refused_with_what_is_wrong() {
        for (text, wrong) in [
            ("http://hooks.example.com/", OutboundError::Scheme),
            ("ftp://hooks.example.com/", OutboundError::Scheme),
            ("file:///etc/passwd", OutboundError::Scheme),
            ("gopher://hooks.example.com/", OutboundError::Scheme),
            ("https://user@hooks.example.com/", OutboundError::UserInfo),
            ("https://user:word@hooks.example.com/", OutboundError::UserInfo),
            ("https://:word@hooks.example.com/", OutboundError::UserInfo),
            ("https://hooks.example.com:8443/", OutboundError::Port(8443)),
            ("https://8.8.8.8:22/", OutboundError::Port(22)),
            ("https://hooks.example.com:80/", OutboundError::Port(80)),
        ] {
            assert_eq!(refused(&strict(), text), wrong, "{text}");
        }
        for text in
            ["", "hooks.example.com", "https://", "https://[::1", "https:// a/", "https://a b/", "//x/"]
        {
            assert!(matches!(refused(&strict(), text), OutboundError::NotAUrl(_)), "{text}");
        }
        let long = format!("https://hooks.example.com/{}", "x".repeat(LONGEST_URL));
        assert_eq!(refused(&strict(), &long), OutboundError::TooLong(LONGEST_URL));
    }

    /// Browsers and libraries read all of these as one address: so does the `url` crate (the WHATWG's URL standard,
    /// "IPv4 parser").
    #[test]
    fn every_way_to_write_an_address_that_is_not_public_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0x7F.0x0.0x0.0x1",
            "017700000001",
            "0177.0.0.1",
            "0177.1",
            "127.0.0.1.",
            "0",
            "0.0.0.0",
            "0x0",
            "00",
            "１２７.０.０.１",
            "127。0。0。1",
            "①②⑦.⓪.⓪.①",
            "%31%32%37.0.0.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "169.254.43518",
            "10.0.0.1",
            "192.168.1.1",
            "0xc0a80101",
            "172.16.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "255.255.255.255",
            "4294967295",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2002:a9fe:a9fe::]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[fc00::1]",
            "[ff02::1]",
            "[2001:db8::1]",
        ] {
            let error = refused(&strict(), &format!("https://{host}/"));
            assert!(matches!(error, OutboundError::NotPublic(_)), "{host}: {error}");
        }
    }

    #[test]
    fn networks_that_are_allowed_are_reached_on_any_port_and_the_rest_as_before() {
        for text in [
            "http://127.0.0.1:8080/",
            "https://127.0.0.1/",
            "http://[::ffff:127.0.0.1]:8080/",
            "https://10.1.2.3:8443/",
            "http://[fd00::1]/",
            "https://intern.example:8443/",
        ] {
            assert!(lenient().url(text).is_ok(), "{text}");
        }
        assert_eq!(refused(&lenient(), "http://8.8.8.8/"), OutboundError::Scheme);
        assert_eq!(refused(&lenient(), "https://8.8.8.8:8443/"), OutboundError::Port(8443));
        let outside = OutboundError::NotPublic("10.2.0.1".to_owned());
        assert_eq!(refused(&lenient(), "https://10.2.0.1/"), outside);
        // Through a translator an address is another machine's.
        assert!(lenient().url("https://[64:ff9b::7f00:1]/").is_err());
        let only_https = Policy { http: false, ..lenient() };
        assert_eq!(refused(&only_https, "http://127.0.0.1/"), OutboundError::Scheme);
    }

    #[test]
    fn one_bad_address_among_good_ones_is_enough() {
        let url = strict().url("https://hooks.example.com/").unwrap();
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(strict().check(&url, &of(&["8.8.8.8", "2606:4700::1111"])), Ok(()));
        let refused = Err(OutboundError::ResolvesToNotPublic("hooks.example.com".to_owned()));
        assert_eq!(strict().check(&url, &of(&["8.8.8.8", "127.0.0.1"])), refused);
        assert_eq!(strict().check(&url, &of(&["10.0.0.1"])), refused);
    }
}
