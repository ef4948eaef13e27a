//! The platform's keys that sign, as this process opened them: whether one still signs is said when what it
//! signed is recorded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::infra::crypto::signing::{Algorithm, SigningKey};

/// Keys that are open. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Signers(Arc<Mutex<HashMap<Algorithm, Arc<SigningKey>>>>);

impl Signers {
    pub(super) fn get(&self, algorithm: Algorithm) -> Option<Arc<SigningKey>> {
        self.open().get(&algorithm).cloned()
    }

    pub(super) fn keep(&self, key: &Arc<SigningKey>) {
        self.open().insert(key.public().algorithm(), Arc::clone(key));
    }

    /// Forgets a key that has stopped signing.
    pub(super) fn forget(&self, algorithm: Algorithm) {
        self.open().remove(&algorithm);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Algorithm, Arc<SigningKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
