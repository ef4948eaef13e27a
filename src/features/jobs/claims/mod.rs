//! Which jobs a process takes up next.

mod store;

pub(super) use store::{Front, Full, claim};
