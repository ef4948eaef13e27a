//! Whether the control database is as young as the world: servers and stores keep the highest fence
//! that they have seen, and every change of a tenant takes a higher one.

use super::store;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{ErrorKind, Failure};

/// The control database was restored from a backup that is older than the world.
#[derive(Debug, thiserror::Error)]
#[error(
    "the control database is older than what it describes: it has made {record} changes, and {place} has seen \
     change {world} of this installation; it was probably restored from a backup"
)]
pub struct RecordOlder {
    /// What has seen more, e.g. `cluster eu1`.
    pub place: String,
    /// The youngest change that it has seen.
    pub world: i64,
    /// The youngest change that the control database knows.
    pub record: i64,
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
        serde_json::json!({ "place": self.place, "world": self.world, "record": self.record })
    }
}

/// Compares what a place has seen, which must have been read before, with the control database.
///
/// # Errors
/// When the statement fails.
pub async fn compare_age(
    control: &mut PgConnection,
    place: &str,
    world: i64,
) -> Result<Option<RecordOlder>, DbError> {
    if world == 0 {
        return Ok(None);
    }
    let record = store::last_fence(control).await?;
    Ok((world > record).then(|| RecordOlder { place: place.to_owned(), world, record }))
}
