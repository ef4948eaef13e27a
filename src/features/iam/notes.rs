//! Rows of a realm's log, each with the event that it is for others.

use super::error::IamError;
use super::model::LogEntry;
use super::store;
use crate::features::outbox::{self, EventType, LoggedChange};
use crate::infra::db::PgConnection;
use crate::kernel::UserId;

/// Writes rows to the realm's log, and their events, in the transaction of the change. A realm of a version that has
/// no outbox has no events. Whether there were some.
pub(super) async fn write(
    realm: &mut PgConnection,
    caller: &str,
    notes: &[LogEntry],
) -> Result<bool, IamError> {
    let has_outbox = store::insert_notes(realm, caller, notes).await?;
    let change = |note: &LogEntry| {
        let user = note.user.map(UserId::uuid);
        EventType::of(LoggedChange { action: note.action, user, detail: &note.detail })
    };
    let events: Vec<_> = notes.iter().filter_map(change).collect();
    if !has_outbox || events.is_empty() {
        return Ok(false);
    }
    outbox::append(realm, caller, &events).await?;
    Ok(true)
}
