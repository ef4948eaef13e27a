//! The master key of a context.

use std::sync::Arc;

use super::addresses::Addresses;
use crate::features::installation;
use crate::infra::crypto::master::{LocalMasterKey, MasterKey, MasterKeyError};
use crate::kernel::{AnyFailure, Event, Progress};
use crate::settings::{KeySettings, SecretRef};

/// The key that the settings refer to.
pub(super) async fn master(keys: &KeySettings) -> Result<Arc<dyn MasterKey>, AnyFailure> {
    Ok(Arc::new(match &keys.master.reference {
        SecretRef::File(path) => LocalMasterKey::from_file(path)?,
        other => LocalMasterKey::from_text(&keys.master.resolve().await?, &other.to_string())?,
    }))
}

/// The same; where it is a file that is not there and nothing was ever sealed, a new one.
pub(super) async fn master_or_new(
    keys: &KeySettings,
    addresses: &Addresses,
    progress: &dyn Progress,
) -> Result<Arc<dyn MasterKey>, AnyFailure> {
    let SecretRef::File(path) = &keys.master.reference else { return master(keys).await };
    match LocalMasterKey::from_file(path) {
        Err(MasterKeyError::Missing(place)) => {
            // A database that is set up was sealed with another key: a new one would open nothing.
            if let Ok(mut control) = addresses.control.connect("nexus:init").await
                && installation::open(&mut control, &addresses.control, None).await.is_ok()
            {
                return Err(MasterKeyError::Missing(place).into());
            }
            progress.event(Event::Note(format!(
                "creating a master key in {}; keep a copy of it in a safe place",
                place.display()
            )));
            match LocalMasterKey::generate_key_file(path) {
                // Somebody else made it at the same moment.
                Err(MasterKeyError::File(_)) if path.exists() => {
                    Ok(Arc::new(LocalMasterKey::from_file(path)?))
                }
                made => Ok(Arc::new(made?)),
            }
        }
        found => Ok(Arc::new(found?)),
    }
}
