//! What each checksum covers. A field that is added here is one that older rows do not have: then
//! the kind gets another name.

use secrecy::{ExposeSecret, SecretBox, SecretString};
use uuid::Uuid;

use crate::infra::crypto::RecordKey;
use crate::kernel::TenantId;

/// The kind of the checksum over the ledger of revocations.
const REVOCATIONS: &str = "revocations";

/// What is a tenant's, and where.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    pub cluster: &'a str,
    pub store: &'a str,
    pub database: &'a str,
    pub owner: &'a str,
    /// The role that the tenant logs in as.
    pub app: &'a str,
    pub bucket: &'a str,
}

impl Identity<'_> {
    /// Its checksum in the row of this tenant.
    #[must_use]
    pub fn checksum(&self, key: &RecordKey, id: TenantId) -> Vec<u8> {
        let fields = [self.cluster, self.store, self.database, self.owner, self.app, self.bucket];
        key.checksum("tenant", &id.to_string(), &fields)
    }
}

/// The checksum of a slug in the row of this tenant.
#[must_use]
pub fn slug(key: &RecordKey, slug: &str, id: TenantId) -> Vec<u8> {
    key.checksum("slug", slug, &[&id.to_string()])
}

/// The part of the key with which the database itself computes [`slug`] of a tenant that it chooses.
#[must_use]
pub fn slug_part(key: &RecordKey, slug: &str) -> SecretBox<[u8; 32]> {
    key.part("slug", slug)
}

/// The checksum of the public half of a tenant's key; none where it has none.
#[must_use]
pub fn access_key(key: &RecordKey, id: TenantId, access_key_id: Option<&str>) -> Option<Vec<u8>> {
    Some(key.checksum("access-key", &id.to_string(), &[access_key_id?]))
}

/// The checksum of where a server or store is. `kind` is `cluster` or `store`.
#[must_use]
pub fn place(key: &RecordKey, kind: &str, name: &str, fields: &[Option<String>]) -> Vec<u8> {
    // An absent field and an empty one differ.
    let fields: Vec<String> =
        fields.iter().map(|field| field.as_ref().map_or("-".to_owned(), |it| format!("={it}"))).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    key.checksum(kind, name, &fields)
}

/// The part of the key that seals the ledger of revocations, and which part it is, as hexadecimal digits
/// and a random id.
fn seal_part(key: &RecordKey) -> (Uuid, SecretString) {
    let nonce = Uuid::new_v4();
    let part = key.part(REVOCATIONS, &nonce.to_string());
    (nonce, hex::encode(part.expose_secret()).into())
}

/// The statements that give a session of the control database what it seals the ledger of revocations
/// with: whatever it revokes is covered then. They hold a secret and give no rows.
#[must_use]
pub fn arm(key: &RecordKey) -> SecretString {
    let (nonce, part) = seal_part(key);
    format!("set nexus.seal_nonce to '{nonce}'; set nexus.seal_part to '{}'", part.expose_secret()).into()
}

/// The checksum of the ledger of revocations, of what the database says is covered.
pub(super) fn revocations(key: &RecordKey, nonce: Uuid, covered: &str) -> Vec<u8> {
    key.checksum_of(REVOCATIONS, &nonce.to_string(), covered)
}

/// The checksum of an installation's id and its master key's.
#[must_use]
pub fn installation(key: &RecordKey, id: Uuid, master: &str) -> Vec<u8> {
    key.checksum("installation", "", &[&id.to_string(), master])
}
