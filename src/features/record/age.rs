//! How old the control database is, by what is kept outside of it.

use super::store;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{ErrorKind, Failure};

/// How the control database compares with the stamp that its own server keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Age {
    /// They fit, or nothing was stamped yet.
    #[default]
    Current,
    /// The server has seen a change that this database does not have.
    Older,
    /// The server keeps no stamp, and one was kept.
    Moved,
}

impl Age {
    /// Of the word that the database says.
    #[must_use]
    pub fn of(word: Option<&str>) -> Self {
        match word {
            Some("older") => Self::Older,
            Some("moved") => Self::Moved,
            _ => Self::Current,
        }
    }

    /// Fails where changes since may be lost.
    ///
    /// # Errors
    /// [`RecordOlder`].
    pub fn require_current(self) -> Result<(), RecordOlder> {
        match self {
            Self::Current => Ok(()),
            Self::Older => Err(RecordOlder::Restored),
            Self::Moved => Err(RecordOlder::Moved),
        }
    }
}

/// Compares the control database with its stamp. One round trip.
///
/// # Errors
/// When the statement fails.
pub async fn age(control: &mut PgConnection) -> Result<Age, DbError> {
    Ok(Age::of(store::state(control).await?.as_deref()))
}

/// Lets the transaction under way change a control database that is older than its stamp.
///
/// # Errors
/// When the statement fails.
pub async fn accept_age(tx: &mut PgConnection) -> Result<(), DbError> {
    store::accept_state(tx).await
}

/// The control database was restored from a backup that is older than the world.
#[derive(Debug, thiserror::Error)]
pub enum RecordOlder {
    /// A place has seen a younger change of a tenant.
    #[error(
        "the control database is older than what it describes: it has made {record} changes, and {place} has \
         seen change {world} of this installation; it was probably restored from a backup"
    )]
    Place {
        /// What has seen more, e.g. `cluster eu1`.
        place: String,
        /// The youngest change that it has seen.
        world: i64,
        /// The youngest change that the control database knows.
        record: i64,
    },
    /// Its own server has seen a younger change.
    #[error(
        "the control database lacks changes that its server has seen; it was probably restored from a backup"
    )]
    Restored,
    /// Its own server has seen nothing of it.
    #[error(
        "the server of the control database has never seen it; it was probably restored there from a backup"
    )]
    Moved,
}

impl Failure for RecordOlder {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Integrity
    }

    fn code(&self) -> &'static str {
        "record_older_than_world"
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "see what differs, and change nothing: nexus fsck".to_owned(),
            "restore a newer backup of the control database, or go on with this one: nexus fsck --accept-record"
                .to_owned(),
        ]
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::Place { place, world, record } => {
                serde_json::json!({ "place": place, "world": world, "record": record })
            }
            Self::Restored | Self::Moved => serde_json::json!({ "place": "control" }),
        }
    }
}
