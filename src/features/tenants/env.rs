//! What a tenant's application needs to reach what is its own, as environment variables.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::model::Tenant;
use crate::infra::db::ServerAddress;
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
    /// Whether the secrets are shown.
    reveal: bool,
}

impl EnvView {
    /// The name of the variable that holds the database's URL.
    pub const URL: &'static str = "DATABASE_URL";

    /// Of a tenant, its login at its own database, and its key; masked.
    #[must_use]
    pub(in crate::features) fn new(
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
            reveal: false,
        }
    }

    /// With the secrets in it.
    #[must_use]
    pub(in crate::features) fn revealed(self) -> Self {
        Self { reveal: true, ..self }
    }

    /// The tenant's login at its own database.
    #[must_use]
    pub(in crate::features) fn into_server(self) -> ServerAddress {
        self.server
    }

    /// The variables that libpq (manual, chapter 34.15) and the AWS SDKs read by themselves, and
    /// those that applications usually look for; with the secrets in them, or masked.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, Zeroizing<String>)> {
        let reveal = self.reveal;
        let show =
            |secret: &SecretString| if reveal { secret.expose_secret().to_owned() } else { MASK.to_owned() };
        let mut variables = vec![
            ("NEXUS_TENANT_ID", self.tenant.clone()),
            ("NEXUS_TENANT", self.slug.clone()),
            (Self::URL, self.server.to_url((!reveal).then_some(MASK)).to_string()),
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
}
