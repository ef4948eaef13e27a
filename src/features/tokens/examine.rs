//! Whether signing keys and revocations are all there, as they were written: keys by what is sealed of
//! them and by the audit log, revocations by their ledger.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;
use serde_json::Value;
use uuid::Uuid;

use super::error::TokenError;
use super::keys::{private_name, public_name};
use super::model::{KeyState, KeyView};
use super::store;
use crate::features::audit::{self, AuditError, AuditFilter};
use crate::features::record;
use crate::features::secrets::{Secrets, SecretsError};
use crate::infra::db::{DbError, PgConnection, snapshot};
use crate::kernel::{ErrorKind, Failure, Page, TenantId};

/// Most changes of keys that are looked at, the newest first.
const CHANGES: u32 = 1000;

/// Something of signing keys or revocations that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningFlaw {
    /// `signing_keys_changed`, `revocations_changed` or `platform_secrets_damaged`.
    pub code: &'static str,
    /// What, e.g. `signing key 12ab…`.
    pub object: String,
    pub detail: String,
}

/// Looks at all of them, in one state of the control database.
pub(in crate::features) async fn examine(
    control: &mut PgConnection,
    secrets: &Secrets,
) -> Result<Vec<SigningFlaw>, TokenError> {
    let mut tx = snapshot(control).await?;
    let mut flaws = Vec::new();
    let rows = store::keys_as_recorded(&mut tx).await?;
    match secrets.get_all(&mut tx, TenantId::PLATFORM).await {
        Ok(opened) => {
            let opened = opened.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
            sealed(&rows, &opened, &mut flaws);
        }
        Err(error @ SecretsError::Connection(_)) => return Err(error.into()),
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error.into()),
        Err(SecretsError::Damaged { name, .. }) if kid_of(&name).is_some() => {
            let kid = kid_of(&name).unwrap_or_default();
            flaws.push(of_key(kid, "its sealed part was changed or removed"));
        }
        Err(error) => flaws.push(SigningFlaw {
            code: "platform_secrets_damaged",
            object: "the platform's sealed values".to_owned(),
            detail: error.to_string(),
        }),
    }
    let filter = AuditFilter { action: Some("key.".to_owned()), ..AuditFilter::default() };
    let changes = audit::read_page(&mut tx, &filter, Page { page: 1, limit: CHANGES }).await;
    let (changes, _) = changes.map_err(|error| match error {
        AuditError::Db(error) => TokenError::Db(error),
        other => TokenError::Db(DbError::Unexpected(sqlx::Error::Configuration(other.into()))),
    })?;
    let changes: Vec<(String, Value)> = changes.into_iter().map(|row| (row.action, row.detail)).collect();
    states(&rows, &changes, &mut flaws);
    if let Some(wrong) = record::revocations_flaw(&mut tx, secrets.record_key()).await? {
        flaws.push(SigningFlaw {
            code: "revocations_changed",
            object: "the ledger of revocations".to_owned(),
            detail: wrong.to_owned(),
        });
    }
    for (object, detail) in store::ledger_flaws(&mut tx).await? {
        flaws.push(SigningFlaw { code: "revocations_changed", object, detail });
    }
    tx.commit().await?;
    Ok(flaws)
}

/// The key whose half is sealed under this name.
fn kid_of(name: &str) -> Option<&str> {
    name.strip_prefix(&*public_name("")).or_else(|| name.strip_prefix(&*private_name("")))
}

fn of_key(kid: &str, detail: &str) -> SigningFlaw {
    SigningFlaw {
        code: "signing_keys_changed",
        object: format!("signing key {kid}"),
        detail: detail.to_owned(),
    }
}

/// Compares the rows with what is sealed.
fn sealed(rows: &[KeyView], opened: &BTreeMap<&str, &str>, flaws: &mut Vec<SigningFlaw>) {
    for row in rows {
        let (public, private) = (opened.get(&*public_name(&row.kid)), private_name(&row.kid));
        let private = opened.contains_key(&*private);
        let signs = matches!(row.state, KeyState::Active | KeyState::Next);
        let wrong = match (public, row.state) {
            (Some(_), KeyState::Gone) => Some("its row says that it is gone, but it is sealed as one in use"),
            (None, KeyState::Gone) => None,
            (None, _) => Some("it is in use, but nothing is sealed of it"),
            (Some(text), _) if !fits(row, text) => Some("its row does not match what was sealed"),
            (Some(_), _) if signs && !private => Some("it signs, and its private half is not sealed"),
            (Some(_), _) if !signs && private => Some("its row says that it no longer signs, but it does"),
            _ => None,
        };
        flaws.extend(wrong.map(|wrong| of_key(&row.kid, wrong)));
    }
    let known: BTreeSet<&str> = rows.iter().map(|row| row.kid.as_str()).collect();
    let names = opened.keys().filter_map(|name| kid_of(name));
    let lost: BTreeSet<&str> = names.filter(|kid| !known.contains(kid)).collect();
    flaws.extend(lost.into_iter().map(|kid| of_key(kid, "its row is gone")));
}

fn fits(row: &KeyView, sealed: &str) -> bool {
    let Ok(sealed) = serde_json::from_str::<Value>(sealed) else { return false };
    // A key from before there were any signs for no realm.
    let realms: Vec<Uuid> = serde_json::from_value(sealed["realms"].clone()).unwrap_or_default();
    realms == row.realms
        && sealed["jwk"] == row.public_jwk
        && sealed["purpose"] == row.purpose.as_str()
        && sealed["algorithm"] == row.algorithm.as_str()
        && sealed["good_until"].is_null() == (row.state != KeyState::Retiring)
        && sealed["good_until"].as_i64() == row.good_until.map(time::OffsetDateTime::unix_timestamp)
}

/// Compares which key signs and which is published next with the last changes that the audit log has,
/// the newest first.
fn states(rows: &[KeyView], changes: &[(String, Value)], flaws: &mut Vec<SigningFlaw>) {
    let mut last: BTreeMap<(String, &'static str), String> = BTreeMap::new();
    for (action, detail) in changes {
        let algorithm = detail["algorithm"].as_str().unwrap_or_default();
        // A development key has no successor.
        if action == "key.create" && detail["next"].is_null() {
            continue;
        }
        for field in ["active", "next"] {
            if let Some(kid) = detail[field].as_str() {
                last.entry((algorithm.to_owned(), field)).or_insert_with(|| kid.to_owned());
            }
        }
    }
    for ((_, field), kid) in last {
        let state = if field == "active" { KeyState::Active } else { KeyState::Next };
        let row = rows.iter().find(|row| row.kid == kid);
        if row.is_none_or(|row| row.state != state) {
            let is = row.map_or("gone", |row| row.state.as_str());
            let detail = format!("the audit log says that it is {}, but its row is {is}", state.as_str());
            flaws.push(of_key(&kid, &detail));
        }
    }
}
