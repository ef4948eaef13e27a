//! Sealing, opening and erasing secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sqlx::FromRow;
use sqlx::postgres::PgRow;

use super::error::SecretsError;
use super::manifest::Manifest;
use super::store::{self, Batch, KeyInserted, KeyRow, SecretRow};
use super::views::StatusView;
use crate::infra::crypto::seal::{self, DataKey, SealContext, length_prefixed};
use crate::infra::crypto::{MasterKey, MasterKeyError, MasterKeyId, RecordKey};
use crate::infra::db::PgConnection;
use crate::kernel::TenantId;
use crate::kernel::ids::DataKeyId;

/// Writings of one tenant's secrets before its data key is used up. Each seals the list and the
/// secrets of one call: with up to 4,095 of those, one key stays within the 2^32 seals that NIST
/// SP 800-38D, section 8.3, allows it.
const MAX_GENERATION: i64 = 1 << 20;

/// The tenants' secrets. The caller brings the connection and owns the transaction; every method
/// that writes belongs in one.
#[derive(Debug, Clone)]
pub struct Secrets {
    master: Arc<dyn MasterKey>,
    record: RecordKey,
}

impl Secrets {
    /// With this master key.
    #[must_use]
    pub fn new(master: Arc<dyn MasterKey>) -> Self {
        let record = RecordKey::new(master.derive("record"));
        Self { master, record }
    }

    /// The key that rows of the control database are checked with.
    #[must_use]
    pub fn record_key(&self) -> &RecordKey {
        &self.record
    }

    /// A key for marks on servers.
    #[must_use]
    pub fn mark_key(&self) -> RecordKey {
        RecordKey::new(self.master.derive("marks"))
    }

    /// A key for links by which people unsubscribe.
    #[must_use]
    pub fn unsubscribe_key(&self) -> RecordKey {
        RecordKey::new(self.master.derive("unsubscribe"))
    }

    /// The master key in use; no secret.
    #[must_use]
    pub fn master_id(&self) -> &MasterKeyId {
        self.master.id()
    }

    /// Records this master key as the one that the control database seals with, when there is none
    /// yet; otherwise checks that it is this one. Safe to repeat.
    ///
    /// # Errors
    /// [`SecretsError::OtherMaster`] when another is recorded.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn register_master(&self, conn: &mut PgConnection) -> Result<(), SecretsError> {
        store::insert_master(conn, self.master.id().as_str()).await?;
        self.check_master(conn).await
    }

    /// Checks that this is the master key that the control database seals with.
    ///
    /// # Errors
    /// [`SecretsError::OtherMaster`], which names both; [`SecretsError::NoMaster`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn check_master(&self, conn: &mut PgConnection) -> Result<(), SecretsError> {
        let needed = recorded_master(conn).await?.ok_or(SecretsError::NoMaster)?;
        self.expect_master(needed)
    }

    /// Makes a tenant's data key and seals its first secrets, in one statement.
    ///
    /// # Errors
    /// With nothing written: [`SecretsError::AlreadySealed`] when the tenant has a data key,
    /// [`SecretsError::OtherMaster`] or [`SecretsError::NoMaster`] when this master key is not the
    /// active one, [`SecretsError::Name`] for a name that is none.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn seal_new_tenant(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        secrets: &[(&str, &SecretString)],
    ) -> Result<(), SecretsError> {
        let statement = self.seal_statement(tenant, secrets, "true").await?;
        let row = store::insert_key(conn, statement).await?;
        self.sealed(tenant, &row)
    }

    /// The statement that does that where a condition holds, which can travel with others; its answer is
    /// for [`Secrets::sealed`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn seal_statement(
        &self,
        tenant: TenantId,
        secrets: &[(&str, &SecretString)],
        condition: &str,
    ) -> Result<String, SecretsError> {
        let key = DataKey::generate()?;
        let wrapped = self.master.wrap(key.expose_bytes(), &wrapping_aad(tenant, key.id())).await?;
        let (manifest, batch) = seal_batch(&key, tenant, Manifest::default(), 1, secrets)?;
        let row = KeyRow {
            id: key.id(),
            master_key_id: self.master.id().as_str().to_owned(),
            wrapped,
            manifest,
            manifest_generation: 1,
        };
        Ok(store::key_statement(tenant, &row, &batch, condition))
    }

    /// What [`Secrets::seal_statement`] answered.
    ///
    /// # Errors
    /// As [`Secrets::seal_new_tenant`].
    pub fn sealed(&self, tenant: TenantId, row: &PgRow) -> Result<(), SecretsError> {
        let inserted = KeyInserted::from_row(row)?;
        if inserted.made {
            return Ok(());
        }
        let needed = inserted.active_master.ok_or(SecretsError::NoMaster)?;
        self.expect_master(MasterKeyId::from_recorded(needed))?;
        Err(SecretsError::AlreadySealed(tenant))
    }

    /// Seals one secret, new or in place of an older one, which then never opens again.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn put(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        name: &str,
        value: &SecretString,
    ) -> Result<(), SecretsError> {
        self.put_many(conn, tenant, &[(name, value)]).await
    }

    /// Seals several secrets of one tenant at once, in two statements. Writers of one tenant wait
    /// for each other.
    ///
    /// # Errors
    /// [`SecretsError::NoDataKey`] before [`Secrets::seal_new_tenant`] or after
    /// [`Secrets::erase`]; an integrity error when the data key or the list of secrets does not
    /// open.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn put_many(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        secrets: &[(&str, &SecretString)],
    ) -> Result<(), SecretsError> {
        let mut row = store::lock_key(conn, tenant).await?.ok_or(SecretsError::NoDataKey(tenant))?;
        let (key, manifest) = self.open_key(tenant, &row).await?;
        if row.manifest_generation >= MAX_GENERATION {
            return Err(SecretsError::UsedUp(tenant));
        }
        row.manifest_generation += 1;
        let (manifest, batch) = seal_batch(&key, tenant, manifest, row.manifest_generation, secrets)?;
        row.manifest = manifest;
        let written = store::write(conn, tenant, &row, &batch).await?;
        if written { Ok(()) } else { Err(SecretsError::Raced(tenant)) }
    }

    /// Seals one of the platform's own secrets, new or in place of an older one. The platform's
    /// data key is made with the first of them.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn put_platform(
        &self,
        conn: &mut PgConnection,
        name: &str,
        value: &SecretString,
    ) -> Result<(), SecretsError> {
        match self.seal_new_tenant(conn, TenantId::PLATFORM, &[(name, value)]).await {
            Err(SecretsError::AlreadySealed(_)) => self.put(conn, TenantId::PLATFORM, name, value).await,
            made => made,
        }
    }

    /// Takes one secret away, also one that its list does not have. `false` when there was none of that name.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn forget(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        name: &str,
    ) -> Result<bool, SecretsError> {
        let Some(mut row) = store::lock_key(conn, tenant).await? else {
            return Ok(store::delete_secret(conn, tenant, name).await?);
        };
        let (key, mut manifest) = self.open_key(tenant, &row).await?;
        if !manifest.forget(name) {
            return Ok(store::delete_secret(conn, tenant, name).await?);
        }
        row.manifest_generation += 1;
        let (manifest, batch) = seal_batch(&key, tenant, manifest, row.manifest_generation, &[])?;
        row.manifest = manifest;
        let written = store::write(conn, tenant, &row, &batch).await?;
        store::delete_secret(conn, tenant, name).await?;
        if written { Ok(true) } else { Err(SecretsError::Raced(tenant)) }
    }

    /// Opens one secret.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn get(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        name: &str,
    ) -> Result<SecretString, SecretsError> {
        let mut opened = self.get_many(conn, tenant, &[name]).await?;
        opened.remove(name).ok_or_else(|| not_found(tenant, name))
    }

    /// Opens several secrets of one tenant, in one statement: all of them or none.
    ///
    /// # Errors
    /// [`SecretsError::NotFound`], [`SecretsError::NoDataKey`]; [`SecretsError::Damaged`] and its
    /// like when anything is not exactly what was last sealed; [`SecretsError::OtherMaster`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn get_many(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, SecretsError> {
        let (row, rows) =
            store::read(conn, tenant, Some(names)).await?.ok_or(SecretsError::NoDataKey(tenant))?;
        let (key, manifest) = self.open_key(tenant, &row).await?;
        let mut opened = BTreeMap::new();
        for name in names {
            let row = rows.iter().find(|row| row.name == *name);
            let value = match (row, manifest.generation(name)) {
                (Some(row), Some(generation)) => open_row(&key, tenant, row, generation)?,
                (None, None) => return Err(not_found(tenant, name)),
                _ => return Err(damaged(tenant, name)),
            };
            opened.insert((*name).to_owned(), value);
        }
        Ok(opened)
    }

    /// Opens all of a tenant's secrets; none where they were erased.
    ///
    /// # Errors
    /// [`SecretsError`] when any of them was changed, moved, put back, added or taken away.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn get_all(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
    ) -> Result<BTreeMap<String, SecretString>, SecretsError> {
        match store::read(conn, tenant, None).await? {
            Some((row, rows)) => self.open_all(tenant, &row, &rows).await,
            None => Ok(BTreeMap::new()),
        }
    }

    /// Opens all of a tenant's secrets, as they were read.
    pub(super) async fn open_all(
        &self,
        tenant: TenantId,
        row: &KeyRow,
        rows: &[SecretRow],
    ) -> Result<BTreeMap<String, SecretString>, SecretsError> {
        let (key, manifest) = self.open_key(tenant, row).await?;
        let mut opened = BTreeMap::new();
        for row in rows {
            let generation = manifest.generation(&row.name).ok_or_else(|| damaged(tenant, &row.name))?;
            opened.insert(row.name.clone(), open_row(&key, tenant, row, generation)?);
        }
        match manifest.entries().find(|(name, _)| !opened.contains_key(*name)) {
            Some((name, _)) => Err(damaged(tenant, name)),
            None => Ok(opened),
        }
    }

    /// The names of a tenant's secrets, sorted. Opens none of them.
    ///
    /// # Errors
    /// [`SecretsError::NoDataKey`]; [`SecretsError::Damaged`] when a secret was added, taken away
    /// or put back behind Nexus's back.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn names(
        &self,
        conn: &mut PgConnection,
        tenant: TenantId,
    ) -> Result<Vec<String>, SecretsError> {
        let (row, rows) = store::read(conn, tenant, None).await?.ok_or(SecretsError::NoDataKey(tenant))?;
        let (_, manifest) = self.open_key(tenant, &row).await?;
        let found: BTreeMap<&str, i64> = rows.iter().map(|row| (row.name.as_str(), row.generation)).collect();
        let listed: BTreeMap<&str, i64> = manifest.entries().collect();
        let differs = |name: &&&str| found.get(**name) != listed.get(**name);
        match found.keys().chain(listed.keys()).find(differs) {
            Some(name) => Err(damaged(tenant, name)),
            None => Ok(listed.into_keys().map(str::to_owned).collect()),
        }
    }

    /// Deletes a tenant's data key and all its secrets. What a backup of the control database holds
    /// of them opens only with the key in that same backup and the master key. Safe to repeat:
    /// `false` when there was nothing.
    ///
    /// # Errors
    /// The control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn erase(&self, conn: &mut PgConnection, tenant: TenantId) -> Result<bool, SecretsError> {
        Ok(store::delete_key(conn, tenant).await?)
    }

    /// Which key seals how much.
    ///
    /// # Errors
    /// The control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn status(&self, conn: &mut PgConnection) -> Result<StatusView, SecretsError> {
        status(conn, Some(self.master.id())).await
    }

    fn expect_master(&self, needed: MasterKeyId) -> Result<(), SecretsError> {
        let given = self.master.id();
        if needed == *given {
            Ok(())
        } else {
            Err(SecretsError::OtherMaster { needed, given: given.clone() })
        }
    }

    /// Unwraps a tenant's data key and opens its list.
    async fn open_key(&self, tenant: TenantId, row: &KeyRow) -> Result<(DataKey, Manifest), SecretsError> {
        self.expect_master(MasterKeyId::from_recorded(row.master_key_id.clone()))?;
        let unwrapped = self.master.unwrap(&row.wrapped, &wrapping_aad(tenant, row.id)).await;
        let bytes = unwrapped.map_err(|error| match error {
            MasterKeyError::Damaged(_) => SecretsError::DataKeyDamaged(tenant),
            other => SecretsError::Master(other),
        })?;
        let key = DataKey::from_parts(row.id, bytes);
        let manifest = Manifest::open(&key, tenant, row.manifest_generation, &row.manifest);
        Ok((key, manifest.ok_or(SecretsError::ManifestDamaged(tenant))?))
    }
}

/// The master key that the control database seals with; `None` before the first is recorded. Needs
/// no key: for whoever must say which one is missing.
///
/// # Errors
/// The control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn recorded_master(conn: &mut PgConnection) -> Result<Option<MasterKeyId>, SecretsError> {
    Ok(store::active_master(conn).await?.map(MasterKeyId::from_recorded))
}

/// Which key seals how much, also when no master key is at hand.
///
/// # Errors
/// The control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn status(
    conn: &mut PgConnection,
    in_use: Option<&MasterKeyId>,
) -> Result<StatusView, SecretsError> {
    let master_keys = store::master_uses(conn).await?;
    let active = master_keys.iter().find(|key| key.state == "active");
    let recorded = active.map(|key| MasterKeyId::from_recorded(key.id.clone()));
    let matches = recorded.is_some() && recorded.as_ref() == in_use;
    Ok(StatusView { in_use: in_use.cloned(), recorded, matches, master_keys })
}

/// Seals secrets at one generation, and the list that then names them.
fn seal_batch(
    key: &DataKey,
    tenant: TenantId,
    mut manifest: Manifest,
    generation: i64,
    secrets: &[(&str, &SecretString)],
) -> Result<(Vec<u8>, Batch), SecretsError> {
    let mut seen = BTreeSet::new();
    let mut batch = Batch::default();
    for &(name, value) in secrets {
        if !is_name(name) || !seen.insert(name) {
            return Err(SecretsError::Name(name.to_owned()));
        }
        let sealed = seal::seal(key, &place(tenant, name, generation), value.expose_secret().as_bytes())
            .map_err(|source| SecretsError::Seal { tenant, name: name.to_owned(), source })?;
        manifest.record(name, generation);
        batch.names.push(name.to_owned());
        batch.sealed.push(sealed);
    }
    let sealed = manifest.seal(key, tenant, generation).map_err(|source| SecretsError::Seal {
        tenant,
        name: "(list)".to_owned(),
        source,
    })?;
    Ok((sealed, batch))
}

fn open_row(
    key: &DataKey,
    tenant: TenantId,
    row: &SecretRow,
    generation: i64,
) -> Result<SecretString, SecretsError> {
    let broken = || damaged(tenant, &row.name);
    if row.generation != generation || row.key_id != key.id() {
        return Err(broken());
    }
    let opened = seal::open(key, &place(tenant, &row.name, generation), &row.sealed).map_err(|_| broken())?;
    std::str::from_utf8(opened.expose_secret()).map(SecretString::from).map_err(|_| broken())
}

fn place(tenant: TenantId, name: &str, generation: i64) -> SealContext<'_> {
    SealContext { tenant, table: "sealed_secrets", column: "sealed", row: name, generation }
}

fn wrapping_aad(tenant: TenantId, key: DataKeyId) -> Vec<u8> {
    length_prefixed(&[b"data_keys", b"wrapped", tenant.uuid().as_bytes(), key.uuid().as_bytes()])
}

/// 1 to 63 of a-z, 0-9, '_', '.', '-', beginning with a letter.
fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c))
}

fn not_found(tenant: TenantId, name: &str) -> SecretsError {
    SecretsError::NotFound { tenant, name: name.to_owned() }
}

fn damaged(tenant: TenantId, name: &str) -> SecretsError {
    SecretsError::Damaged { tenant, name: name.to_owned() }
}
