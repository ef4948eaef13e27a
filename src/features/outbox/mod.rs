//! What others are to be told of a change: rows that are written in its transaction, and delivered later. Once they
//! are published they have a position, and are the log of the realm's events for a week.
//!
//! A fact feature that uses no other. Start reading at [`Entry`]; `relay` delivers rows, `events` reads the log. Which
//! types Nexus's own events have is in `listed.rs`.

mod listed;
mod model;
mod store;
mod types;

pub(in crate::features) use model::{Entry, LogEnds, LoggedEvent, NewEntry, Waiting};
pub(in crate::features) use store::{
    append, append_once, bound, event, forget_published, log_after, log_ends, mark_handed_over, number,
    position_at, position_of, since, waiting, waiting_unnumbered,
};
pub use types::{EventType, RESERVED};
pub(in crate::features) use types::{INBOX_CHANGED, LoggedChange, NOTIFICATION_RECEIVED, is_of_apps};
