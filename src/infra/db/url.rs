//! A connection URL as PostgreSQL's own programs take it (manual, chapter 34.1.1.2).

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{Host, ServerAddress, Tls};

/// Why a text is no connection URL. Nothing of the text is repeated: it holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It begins otherwise.
    #[error("it does not begin with postgres:// or postgresql://")]
    Scheme,
    /// A part is not there.
    #[error("it names no {0}")]
    Missing(&'static str),
    /// A part cannot be read.
    #[error("its {0} is not valid")]
    Invalid(&'static str),
    /// A parameter that would change where or how to connect.
    #[error("of its parameters only sslmode is known")]
    Parameter,
}

impl ServerAddress {
    /// Of `postgres://user:password@host[:port]/database[?sslmode=MODE]`, its parts percent-encoded.
    /// A host that begins with '/' is the folder of a socket. Without `sslmode` a socket and this
    /// machine are reached as they are, every other host with its certificate checked.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn from_url(url: &SecretString) -> Result<Self, UrlError> {
        let text = url.expose_secret();
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(UrlError::Scheme)?;
        let (rest, parameters) =
            rest.split_once('?').map_or((rest, None), |(rest, parameters)| (rest, Some(parameters)));
        let (authority, database) = rest.split_once('/').ok_or(UrlError::Missing("database"))?;
        let (login, place) = authority.rsplit_once('@').ok_or(UrlError::Missing("user"))?;
        let (user, password) = login.split_once(':').ok_or(UrlError::Missing("password"))?;
        let (host, port) = split_port(place)?;
        let host = decoded(host, "host")?;
        let mode = parameters.map(ssl_mode).transpose()?;
        let host = match host.as_str() {
            path if path.starts_with('/') => Host::Socket(PathBuf::from(path)),
            name => Host::Tcp(name.to_owned()),
        };
        let tls = match (mode, &host) {
            (Some("disable"), _) | (None, Host::Socket(_)) => Tls::Disable,
            (None, Host::Tcp(name)) if is_this_machine(name) => Tls::Disable,
            (Some("require"), _) => Tls::Require,
            (Some("verify-full") | None, _) => Tls::VerifyFull(None),
            (Some(_), _) => return Err(UrlError::Invalid("sslmode")),
        };
        let password = Zeroizing::new(decoded(password, "password")?);
        Ok(Self {
            host,
            port,
            user: decoded(user, "user")?,
            password: SecretString::from(password.as_str()),
            database: decoded(database, "database")?,
            tls,
        })
    }
}

fn split_port(place: &str) -> Result<(&str, u16), UrlError> {
    // An IPv6 address stands in brackets, because it has colons of its own (RFC 3986, 3.2.2).
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(UrlError::Invalid("host"))?;
            (host, rest.strip_prefix(':'))
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => 5432,
        Some(text) => text.parse().ok().filter(|&port| port > 0).ok_or(UrlError::Invalid("port"))?,
    };
    if host.is_empty() { Err(UrlError::Missing("host")) } else { Ok((host, port)) }
}

/// libpq's other modes do not say whether a connection is protected.
fn ssl_mode(parameters: &str) -> Result<&str, UrlError> {
    parameters.strip_prefix("sslmode=").filter(|mode| !mode.contains('&')).ok_or(UrlError::Parameter)
}

fn is_this_machine(name: &str) -> bool {
    name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn decoded(text: &str, what: &'static str) -> Result<String, UrlError> {
    let text = urlencoding::decode(text).map_err(|_| UrlError::Invalid(what))?;
    match text.as_ref() {
        "" => Err(UrlError::Missing(what)),
        text if text.chars().any(char::is_control) => Err(UrlError::Invalid(what)),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<ServerAddress, UrlError> {
        ServerAddress::from_url(&SecretString::from(text))
    }

    #[test]
    fn every_part_is_read_and_decoded() {
        let it = parsed("postgres://app:p%40ss%3Aword@db1.example:5433/my%20app?sslmode=require").unwrap();
        assert_eq!((it.host, it.port), (Host::Tcp("db1.example".to_owned()), 5433));
        assert_eq!((it.user.as_str(), it.database.as_str()), ("app", "my app"));
        assert_eq!(it.password.expose_secret(), "p@ss:word");
        assert_eq!(it.tls, Tls::Require);
        let socket = parsed("postgresql://app:x@%2Frun%2Fpg:5433/app").unwrap();
        assert_eq!((socket.host, socket.tls), (Host::Socket("/run/pg".into()), Tls::Disable));
        let six = parsed("postgres://app:x@[::1]/app").unwrap();
        assert_eq!((six.host, six.port, six.tls), (Host::Tcp("::1".to_owned()), 5432, Tls::Disable));
    }

    #[test]
    fn another_host_is_reached_with_its_certificate_checked() {
        assert_eq!(parsed("postgres://app:x@db1.example/app").unwrap().tls, Tls::VerifyFull(None));
    }

    #[test]
    fn what_is_no_url_is_refused_without_a_word_of_it() {
        for (text, expected) in [
            ("app:secret@db1/app", UrlError::Scheme),
            ("postgres://app:secret@db1", UrlError::Missing("database")),
            ("postgres://db1/app", UrlError::Missing("user")),
            ("postgres://app@db1/app", UrlError::Missing("password")),
            ("postgres://app:@db1/app", UrlError::Missing("password")),
            ("postgres://app:secret@:5432/app", UrlError::Missing("host")),
            ("postgres://app:secret@db1:0/app", UrlError::Invalid("port")),
            ("postgres://app:secret@db1/app?options=-csearch_path%3Dx", UrlError::Parameter),
            ("postgres://app:secret@db1/app?sslmode=prefer", UrlError::Invalid("sslmode")),
        ] {
            let error = parsed(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
