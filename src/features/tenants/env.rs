//! What a tenant's application needs to reach what is its own, as environment variables.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::model::Tenant;
use crate::infra::db::{Host, ServerAddress, Tls};
use crate::infra::objects::ScopedKey;

/// How the variables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvFormat {
    /// `NAME="value"` lines, as dotenv libraries read them.
    Dotenv,
    /// `export NAME='value'` lines for a POSIX shell.
    Shell,
    /// One JSON object.
    Json,
    /// The database's URL alone (manual, chapter 34.1.1.2).
    Url,
}

/// What stands in a secret's place.
const MASK: &str = "********";

/// A tenant's own credentials. Debug shows none of the secrets.
#[derive(Debug, Clone)]
pub struct EnvView {
    tenant: String,
    slug: String,
    server: ServerAddress,
    bucket: String,
    endpoint: String,
    region: String,
    key: ScopedKey,
}

impl EnvView {
    /// Of a tenant, its login at its own database, and its key.
    #[must_use]
    pub fn new(
        tenant: &Tenant,
        server: ServerAddress,
        (endpoint, region): (&str, &str),
        key: ScopedKey,
    ) -> Self {
        Self {
            tenant: tenant.id.to_string(),
            slug: tenant.slug.clone(),
            server,
            bucket: tenant.resources.bucket.clone(),
            endpoint: endpoint.to_owned(),
            region: region.to_owned(),
            key,
        }
    }

    /// The tenant's login at its own database.
    #[must_use]
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// The text to print or to write into a file, with the secrets in it or masked. It is a
    /// secret itself when they are in it.
    #[must_use]
    pub fn render(&self, format: EnvFormat, reveal: bool) -> SecretString {
        let variables = self.variables(reveal);
        let text = match format {
            EnvFormat::Url => self.url(reveal) + "\n",
            EnvFormat::Json => {
                let object: BTreeMap<&str, &str> =
                    variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
                serde_json::to_string_pretty(&object).unwrap_or_default() + "\n"
            }
            EnvFormat::Dotenv => lines("", &variables, |value| {
                format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
            }),
            EnvFormat::Shell => {
                lines("export ", &variables, |value| format!("'{}'", value.replace('\'', "'\\''")))
            }
        };
        SecretString::from(text)
    }

    /// The variables that libpq (manual, chapter 34.15) and the AWS SDKs read by themselves, and
    /// those that applications usually look for.
    fn variables(&self, reveal: bool) -> Vec<(&'static str, String)> {
        let show =
            |secret: &SecretString| if reveal { secret.expose_secret().to_owned() } else { MASK.to_owned() };
        let (host, tls) = self.place();
        let mut variables = vec![
            ("NEXUS_TENANT_ID", self.tenant.clone()),
            ("NEXUS_TENANT", self.slug.clone()),
            ("DATABASE_URL", self.url(reveal)),
            ("PGHOST", host),
            ("PGPORT", self.server.port.to_string()),
            ("PGUSER", self.server.user.clone()),
            ("PGPASSWORD", show(&self.server.password)),
            ("PGDATABASE", self.server.database.clone()),
            ("S3_BUCKET", self.bucket.clone()),
            ("S3_ENDPOINT", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_S3", self.endpoint.clone()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_ACCESS_KEY_ID", self.key.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", show(&self.key.secret)),
        ];
        if let Some(mode) = tls {
            variables.push(("PGSSLMODE", mode.to_owned()));
        }
        variables
    }

    fn place(&self) -> (String, Option<&'static str>) {
        match &self.server.host {
            Host::Socket(folder) => (folder.display().to_string(), None),
            Host::Tcp(host) => {
                let mode = match self.server.tls {
                    Tls::Disable => "disable",
                    Tls::Require => "require",
                    Tls::VerifyFull(_) => "verify-full",
                };
                (host.clone(), Some(mode))
            }
        }
    }

    fn url(&self, reveal: bool) -> String {
        let password = if reveal { self.server.password.expose_secret() } else { MASK };
        let (user, database) = (percent(&self.server.user), percent(&self.server.database));
        let (host, tls) = self.place();
        match tls {
            None => format!(
                "postgres://{user}:{}@/{database}?host={}&port={}",
                percent(password),
                percent(&host),
                self.server.port
            ),
            Some(mode) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                format!(
                    "postgres://{user}:{}@{host}:{}/{database}?sslmode={mode}",
                    percent(password),
                    self.server.port
                )
            }
        }
    }
}

fn lines(before: &str, variables: &[(&str, String)], quote: impl Fn(&str) -> String) -> String {
    variables
        .iter()
        .flat_map(|(name, value)| [before, name, "=", &quote(value), "\n"].map(str::to_owned))
        .collect()
}

/// Percent-encodes all but RFC 3986's unreserved characters (section 2.3), and the mask.
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_holds_any_password() {
        assert_eq!(percent("a/b@c:d%"), "a%2Fb%40c%3Ad%25");
    }
}
