//! What users may do, kept in memory between requests. It is good for as long as the realm's version of rights
//! is the one that it was read with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::grants::Grants;
use crate::kernel::{TenantId, UserId};

/// From when on it is read again whatever the version: migrations, locks after wrong passwords and programs of
/// an older release change rights and do not raise it.
const STALE: Duration = Duration::from_secs(2);
/// Most users that are remembered.
const MOST: usize = 10_000;

/// What users may do. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct GrantsCache(Arc<Mutex<HashMap<(TenantId, UserId), Kept>>>);

#[derive(Debug)]
struct Kept {
    version: i64,
    read_at: Instant,
    grants: Arc<Grants>,
}

impl GrantsCache {
    /// What a user may do, where that is known at this version of the realm's rights.
    pub(in crate::features) fn get(&self, user: (TenantId, UserId), version: i64) -> Option<Arc<Grants>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get(&user).filter(|kept| kept.version == version && kept.read_at.elapsed() < STALE)?;
        Some(Arc::clone(&kept.grants))
    }

    /// Keeps what was read after the version was.
    pub(in crate::features) fn keep(&self, user: (TenantId, UserId), version: i64, grants: &Arc<Grants>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, kept| kept.read_at.elapsed() < STALE);
        }
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(user, Kept { version, read_at: Instant::now(), grants: Arc::clone(grants) });
    }
}
