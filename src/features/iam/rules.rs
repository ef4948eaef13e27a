//! How passwords are hashed, and how long things last.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::infra::crypto::password::{Cost, Hasher};
use crate::settings::{PasswordSettings, TenantSettings};

/// How passwords are hashed, and how long things last.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Wrong passwords in a row after which an account waits.
    pub guesses: u32,
    pub wait: Duration,
    /// How long an invitation is good for.
    pub invitation_ttl: Duration,
    /// How long a token that resets a password is good for.
    pub reset_ttl: Duration,
    /// How long deleted users can be undeleted.
    pub retention: Duration,
}

impl Rules {
    /// Of the settings.
    #[must_use]
    pub fn new(passwords: &PasswordSettings, tenants: &TenantSettings) -> Self {
        Self {
            hasher: hasher(passwords),
            guesses: passwords.guesses,
            wait: passwords.wait,
            invitation_ttl: tenants.invitation_ttl,
            reset_ttl: passwords.reset_ttl,
            retention: passwords.retention,
        }
    }
}

/// What hashes passwords as the settings say.
pub(super) fn hasher(passwords: &PasswordSettings) -> Hasher {
    let at_once = passwords.at_once.and_then(|n| NonZeroUsize::new(usize::try_from(n).unwrap_or(1)));
    let hasher = at_once.map_or_else(Hasher::default, Hasher::new);
    let (memory_kib, passes, lanes) = (passwords.memory_kib, passwords.passes, passwords.lanes);
    hasher.with_cost(Cost { memory_kib, passes, lanes })
}
