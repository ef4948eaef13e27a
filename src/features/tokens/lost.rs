//! Signing keys of which only a part is left, because somebody changed the control database: a row
//! without what was sealed of it, or what was sealed without a row in use.

use serde_json::json;

use super::Tokens;
use super::error::TokenError;
use super::keys::{note, public_name};
use super::model::{KeyState, KeyView, Purpose, Rotated};
use super::store;
use crate::features::access::Authorized;
use crate::features::secrets::SecretsError;
use crate::infra::db::{PgConnection, transaction};
use crate::kernel::hint::TokenAction;
use crate::kernel::{ErrorKind, Failure, TenantId};

impl Tokens {
    /// Erases what is left of a key that is not in use. None, and nothing done, where nothing is left
    /// or the key is in use; with `dry_run` only says so.
    pub(super) async fn retire_remains(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        kid: &str,
        dry_run: bool,
    ) -> Result<Option<Rotated>, TokenError> {
        let mut tx = transaction(control).await?;
        store::lock(&mut tx).await?;
        let rows = store::keys(&mut tx).await?;
        let row = rows.iter().find(|row| row.kid == kid);
        let in_use = row.is_some_and(|row| row.state != KeyState::Gone);
        if in_use || !self.destroy_key(&mut tx, kid).await? {
            return Ok(tx.rollback().await.map(|()| None)?);
        }
        let rotated = Rotated {
            algorithm: row.map_or("unknown", |row| &row.algorithm).to_owned(),
            active: None,
            retiring: None,
            next: None,
            gone: Some(kid.to_owned()),
        };
        if dry_run {
            tx.rollback().await?;
        } else {
            note(&mut tx, caller, "key.retire", json!(rotated)).await?;
            tx.commit().await?;
        }
        Ok(Some(rotated))
    }

    /// The next key, if it can sign; else it is taken out of use.
    pub(super) async fn usable(
        &self,
        tx: &mut PgConnection,
        next: Option<KeyView>,
    ) -> Result<Option<KeyView>, TokenError> {
        let Some(next) = next else { return Ok(None) };
        match self.open(tx, &next.kid, next.algorithm.parse()?).await {
            Ok(_) => Ok(Some(next)),
            Err(error) if matches!(error.kind(), ErrorKind::Integrity | ErrorKind::NotFound) => {
                self.destroy_key(tx, &next.kid).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// That nothing whole is sealed of a key, if that is what the error says.
pub(super) fn of_key(row: &KeyView, error: SecretsError) -> TokenError {
    if !is_lost(&error) {
        return error.into();
    }
    let hint = if row.state == KeyState::Active && row.purpose == Purpose::Platform {
        TokenAction::RotateSigningKey { algorithm: Some(row.algorithm.clone()), at_once: true }
    } else {
        TokenAction::RetireSigningKey(Some(row.kid.clone()))
    };
    TokenError::KeyLost { kid: row.kid.clone(), hint: hint.into() }
}

/// The same, where the public halves of several were opened.
pub(super) fn of_one(rows: &[KeyView], error: SecretsError) -> TokenError {
    let row = match &error {
        SecretsError::Damaged { name, .. } | SecretsError::NotFound { name, .. } => {
            rows.iter().find(|row| public_name(&row.kid) == *name)
        }
        _ => rows.first(),
    };
    match row {
        Some(row) => of_key(row, error),
        None => error.into(),
    }
}

pub(super) fn is_lost(error: &SecretsError) -> bool {
    let of_the_platform = |tenant: &TenantId| *tenant == TenantId::PLATFORM;
    match error {
        SecretsError::Damaged { tenant, .. } | SecretsError::NotFound { tenant, .. } => {
            of_the_platform(tenant)
        }
        SecretsError::NoDataKey(tenant) => of_the_platform(tenant),
        _ => false,
    }
}
