//! Opening the secrets of many tenants: two statements for all of them.

use std::collections::{BTreeMap, HashMap};

use secrecy::SecretString;

use super::error::SecretsError;
use super::service::Secrets;
use super::store;
use crate::infra::db::{PgConnection, transaction};
use crate::kernel::TenantId;

/// A tenant's secrets by name, or why they do not open.
pub type OpenedOrNot = Result<BTreeMap<String, SecretString>, SecretsError>;

impl Secrets {
    /// Opens all secrets of many tenants; those that have none are left out. One that does not open
    /// spoils its own tenant's answer only.
    ///
    /// # Errors
    /// The control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn get_all_of(
        &self,
        conn: &mut PgConnection,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, OpenedOrNot>, SecretsError> {
        let mut tx = transaction(conn).await.map_err(SecretsError::Connection)?;
        store::one_snapshot(&mut tx).await?;
        let keys = store::keys_of(&mut tx, tenants).await?;
        let mut rows: HashMap<TenantId, Vec<store::SecretRow>> = HashMap::new();
        for (tenant, row) in store::secrets_of(&mut tx, tenants).await? {
            rows.entry(tenant).or_default().push(row);
        }
        tx.commit().await?;
        let mut opened = HashMap::with_capacity(keys.len());
        for (tenant, key) in keys {
            let rows = rows.remove(&tenant).unwrap_or_default();
            opened.insert(tenant, self.open_all(tenant, &key, &rows).await);
        }
        Ok(opened)
    }

    /// The tenants that have sealed secrets, the platform apart.
    ///
    /// # Errors
    /// The control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn holders(&self, conn: &mut PgConnection) -> Result<Vec<TenantId>, SecretsError> {
        Ok(store::holders(conn).await?)
    }
}
