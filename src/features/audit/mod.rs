//! The audit log: one row per change, in the transaction of its intent, never changed again.
//!
//! A fact feature: others record through [`record`] on their own connection.

mod store;

pub use store::{Entry, record};
