//! Jobs: work that goes on beside requests, in one queue for all tenants, in the control database. Any process takes
//! jobs up; a job that fails is tried again later, and at last left to a person.
//!
//! A fact feature. A job is claimed with a lease ([`claim`]), which its holder renews ([`renew`]) and ends with what
//! came of it ([`settle`]). Each claim has a fence: who lost a job settles nothing. Start reading at [`JobKind`].

mod error;
mod model;
mod service;
mod store;
mod views;

pub use error::JobError;
pub use model::{Backoff, ClaimedJob, JobEnd, JobKind, JobState, NewJob, Priority, Settlement};
pub(in crate::features) use service::enqueue;
pub use service::{MOST_CLAIMED, cancel, claim, list, page, renew, retry, settle, show, wake};
pub use views::{JobFilter, JobView};
