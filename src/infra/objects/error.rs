//! What can go wrong at an object store.

use crate::kernel::Failure;
use crate::settings::SecretSettingError;

/// A request to an object store that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum ObjectError {
    /// No answer, or one that says that the store is not healthy.
    #[error("the object store at {endpoint} does not answer: {reason}")]
    #[failure(Unavailable, "store_unavailable")]
    #[hint(if is_here(endpoint), "see what is running" => LocalAction::Status)]
    #[hint(if is_here(endpoint), "ask a registered store" => PlaceAction::Check(PlaceKind::Store, None))]
    #[hint(else, "ask it again" => PlaceAction::Check(PlaceKind::Store, None))]
    Unavailable { endpoint: String, reason: String },
    /// The store did not answer a moment ago, and is not asked again for a while.
    #[error("the object store at {endpoint} does not answer, as was found a moment ago")]
    #[failure(Unavailable, "store_unavailable")]
    #[hint("ask it again" => PlaceAction::Check(PlaceKind::Store, None))]
    Down { endpoint: String },
    /// It answered that it has too much to do: this request alone failed.
    #[error("the object store at {endpoint} has too much to do: it answered {status}")]
    #[failure(Unavailable, "store_busy")]
    #[hint("try again in a moment")]
    Busy { endpoint: String, status: u16 },
    /// It answered that it cannot do this: this request alone failed.
    #[error("the object store at {endpoint} could not do it: it answered {status}")]
    #[failure(Unavailable, "store_unavailable")]
    #[hint("ask it again" => PlaceAction::Check(PlaceKind::Store, None))]
    Ill { endpoint: String, status: u16 },
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
    #[hint("see what else is missing" => FsckAction::Inspect)]
    Missing {
        /// What it is, e.g. `key NX…`.
        what: String,
    },
    /// A newer attempt of the same operation has taken over.
    #[error("another process has taken this operation over")]
    #[failure(Busy, "operation_fenced")]
    #[hint("see how far the other one is" => OperationAction::ListOpen)]
    #[hint("where no other process is at work, see whether the control database is an older one" => FsckAction::Inspect)]
    Fenced,
    /// The store refused our own rights.
    #[error("the object store at {endpoint} refused: {reason}")]
    #[failure(Unavailable, "store_refused")]
    #[hint("see which credentials are used" => PlatformAction::ShowSettings)]
    #[hint("ask a registered store" => PlaceAction::Check(PlaceKind::Store, None))]
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
    use crate::kernel::Hint;
    use crate::kernel::hint::{LocalAction, PlaceAction, PlaceKind};

    fn hints(endpoint: &str) -> Vec<Hint> {
        let (endpoint, reason) = (endpoint.to_owned(), "gone".to_owned());
        ObjectError::Unavailable { endpoint, reason }.hints()
    }

    #[test]
    fn the_local_stack_is_named_only_where_the_store_may_be_part_of_it() {
        let running = Hint::new("see what is running", LocalAction::Status);
        assert!(hints("http://127.0.0.1:9000").contains(&running));
        let again = Hint::new("ask it again", PlaceAction::Check(PlaceKind::Store, None));
        assert_eq!(hints("https://store.example.com"), [again]);
    }
}
