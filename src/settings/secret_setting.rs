//! A setting that refers to a secret: who has to correct it must learn what it is called.

use super::secret_ref::{SecretError, SecretRef};
use crate::kernel::{Failure, SecretString};

/// A reference to a secret, and the key that it is the value of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSetting {
    /// The whole path of the key, e.g. `context.prod.store.admin_token`.
    pub key: String,
    /// Where the secret lies.
    pub reference: SecretRef,
}

impl SecretSetting {
    /// Fetches the secret.
    pub async fn resolve(&self) -> Result<SecretString, SecretSettingError> {
        self.reference.resolve().await.map_err(|reason| SecretSettingError {
            key: self.key.clone(),
            reference: self.reference.to_string(),
            reason,
        })
    }
}

/// The secret that a setting refers to could not be read.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{key} refers to {reference}, {}", why(reason))]
#[failure(transparent(reason))]
#[hints(reason.hints())]
#[hint(if let SecretError::Unset(name) = reason, "export {name}, or let {key} refer to a file: file:PATH")]
#[hint("see which settings are in force" => PlatformAction::ShowSettings)]
#[details(key, reference)]
pub struct SecretSettingError {
    key: String,
    reference: String,
    #[source]
    reason: SecretError,
}

/// What goes on after the reference.
fn why(reason: &SecretError) -> String {
    match reason {
        SecretError::Unset(_) => "which is not set".to_owned(),
        SecretError::Unreadable { source, .. } => format!("which cannot be read: {source}"),
        SecretError::Open { mode, .. } => format!("which can be read by others (mode {mode:04o})"),
        SecretError::Untrusted { reason, .. } => format!("which is not trusted: {reason}"),
        SecretError::NotAFile(_) => "which is not an ordinary file".to_owned(),
        SecretError::NotStarted { source, .. } => format!("which cannot be run: {source}"),
        SecretError::Ended { status, .. } => format!("which ended with {status}"),
        SecretError::Content { .. } => {
            "which holds no secret: it is empty, longer than 64 KiB, or not UTF-8 text".to_owned()
        }
    }
}
