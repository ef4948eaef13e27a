//! Reading the log of a realm's events.

use serde_json::Map;
use time::OffsetDateTime;

use super::error::EventError;
use super::filter::EventFilter;
use super::model::{EventView, Patterns};
use crate::features::iam::{IamError, Realm, RowsTx};
use crate::features::outbox::{self, LogEnds, LoggedEvent};
use crate::infra::db::DbError;
use crate::kernel::Caller;

/// Rows that are read at once: payloads are long, perhaps.
const WINDOW: i64 = 100;
/// Bytes of payloads after which a page ends: a reader keeps all of them in memory.
const MOST_BYTES: usize = 256 * 1024;
/// Most windows of a page: where few of many events are wanted, it ends before it is full.
const MOST_WINDOWS: usize = 10;

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPosition {
    /// With the oldest event that is kept.
    Oldest,
    /// After this position: all that follow are told, or none.
    After(i64),
    /// With the first that was published at this moment or later, of those that are kept.
    At(OffsetDateTime),
    /// With what is published from now on.
    Now,
    /// So many before the newest, of those that are kept.
    Last(i64),
}

/// Which events a reader wants.
#[derive(Debug, Clone)]
pub struct EventQuery {
    pub from: StartPosition,
    pub types: Patterns,
    /// Most events.
    pub limit: usize,
}

/// Some of a realm's events.
#[derive(Debug)]
pub struct EventPage {
    pub events: Vec<EventView>,
    /// Up to here the log was looked through: the next page begins after it.
    pub reached: i64,
    /// The newest position of the log.
    pub newest: i64,
    pub filter: EventFilter,
}

impl EventPage {
    /// Whether there was more when it was read.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.reached < self.newest
    }
}

/// Some of a realm's events, in their order. Where few of many are wanted, fewer than there are, or none, and fewer where
/// they are long: the next page begins at [`EventPage::reached`].
///
/// # Errors
/// Without `event:read`, unless a user asks for what they hear of themselves alone; [`EventError::Expired`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page(realm: &mut Realm, caller: &Caller, query: &EventQuery) -> Result<EventPage, EventError> {
    let mut work = realm.look(caller).await?;
    let filter = EventFilter::of(&mut work, caller, query.types.clone());
    if !filter.is_of_oneself() {
        work.authorize("event:read", &Map::new())?;
    }
    let ends = outbox::log_ends(work.session()).await.map_err(IamError::of_rows)?;
    let mut page = EventPage {
        events: Vec::new(),
        reached: beginning(&mut work, query.from, ends).await?,
        newest: ends.newest,
        filter,
    };
    for _ in 0..MOST_WINDOWS {
        if !page.has_more() || page.events.len() >= query.limit || page.bytes() >= MOST_BYTES {
            break;
        }
        let rows = outbox::log_after(work.session(), page.reached, WINDOW).await?;
        page.take(rows, query.limit, ends)?;
    }
    work.close().await?;
    Ok(page)
}

/// After which position a reader begins.
async fn beginning(work: &mut RowsTx<'_>, from: StartPosition, ends: LogEnds) -> Result<i64, EventError> {
    Ok(match from {
        StartPosition::Oldest => ends.oldest - 1,
        StartPosition::Now => ends.newest,
        StartPosition::Last(count) => (ends.newest - count).max(ends.oldest - 1),
        // A number that was not given yet is one of a log that was restored since.
        StartPosition::After(position) if (ends.oldest - 1..=ends.newest).contains(&position) => position,
        StartPosition::After(position) => return Err(expired(position, ends)),
        StartPosition::At(at) => {
            let first: Result<Option<i64>, DbError> = outbox::position_at(work.session(), at).await;
            first?.map_or(ends.newest, |first| first - 1)
        }
    })
}

fn expired(position: i64, LogEnds { oldest, newest }: LogEnds) -> EventError {
    EventError::Expired { position, oldest, newest }
}

impl EventPage {
    /// Of payloads.
    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.payload.get().len()).sum()
    }

    /// Takes the rows that follow. Some may have been forgotten since the ends of the log were read.
    fn take(&mut self, rows: Vec<LoggedEvent>, limit: usize, ends: LogEnds) -> Result<(), EventError> {
        if rows.is_empty() {
            return Err(expired(self.reached, ends));
        }
        for row in rows {
            if row.position != self.reached + 1 {
                return Err(expired(self.reached, ends));
            }
            if self.events.len() >= limit {
                break;
            }
            self.reached = row.position;
            if self.filter.matches(&row.kind, &row.key) {
                self.events.push(row.into());
            }
        }
        self.newest = self.newest.max(self.reached);
        Ok(())
    }
}
