//! The events of a realm, as those read them who may: page by page, or as they come.
//!
//! A process feature over the log that the `outbox` keeps. Every event has a position; they grow by one, so that a
//! reader who says which it saw last is told all that follow, or that it came too late. Start reading at [`page`] and
//! [`Readers`].

mod error;
mod filter;
mod model;
mod readers;
mod service;

pub use error::EventError;
pub use filter::EventFilter;
pub use model::{EventPattern, EventView, NotAPattern, Patterns};
pub(crate) use readers::ReaderSources;
pub use readers::{EventBatch, Readers, Subscription};
pub use service::{EventPage, EventQuery, StartPosition, page};

pub use crate::features::outbox::EventType;
