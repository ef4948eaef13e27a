//! How many deliveries of a tenant wait, and what becomes of those for which there is no room.

mod store;

pub(super) use store::{count_waiting, fail_all, note_missed, put_failed};
