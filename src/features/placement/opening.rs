//! Opening a server for changes: whether it is the one that was registered, and whether the control
//! database is as young as it. A server keeps the highest fence that it has seen, and every change of
//! a tenant takes a higher one.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::PlacementError;
use super::store;
use crate::features::record::RecordOlder;
use crate::infra::cluster::ServerState;
use crate::infra::db::{DbError, PgConnection};

/// What the control database says of a server that is to be opened.
#[derive(Debug, Clone)]
pub struct ServerRecord {
    /// Most sessions of the whole platform; `None`: not limited.
    pub connections: Option<i32>,
    /// The identifier that it had when it was registered or checked first.
    pub system_id: Option<String>,
    /// The highest fence that was given out when this was read.
    pub fence: i64,
}

impl ServerRecord {
    /// The statement that reads it, of the server whose name this expression gives.
    #[must_use]
    pub fn statement(name: &str) -> String {
        store::server_statement(name)
    }

    /// Of a row of that statement; `None` where it is another's.
    ///
    /// # Errors
    /// When a column is not what it should be.
    pub fn of_row(row: &PgRow) -> Result<Option<Self>, sqlx::Error> {
        if row.try_column("last_fence").is_err() {
            return Ok(None);
        }
        Ok(Some(Self {
            connections: row.try_get("connections")?,
            system_id: row.try_get("system_id")?,
            fence: row.try_get("last_fence")?,
        }))
    }

    /// Reads it, in one round trip.
    pub(in crate::features) async fn read(control: &mut PgConnection, name: &str) -> Result<Self, DbError> {
        let row = store::server_record(control, name).await?;
        let nothing = Self { connections: None, system_id: None, fence: 0 };
        Ok(row.map_or(Ok(None), |row| Self::of_row(&row))?.unwrap_or(nothing))
    }

    /// Fails where the server is another one than was registered, or has seen more than the control
    /// database knows.
    ///
    /// # Errors
    /// [`PlacementError::OtherServer`], [`PlacementError::RecordOlder`].
    pub(in crate::features) async fn admit(
        &self,
        control: &mut PgConnection,
        name: &str,
        is: &ServerState,
    ) -> Result<(), PlacementError> {
        if let Some(recorded) = self.system_id.as_ref().filter(|recorded| **recorded != is.system_id) {
            let (recorded, is) = (recorded.clone(), is.system_id.clone());
            return Err(PlacementError::OtherServer { name: name.to_owned(), is, recorded });
        }
        let place = format!("cluster {name}");
        match compare_age(control, &place, is.high_water, self.fence).await? {
            Some(older) => Err(older.into()),
            None => Ok(()),
        }
    }
}

/// Compares what a place has seen with the control database, which had given out `known` fences before
/// the place was asked; 0: not read. It is read again only where the place has seen more: somebody may
/// have made a change meanwhile.
pub(in crate::features) async fn compare_age(
    control: &mut PgConnection,
    place: &str,
    world: i64,
    known: i64,
) -> Result<Option<RecordOlder>, DbError> {
    if world <= known {
        return Ok(None);
    }
    let record = store::last_fence(control).await?;
    Ok((world > record).then(|| RecordOlder::Place { place: place.to_owned(), world, record }))
}
