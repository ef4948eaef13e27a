//! What others are to be told of a change: rows that are written in its transaction, and delivered later.
//!
//! A fact feature that uses no other. Start reading at [`Entry`]; `relay` delivers them.

mod model;
mod store;

pub(in crate::features) use model::{Entry, NewEntry, Waiting};
pub(in crate::features) use store::{append, forget_published, mark_published, waiting};
