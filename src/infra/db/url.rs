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
    /// A parameter's value holds the sign that names end with.
    #[error("a parameter's value holds '=', which must be written %3D")]
    Equals,
    /// A parameter that would change where or how to connect.
    #[error(
        "it has a parameter that is not known here; known are host, port, user, password, dbname, sslmode, and those that only name or time a session"
    )]
    Parameter,
}

impl ServerAddress {
    /// Of `postgres://user:password@host[:port]/database[?parameters]`, its parts percent-encoded; user,
    /// password, host, port and database may be parameters instead, as libpq takes them. A host that
    /// begins with '/' is the folder of a socket. Without `sslmode`, or with one that leaves it open, a
    /// socket and this machine are reached as they are, every other host with its certificate checked.
    /// What only names or times the session is passed over.
    pub fn from_url(url: &SecretString) -> Result<Self, UrlError> {
        let text = url.expose_secret();
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(UrlError::Scheme)?;
        let mut parts = Parts::default();
        let login_end = rest.find(['@', '/']).filter(|at| rest[*at..].starts_with('@'));
        let rest = match login_end {
            Some(at) => {
                let (user, password) = rest[..at]
                    .split_once(':')
                    .map_or((&rest[..at], None), |(user, password)| (user, Some(password)));
                parts.set_given("user", user)?;
                parts.set_given("password", password.unwrap_or(""))?;
                &rest[at + 1..]
            }
            None => rest,
        };
        let (place, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        // A sign that should have been escaped: what stands before it is no host's name.
        if place.contains('@') {
            return Err(UrlError::Invalid("password"));
        }
        // Several hosts: a parameter may name one in their place, and their ports stay.
        if place.contains(',') {
            return Err(UrlError::Invalid("host"));
        }
        let (host, port) = split_port(place)?;
        parts.set_given("host", host)?;
        parts.set_given("port", port.unwrap_or(""))?;
        let (database, parameters) = tail.split_once('?').unwrap_or((tail, ""));
        parts.set_given("dbname", database.strip_prefix('/').unwrap_or(database))?;
        // libpq passes over nothing but one sign after a parameter.
        let parameters =
            parameters.strip_suffix('&').filter(|before| !before.is_empty()).unwrap_or(parameters);
        for parameter in parameters.split('&').filter(|_| !parameters.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(UrlError::Parameter)?;
            let name = decoded(name, "parameter")?.ok_or(UrlError::Parameter)?;
            if value.contains('=') {
                return Err(UrlError::Equals);
            }
            parts.set(&name, value)?;
        }
        parts.address()
    }

    /// As a URL that libpq, and [`ServerAddress::from_url`], read back; `shown` stands in the password's
    /// place.
    #[must_use]
    pub fn to_url(&self, shown: Option<&str>) -> Zeroizing<String> {
        let password = shown.map_or_else(|| encoded(self.password.expose_secret()), str::to_owned);
        let (user, database, port) = (encoded(&self.user), encoded(&self.database), self.port);
        Zeroizing::new(match (&self.host, self.ssl_mode()) {
            (Host::Socket(folder), _) => {
                let folder = encoded(&folder.display().to_string());
                format!("postgres://{user}:{password}@/{database}?host={folder}&port={port}")
            }
            (Host::Tcp(host), mode) => {
                // An IPv6 address keeps its colons (RFC 3986, 3.2.2).
                let six = host.contains(':').then(|| format!("[{}]", encoded(host).replace("%3A", ":")));
                let (host, mode) = (six.unwrap_or_else(|| encoded(host)), mode.unwrap_or("prefer"));
                format!("postgres://{user}:{password}@{host}:{port}/{database}?sslmode={mode}")
            }
        })
    }
}

/// The parts of a URL that say where, as whom and how, without their percent signs.
#[derive(Default)]
struct Parts {
    host: Option<String>,
    port: Option<String>,
    user: Option<String>,
    password: Option<Zeroizing<String>>,
    database: Option<String>,
    mode: Option<String>,
}

/// Parameters that only name or time a session, or ask for what Nexus does anyway.
const PASSED_OVER: [&str; 15] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "pgbouncer",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
];

impl Parts {
    /// Takes a part that stands before the parameters, if it is not empty.
    fn set_given(&mut self, name: &str, text: &str) -> Result<(), UrlError> {
        if text.is_empty() { Ok(()) } else { self.set(name, text) }
    }

    /// Takes a part; a later one of the same name counts, an empty one too, as libpq has it.
    fn set(&mut self, name: &str, text: &str) -> Result<(), UrlError> {
        let (place, what) = match name {
            "host" => (&mut self.host, "host"),
            "port" => (&mut self.port, "port"),
            "user" => (&mut self.user, "user"),
            "dbname" => (&mut self.database, "database"),
            "sslmode" => (&mut self.mode, "sslmode"),
            "password" => {
                self.password = decoded(text, "password")?.map(Zeroizing::new);
                return Ok(());
            }
            // JDBC's word, which libpq takes too.
            "ssl" if text == "true" => {
                self.mode = Some("require".to_owned());
                return Ok(());
            }
            "target_session_attrs" => {
                let fits = ["any", "read-write", "primary"].map(|mode| Some(mode.to_owned()));
                return if fits.contains(&decoded(text, "parameter")?) {
                    Ok(())
                } else {
                    Err(UrlError::Parameter)
                };
            }
            name if PASSED_OVER.contains(&name) => return decoded(text, "parameter").map(|_| ()),
            _ => return Err(UrlError::Parameter),
        };
        *place = decoded(text, what)?;
        Ok(())
    }

    fn address(self) -> Result<ServerAddress, UrlError> {
        let host = match self.host.ok_or(UrlError::Missing("host"))? {
            path if path.starts_with('/') && !path.contains(',') => Host::Socket(PathBuf::from(path)),
            // Several hosts, or a host with a sign that a name cannot have.
            name if name.contains([',', '/', '@', '?', '#', ' ']) => return Err(UrlError::Invalid("host")),
            name => Host::Tcp(name),
        };
        let port = match self.port {
            None => 5432,
            Some(text) => text.parse().ok().filter(|&port| port > 0).ok_or(UrlError::Invalid("port"))?,
        };
        let tls = match (self.mode.as_deref(), &host) {
            // libpq's other modes do not say whether a connection is protected.
            (Some("disable"), _) | (None | Some("allow" | "prefer"), Host::Socket(_)) => Tls::Disable,
            (None | Some("allow" | "prefer"), Host::Tcp(name)) if is_this_machine(name) => Tls::Disable,
            (Some("require"), _) => Tls::Require,
            (None | Some("allow" | "prefer" | "verify-ca" | "verify-full"), _) => Tls::VerifyFull(None),
            (Some(_), _) => return Err(UrlError::Invalid("sslmode")),
        };
        let password = self.password.ok_or(UrlError::Missing("password"))?;
        Ok(ServerAddress {
            host,
            port,
            user: self.user.ok_or(UrlError::Missing("user"))?,
            password: SecretString::from(password.as_str()),
            database: self.database.ok_or(UrlError::Missing("database"))?,
            tls,
        })
    }
}

/// Host and port as they are written. An IPv6 address stands in brackets, because it has colons of its
/// own (RFC 3986, 3.2.2).
fn split_port(place: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::Invalid("host"))?;
        return match rest.strip_prefix(':') {
            None if !rest.is_empty() => Err(UrlError::Invalid("host")),
            port => Ok((host, port)),
        };
    }
    Ok(place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))))
}

fn is_this_machine(name: &str) -> bool {
    name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Percent-encodes all but RFC 3986's unreserved characters (section 2.3).
fn encoded(text: &str) -> String {
    urlencoding::encode(text).into_owned()
}

/// The text without its percent signs; `None` where there is none.
fn decoded(text: &str, what: &'static str) -> Result<Option<String>, UrlError> {
    // One libpq keeps it, a later one drops it or refuses.
    if text.contains(' ') {
        return Err(UrlError::Invalid(what));
    }
    // libpq takes a percent sign only before two hexadecimal digits.
    let bytes = text.as_bytes();
    let is_escape =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !is_escape(at)) {
        return Err(UrlError::Invalid(what));
    }
    let text = urlencoding::decode(text).map_err(|_| UrlError::Invalid(what))?;
    match text.as_ref() {
        "" => Ok(None),
        text if text.chars().any(char::is_control) => Err(UrlError::Invalid(what)),
        text => Ok(Some(text.to_owned())),
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
    fn what_others_write_is_read() {
        let it = parsed("postgres://shop:pw@/shop?host=%2Frun%2Fpg&port=5433").unwrap();
        assert_eq!((it.host, it.port, it.database.as_str()), (Host::Socket("/run/pg".into()), 5433, "shop"));
        let it =
            parsed("postgresql:///?host=db1.example&user=app&password=x%26y&dbname=shop&connect_timeout=10")
                .unwrap();
        assert_eq!(
            (it.user.as_str(), it.password.expose_secret(), it.database.as_str()),
            ("app", "x&y", "shop")
        );
        let it = parsed("postgres://app:x@[::1]:5433/app?sslmode=disable&channel_binding=prefer").unwrap();
        assert_eq!((it.port, it.tls), (5433, Tls::Disable));
        assert_eq!(parsed("postgres://app:x@localhost/app?sslmode=prefer").unwrap().tls, Tls::Disable);
        assert_eq!(parsed("postgres://app:x@db1/app?sslmode=prefer").unwrap().tls, Tls::VerifyFull(None));
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
            ("postgres://db1/app", UrlError::Missing("password")),
            ("postgres://:secret@db1/app", UrlError::Missing("user")),
            ("postgres://app:secr@et@db1/app", UrlError::Invalid("password")),
            ("postgres://app:secret@db1,db2/app", UrlError::Invalid("host")),
            ("postgres://app:secret@db1:5432x/app", UrlError::Invalid("port")),
            ("postgres://app:secret%zz@db1/app", UrlError::Invalid("password")),
            ("postgres://app:secret@db1/app?hostaddr=192.0.2.1", UrlError::Parameter),
            ("postgres://app:secret@db1/app?service=x", UrlError::Parameter),
            ("postgres://app@db1/app", UrlError::Missing("password")),
            ("postgres://app:@db1/app", UrlError::Missing("password")),
            ("postgres://app:secret@:5432/app", UrlError::Missing("host")),
            ("postgres://app:secret@db1:0/app", UrlError::Invalid("port")),
            ("postgres://app:secret@db1/app?options=-csearch_path%3Dx", UrlError::Parameter),
            ("postgres://app:secret@db1/app?sslmode=perhaps", UrlError::Invalid("sslmode")),
            ("postgres://app:secret@db1/app?password=secret=", UrlError::Equals),
            ("postgres://app:secret@db1/app?&port=1", UrlError::Parameter),
            ("postgres://app:secret@db1/app?host=", UrlError::Missing("host")),
            ("postgres://app:secret@db1,db2/app?host=db3", UrlError::Invalid("host")),
            ("postgres://app:secret word@db1/app", UrlError::Invalid("password")),
        ] {
            let error = parsed(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
