//! Looking whether rows are as they were written, and writing checksums of rows that have none.

use super::checksums::{self, Identity};
use super::store::{self, PlaceRow, TenantRow, TenantSums};
use crate::infra::crypto::{MasterKeyId, RecordKey};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// A row that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFlaw {
    /// Whether it has no checksum at all; else it does not fit.
    pub missing: bool,
    pub tenant: Option<(TenantId, String)>,
    pub object: String,
    /// What is covered and does not fit.
    pub what: &'static str,
}

/// Compares every row that is covered with its checksum. Reads one state where the caller has a
/// transaction that does.
pub(in crate::features) async fn examine(
    control: &mut PgConnection,
    key: &RecordKey,
    master: &MasterKeyId,
) -> Result<Vec<RowFlaw>, DbError> {
    let mut flaws = Vec::new();
    if let Some(row) = store::installation(control).await? {
        let object = "installation".to_owned();
        let what = "the installation's id and its master key";
        if row.master.as_deref() != Some(master.as_str()) {
            let what = "the recorded master key, which is not the one in use";
            flaws.push(RowFlaw { missing: row.master.is_none(), tenant: None, object: object.clone(), what });
        }
        let sum = checksums::installation(key, row.id, master.as_str());
        // Another key than the rows were written with says nothing of any of them.
        if !flaws.is_empty() && row.checksum.as_deref() != Some(&sum[..]) {
            return Ok(flaws);
        }
        flaws.extend(compare(row.checksum.as_deref(), &sum, None, object, what));
    }
    for row in store::places(control).await? {
        let object = format!("{} {}", row.kind, row.name);
        let sum = checksums::place(key, &row.kind, &row.name, &row.fields);
        flaws.extend(compare(row.checksum.as_deref(), &sum, None, object, "where it is"));
    }
    store::tenants(control, |row| of_tenant(key, &row, &mut flaws)).await?;
    Ok(flaws)
}

fn of_tenant(key: &RecordKey, row: &TenantRow, flaws: &mut Vec<RowFlaw>) {
    let sums = Sums::of(key, row);
    let mut add = |found: Option<&[u8]>, sum: &[u8], what| {
        let tenant = Some((row.id, row.slug.clone()));
        flaws.extend(compare(found, sum, tenant, format!("tenant {}", row.id), what));
    };
    add(row.identity_checksum.as_deref(), &sums.identity, "its server, store, database, roles and bucket");
    add(row.slug_checksum.as_deref(), &sums.slug, "its slug");
    match (&sums.key, row.key_checksum.as_deref()) {
        (None, None) => {}
        (sum, found) => add(found, sum.as_deref().unwrap_or_default(), "its access key"),
    }
}

fn compare(
    found: Option<&[u8]>,
    sum: &[u8],
    tenant: Option<(TenantId, String)>,
    object: String,
    what: &'static str,
) -> Option<RowFlaw> {
    (found != Some(sum)).then(|| RowFlaw { missing: found.is_none(), tenant, object, what })
}

struct Sums {
    identity: Vec<u8>,
    slug: Vec<u8>,
    key: Option<Vec<u8>>,
}

impl Sums {
    fn of(key: &RecordKey, row: &TenantRow) -> Self {
        let identity = Identity {
            cluster: &row.cluster,
            store: &row.store,
            database: &row.database_name,
            owner: &row.owner_role,
            app: &row.app_role,
            bucket: &row.bucket,
        };
        Self {
            identity: identity.checksum(key, row.id),
            slug: checksums::slug(key, &row.slug, row.id),
            key: checksums::access_key(key, row.id, row.access_key_id.as_deref()),
        }
    }
}

/// What is wrong with the checksum of the ledger of revocations, if something is.
pub(in crate::features) async fn revocations_flaw(
    control: &mut PgConnection,
    key: &RecordKey,
) -> Result<Option<&'static str>, DbError> {
    let Some(seal) = store::revocation_seal(control).await? else {
        return Ok(Some("no checksum covers it"));
    };
    if seal.first > 0 && seal.oldest != Some(seal.first) {
        return Ok(Some("its oldest rows are missing"));
    }
    let fits = seal.checksum == checksums::revocations(key, seal.nonce, &seal.covered);
    Ok((!fits).then_some("its checksum does not fit: rows were deleted or changed"))
}

/// Takes the ledger of revocations as it is for true; with `only_first` only where no checksum covers
/// it. Whether it did.
pub(in crate::features) async fn seal_revocations(
    control: &mut PgConnection,
    key: &RecordKey,
    only_first: bool,
) -> Result<bool, DbError> {
    if only_first && store::revocation_seal(control).await?.is_some() {
        return Ok(false);
    }
    arm_session(control, key).await?;
    store::seal_revocations(control).await?;
    Ok(true)
}

/// Writes the ledger of revocations again from the revocations that there are. Belongs before [`seal`].
pub(in crate::features) async fn rebuild_revocations(control: &mut PgConnection) -> Result<(), DbError> {
    store::rebuild_revocations(control).await
}

/// Gives a session what it seals the ledger of revocations with.
pub(in crate::features) async fn arm_session(
    control: &mut PgConnection,
    key: &RecordKey,
) -> Result<(), DbError> {
    store::run(control, &checksums::arm(key)).await
}

/// Takes all rows as they are for true, and writes their checksums. Belongs in a transaction with a
/// row of the audit log.
pub(in crate::features) async fn seal(
    control: &mut PgConnection,
    key: &RecordKey,
    master: &MasterKeyId,
) -> Result<(), DbError> {
    if let Some(row) = store::installation(control).await? {
        let sum = checksums::installation(key, row.id, master.as_str());
        store::seal_installation(control, &sum).await?;
    }
    let places: Vec<PlaceRow> = store::places(control).await?;
    for row in &places {
        let sum = checksums::place(key, &row.kind, &row.name, &row.fields);
        store::seal_place(control, row, &sum).await?;
    }
    let mut all = TenantSums::default();
    store::tenants(control, |row| {
        let sums = Sums::of(key, &row);
        all.ids.push(row.id.uuid());
        all.identities.push(sums.identity);
        all.slugs.push(sums.slug);
        all.keys.push(sums.key);
    })
    .await?;
    store::seal_tenants(control, &all).await?;
    seal_revocations(control, key, false).await?;
    Ok(())
}
