//! The issuer of access tokens: a URL under which clients find what it says of itself (RFC 8414, section 2).

use url::{Host, Url};

/// What is wrong with a text as an issuer: the same in the form that clients compare, where that is one.
pub(super) fn check(text: &str) -> Result<(), Option<String>> {
    let Ok(url) = Url::parse(text) else { return Err(None) };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_here;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_safe || !is_bare || url.host().is_none() {
        return Err(None);
    }
    // Tokens are compared with it letter by letter: another way to write the same URL is another issuer. Of an
    // empty path the URL standard makes one of a slash, which nobody writes.
    let written = url.as_str();
    if written == text || written.strip_suffix('/') == Some(text) {
        Ok(())
    } else {
        Err(Some(written.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn an_issuer_is_an_https_url_or_one_of_this_machine() {
        for good in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com/nexus",
            "https://api.example.com:8443/a/b",
            "http://127.0.0.1:8420",
            "http://[::1]:8420",
            "http://localhost:8420",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for wrong in [
            "nexus",
            "urn:uuid:0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d",
            "http://api.example.com",
            "http://10.0.0.1:8420",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://ann@api.example.com",
            "https://api.example.com?x=1",
            "https://api.example.com?",
            "https://api.example.com/#x",
            "https://",
        ] {
            assert_eq!(check(wrong), Err(None), "{wrong}");
        }
    }

    #[test]
    fn another_way_to_write_it_is_another_issuer() {
        for (odd, plain) in [
            ("HTTPS://API.example.com", "https://api.example.com/"),
            ("https://api.example.com:443", "https://api.example.com/"),
            ("https://api.example.com/a/../b", "https://api.example.com/b"),
            ("http://127.1:8420", "http://127.0.0.1:8420/"),
        ] {
            assert_eq!(check(odd), Err(Some(plain.to_owned())), "{odd}");
        }
    }
}
