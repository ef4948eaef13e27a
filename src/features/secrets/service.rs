//! Sealing and opening tenants' secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use sqlx::PgConnection;

use super::error::SecretsError;
use super::store::{self, DataKeyRow, SecretRow};
use crate::infra::crypto::master::MasterKey;
use crate::infra::crypto::seal::{DataKey, Place, open, seal};
use crate::kernel::TenantId;
use crate::kernel::ids::DataKeyId;

/// The names of a tenant's secrets and the generation of each.
type Manifest = BTreeMap<String, i64>;

/// Seals and opens tenants' secrets under one master key.
#[derive(Clone, Debug)]
pub struct Secrets {
    master: Arc<dyn MasterKey>,
}

/// What one master key holds.
#[derive(Debug, Clone, Serialize)]
pub struct MasterStatus {
    /// Its name, which tells nothing of it.
    pub id: String,
    /// `active` or `retiring`.
    pub state: String,
    /// Whether it is the one that this context uses.
    pub in_use: bool,
    /// How many tenants' data keys it wraps.
    pub data_keys: i64,
    /// How many values those keys seal.
    pub sealed_values: i64,
}

/// Which key seals how much.
#[derive(Debug, Clone, Serialize)]
pub struct SecretStatus {
    /// The name of the master key that this context uses.
    pub master_key: String,
    /// All master keys of the control database.
    pub master_keys: Vec<MasterStatus>,
}

fn secret_place(tenant: TenantId, name: &str, generation: i64) -> Place<'_> {
    Place { tenant, table: "control.sealed_secrets", column: "sealed", row: name, generation }
}

fn manifest_place(tenant: TenantId, generation: i64) -> Place<'static> {
    Place { tenant, table: "control.data_keys", column: "manifest", row: "", generation }
}

fn seal_manifest(key: &DataKey, tenant: TenantId, generation: i64, manifest: &Manifest) -> Vec<u8> {
    let text = serde_json::to_vec(manifest).unwrap_or_default();
    seal(key, &manifest_place(tenant, generation), &text)
}

impl Secrets {
    /// Under a master key.
    #[must_use]
    pub fn new(master: Arc<dyn MasterKey>) -> Self {
        Self { master }
    }

    /// Notes the master key of a new installation, or checks that it is the noted one.
    ///
    /// # Errors
    /// [`SecretsError::OtherMaster`].
    pub async fn register_master(&self, connection: &mut PgConnection) -> Result<(), SecretsError> {
        let given = self.master.id().as_str();
        match store::active_master(connection).await? {
            None => Ok(store::insert_master(connection, given).await?),
            Some(needed) if needed == given => Ok(()),
            Some(needed) => Err(SecretsError::OtherMaster { needed, given: given.to_owned() }),
        }
    }

    /// Makes a tenant's data key and seals its first secrets.
    ///
    /// # Errors
    /// When the master key or the statement fails.
    pub async fn seal_new_tenant(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
        secrets: &[(&str, &[u8])],
    ) -> Result<(), SecretsError> {
        let key = DataKey::generate();
        let place = [tenant.uuid().into_bytes(), key.id().uuid().into_bytes()];
        let wrapped = self.master.wrap(key.bytes(), &[&place[0], &place[1]]).await?;
        let manifest: Manifest = secrets.iter().map(|(name, _)| ((*name).to_owned(), 1)).collect();
        let rows: Vec<SecretRow> = secrets
            .iter()
            .map(|(name, value)| SecretRow {
                name: (*name).to_owned(),
                generation: 1,
                sealed: seal(&key, &secret_place(tenant, name, 1), value),
            })
            .collect();
        let row = DataKeyRow {
            id: key.id().uuid(),
            master_key_id: self.master.id().to_string(),
            wrapped,
            manifest: seal_manifest(&key, tenant, 1, &manifest),
            manifest_generation: 1,
        };
        Ok(store::insert_tenant(connection, tenant, &row, &rows).await?)
    }

    /// Seals a secret, in place of an older one of its name.
    ///
    /// # Errors
    /// When the tenant's key does not open, or a statement fails.
    pub async fn put(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
        name: &str,
        value: &[u8],
    ) -> Result<(), SecretsError> {
        self.change(connection, tenant, name, Some(value)).await
    }

    /// Takes a secret away; finding none is no error.
    ///
    /// # Errors
    /// When the tenant's key does not open, or a statement fails.
    pub async fn remove(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
        name: &str,
    ) -> Result<(), SecretsError> {
        self.change(connection, tenant, name, None).await
    }

    async fn change(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
        name: &str,
        value: Option<&[u8]>,
    ) -> Result<(), SecretsError> {
        let row = store::data_key(connection, tenant, true).await?.ok_or(SecretsError::NoKey(tenant))?;
        let (key, mut manifest) = self.unwrap(tenant, &row).await?;
        let generation = row.manifest_generation + 1;
        let secret = value.map(|value| SecretRow {
            name: name.to_owned(),
            generation,
            sealed: seal(&key, &secret_place(tenant, name, generation), value),
        });
        match &secret {
            Some(_) => manifest.insert(name.to_owned(), generation),
            None => manifest.remove(name),
        };
        let sealed = seal_manifest(&key, tenant, generation, &manifest);
        let row = DataKeyRow { manifest: sealed, manifest_generation: generation, ..row };
        Ok(store::write(connection, tenant, &row, (name, secret.as_ref())).await?)
    }

    /// Opens all secrets of a tenant; none where they are erased.
    ///
    /// # Errors
    /// [`SecretsError::Damaged`] when any of them was changed, moved, put back, added or taken away.
    pub async fn get_many(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
    ) -> Result<BTreeMap<String, SecretSlice<u8>>, SecretsError> {
        let rows = store::secrets(connection, tenant).await?;
        let Some(row) = store::data_key(connection, tenant, false).await? else {
            return match rows.first() {
                None => Ok(BTreeMap::new()),
                Some(_) => Err(SecretsError::NoKey(tenant)),
            };
        };
        let (key, manifest) = self.unwrap(tenant, &row).await?;
        let mut opened = BTreeMap::new();
        for secret in rows {
            let damaged = || SecretsError::Damaged { tenant, name: secret.name.clone() };
            if manifest.get(&secret.name) != Some(&secret.generation) {
                return Err(damaged());
            }
            let place = secret_place(tenant, &secret.name, secret.generation);
            let value = open(&key, &place, &secret.sealed).map_err(|_| damaged())?;
            opened.insert(secret.name.clone(), value);
        }
        match manifest.keys().find(|name| !opened.contains_key(*name)) {
            Some(missing) => Err(SecretsError::Damaged { tenant, name: missing.clone() }),
            None => Ok(opened),
        }
    }

    /// Erases a tenant's data key and secrets: what was sealed, in a backup too, is gone for who
    /// does not hold an older copy of the key.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn erase(&self, connection: &mut PgConnection, tenant: TenantId) -> Result<(), SecretsError> {
        Ok(store::erase(connection, tenant).await?)
    }

    /// Which key seals how much.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn status(&self, connection: &mut PgConnection) -> Result<SecretStatus, SecretsError> {
        let in_use = self.master.id().as_str();
        let rows = store::masters(connection).await?;
        let master_keys = rows
            .into_iter()
            .map(|row| MasterStatus {
                in_use: row.id == in_use,
                id: row.id,
                state: row.state,
                data_keys: row.data_keys,
                sealed_values: row.sealed_values,
            })
            .collect();
        Ok(SecretStatus { master_key: in_use.to_owned(), master_keys })
    }

    async fn unwrap(&self, tenant: TenantId, row: &DataKeyRow) -> Result<(DataKey, Manifest), SecretsError> {
        if row.master_key_id != self.master.id().as_str() {
            let given = self.master.id().to_string();
            return Err(SecretsError::OtherMaster { needed: row.master_key_id.clone(), given });
        }
        let place = [tenant.uuid().into_bytes(), row.id.into_bytes()];
        let bytes = self.master.unwrap(&row.wrapped, &[&place[0], &place[1]]).await?;
        let key = DataKey::new(DataKeyId::from(row.id), bytes);
        let damaged = || SecretsError::Damaged { tenant, name: "the list of secrets".to_owned() };
        let text = open(&key, &manifest_place(tenant, row.manifest_generation), &row.manifest)
            .map_err(|_| damaged())?;
        let manifest = serde_json::from_slice(text.expose_secret()).map_err(|_| damaged())?;
        Ok((key, manifest))
    }
}
