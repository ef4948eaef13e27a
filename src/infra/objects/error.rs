//! What can go wrong at an object store.

use crate::kernel::Failure;
use crate::settings::SecretSettingError;

/// A request to an object store that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum ObjectError {
    /// No answer, or one that says that the store is not healthy.
    #[error("the object store at {endpoint} does not answer: {reason}")]
    #[failure(Unavailable, "store_unavailable")]
    #[hint(if is_here(endpoint), "see what is running: nexus local status")]
    #[hint(if is_here(endpoint), "ask a registered store: nexus store check NAME")]
    #[hint(else, "ask it again: nexus store check NAME")]
    Unavailable { endpoint: String, reason: String },
    /// The store did not answer a moment ago, and is not asked again for a while.
    #[error("the object store at {endpoint} does not answer, as was found a moment ago")]
    #[failure(Unavailable, "store_unavailable")]
    #[hint("ask it again: nexus store check NAME")]
    Down { endpoint: String },
    /// The store has no room.
    #[error("the object store at {endpoint} is full: it has no room on its disk")]
    #[failure(Unavailable, "store_full")]
    #[hint("free some space on the store's disk, then repeat")]
    Full { endpoint: String },
    /// Something of that name is in the store, but this installation did not create it.
    #[error("{what} already exists and was not created by this installation")]
    #[failure(Conflict, "store_foreign")]
    #[hint("delete or rename the other {what}, if nobody needs it")]
    Foreign {
        /// What it is, e.g. `bucket nx…`.
        what: String,
    },
    /// Something that should be in the store does not exist.
    #[error("{what} no longer exists")]
    #[failure(NotFound, "store_missing")]
    #[hint("see what else is missing: nexus fsck")]
    Missing {
        /// What it is, e.g. `key NX…`.
        what: String,
    },
    /// A newer attempt of the same operation has taken over.
    #[error("another process has taken this operation over")]
    #[failure(Busy, "operation_fenced")]
    #[hint("see how far the other one is: nexus operation list --open")]
    #[hint("where no other process is at work, see whether the control database is an older one: nexus fsck")]
    Fenced,
    /// The store refused our own rights.
    #[error("the object store at {endpoint} refused: {reason}")]
    #[failure(Unavailable, "store_refused")]
    #[hint("see which credentials are used: nexus config show")]
    #[hint("ask a registered store: nexus store check NAME")]
    Refused { endpoint: String, reason: String },
    /// The administrator's secret cannot be read.
    #[error(transparent)]
    #[failure(transparent)]
    Secret(#[from] SecretSettingError),
}

/// Whether an endpoint is on this machine, as that of the local stack is.
fn is_here(endpoint: &str) -> bool {
    let authority = endpoint.split("//").nth(1).unwrap_or(endpoint);
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| authority.starts_with(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(endpoint: &str) -> String {
        let (endpoint, reason) = (endpoint.to_owned(), "gone".to_owned());
        ObjectError::Unavailable { endpoint, reason }.hints().join("\n")
    }

    #[test]
    fn the_local_stack_is_named_only_where_the_store_may_be_part_of_it() {
        assert!(hints("http://127.0.0.1:9000").contains("nexus local status"));
        assert!(!hints("https://store.example.com").contains("nexus local"));
        assert!(hints("https://store.example.com").contains("nexus store check NAME"));
    }
}
