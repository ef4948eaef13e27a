//! What can go wrong at an object store.

use crate::kernel::{ErrorKind, Failure};
use crate::settings::SecretSettingError;

/// A request to an object store that failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No answer, or one that says that the store is ill.
    #[error("the object store at {endpoint} does not answer: {reason}")]
    Unavailable {
        /// Where.
        endpoint: String,
        /// What happened instead.
        reason: String,
    },
    /// It did not answer a moment ago, and is left alone for a while.
    #[error("the object store at {endpoint} does not answer, as was found a moment ago")]
    Down {
        /// Where.
        endpoint: String,
    },
    /// It has no room.
    #[error("the object store at {endpoint} is full: it has no room on its disk")]
    Full {
        /// Where.
        endpoint: String,
    },
    /// It is there, and not ours.
    #[error("{what} is there already and was not made by this installation")]
    Foreign {
        /// What it is, e.g. `bucket nx…`.
        what: String,
    },
    /// It should be there and is not.
    #[error("{what} is not there any more")]
    Missing {
        /// What it is, e.g. `key NX…`.
        what: String,
    },
    /// A younger attempt of the same operation has taken over.
    #[error("another process has taken this operation over")]
    Fenced,
    /// The store refused our own rights.
    #[error("the object store at {endpoint} refused: {reason}")]
    Refused {
        /// Where.
        endpoint: String,
        /// Its word.
        reason: String,
    },
    /// The administrator's secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretSettingError),
}

impl Failure for ObjectError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::Down { .. } | Self::Full { .. } | Self::Refused { .. } => {
                ErrorKind::Unavailable
            }
            Self::Foreign { .. } => ErrorKind::Conflict,
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Fenced => ErrorKind::Busy,
            Self::Secret(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::Down { .. } => "store_unavailable",
            Self::Full { .. } => "store_full",
            Self::Foreign { .. } => "store_foreign",
            Self::Missing { .. } => "store_missing",
            Self::Fenced => "operation_fenced",
            Self::Refused { .. } => "store_refused",
            Self::Secret(error) => error.code(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unavailable { endpoint, .. } if is_here(endpoint) => vec![
                "see what is running: nexus local status".to_owned(),
                "ask a registered store: nexus store check NAME".to_owned(),
            ],
            Self::Unavailable { .. } | Self::Down { .. } => {
                vec!["ask it again: nexus store check NAME".to_owned()]
            }
            Self::Full { .. } => vec!["free some space on the store's disk, then repeat".to_owned()],
            Self::Refused { .. } => vec![
                "see which credentials are used: nexus config show".to_owned(),
                "ask a registered store: nexus store check NAME".to_owned(),
            ],
            Self::Foreign { what } => vec![format!("delete or rename the other {what}, if nobody needs it")],
            Self::Missing { .. } => vec!["see what else is missing: nexus fsck".to_owned()],
            Self::Fenced => vec![
                "see how far the other one is: nexus operation list --open".to_owned(),
                "where no other process is at work, see whether the control database is an older one: nexus fsck"
                    .to_owned(),
            ],
            Self::Secret(error) => error.hints(),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::Secret(error) => error.details(),
            _ => serde_json::Value::Null,
        }
    }
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
