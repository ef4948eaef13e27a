//! What a tenant's application needs to reach what is its own, as environment variables.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::model::Tenant;
use crate::infra::db::{Host, ServerAddress};
use crate::infra::objects::ScopedKey;

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
    /// The name of the variable that holds the database's URL.
    pub const URL: &'static str = "DATABASE_URL";

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

    /// The variables that libpq (manual, chapter 34.15) and the AWS SDKs read by themselves, and
    /// those that applications usually look for; with the secrets in them, or masked.
    #[must_use]
    pub fn variables(&self, reveal: bool) -> Vec<(&'static str, Zeroizing<String>)> {
        let show =
            |secret: &SecretString| if reveal { secret.expose_secret().to_owned() } else { MASK.to_owned() };
        let mut variables = vec![
            ("NEXUS_TENANT_ID", self.tenant.clone()),
            ("NEXUS_TENANT", self.slug.clone()),
            (Self::URL, self.url(reveal)),
            ("PGHOST", self.server.host.to_string()),
            ("PGPORT", self.server.port.to_string()),
            ("PGUSER", self.server.user.clone()),
            ("PGPASSWORD", show(&self.server.password)),
            ("PGDATABASE", self.server.database.clone()),
            ("S3_BUCKET", self.bucket.clone()),
            ("S3_ENDPOINT", self.endpoint.clone()),
            ("AWS_ENDPOINT_URL_S3", self.endpoint.clone()),
            ("AWS_REGION", self.region.clone()),
            // The one that boto3 reads.
            ("AWS_DEFAULT_REGION", self.region.clone()),
            ("AWS_ACCESS_KEY_ID", self.key.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", show(&self.key.secret)),
        ];
        if let Some(mode) = self.server.ssl_mode() {
            variables.push(("PGSSLMODE", mode.to_owned()));
        }
        variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect()
    }

    /// The database's URL (manual, chapter 34.1.1.2).
    fn url(&self, reveal: bool) -> String {
        let password = if reveal { percent(self.server.password.expose_secret()) } else { MASK.to_owned() };
        let (user, database) = (percent(&self.server.user), percent(&self.server.database));
        let (host, port) = (&self.server.host, self.server.port);
        match (host, self.server.ssl_mode()) {
            (Host::Socket(folder), _) => {
                let folder = percent(&folder.display().to_string());
                format!("postgres://{user}:{password}@/{database}?host={folder}&port={port}")
            }
            (Host::Tcp(host), mode) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let mode = mode.unwrap_or("prefer");
                format!("postgres://{user}:{password}@{host}:{port}/{database}?sslmode={mode}")
            }
        }
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters (section 2.3).
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
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
