//! How old the control database is, by what is kept outside of it.

use super::store;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::hint::FsckAction;
use crate::kernel::{Failure, Hint};

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
    pub fn require_current(self) -> Result<(), RecordOlder> {
        match self {
            Self::Current => Ok(()),
            Self::Older => Err(RecordOlder::Restored),
            Self::Moved => Err(RecordOlder::Moved),
        }
    }
}

/// Compares the control database with its stamp. One round trip.
pub(in crate::features) async fn age(control: &mut PgConnection) -> Result<Age, DbError> {
    Ok(Age::of(store::state(control).await?.as_deref()))
}

/// Lets the transaction under way change a control database that is older than its stamp.
pub(in crate::features) async fn accept_age(tx: &mut PgConnection) -> Result<(), DbError> {
    store::accept_state(tx).await
}

/// The control database was restored from a backup that is older than the world.
#[derive(Debug, thiserror::Error, Failure)]
pub enum RecordOlder {
    /// A place has seen a younger change of a tenant.
    #[error(
        "the control database is older than what it describes: it has recorded {record} changes, but {place} has seen change {world} of this installation; it was probably restored from a backup"
    )]
    #[failure(Integrity, "record_older_than_world")]
    #[hints(ways_on())]
    #[details(place, world, record)]
    Place {
        /// What has seen more, e.g. `cluster eu1`.
        place: String,
        world: i64,
        record: i64,
    },
    /// Its own server has seen a younger change.
    #[error(
        "the control database lacks changes that its server has seen; it was probably restored from a backup"
    )]
    #[failure(Integrity, "record_older_than_world")]
    #[hints(ways_on())]
    #[details(place = "control")]
    Restored,
    /// Its own server has seen nothing of it.
    #[error(
        "the server of the control database has never seen it; it was probably restored there from a backup"
    )]
    #[failure(Integrity, "record_older_than_world")]
    #[hints(ways_on())]
    #[details(place = "control")]
    Moved,
}

fn ways_on() -> [Hint; 2] {
    [
        Hint::new("see what differs, and change nothing", FsckAction::Inspect),
        Hint::new(
            "restore a newer backup of the control database, or go on with this one",
            FsckAction::AcceptRecord,
        ),
    ]
}
