//! Jobs: work that goes on beside requests, in one queue for all tenants, in the control database. Any process takes
//! jobs up; a job that fails is tried again later, and at last left to a person.
//!
//! A fact feature. A job is claimed with a lease ([`claim`]), which its holder renews ([`renew`]) and ends with what
//! came of it ([`settle`]). Each claim has a fence: who lost a job settles nothing. Start reading at [`JobKind`].

mod claims;
mod error;
mod model;
pub mod schedules;
mod service;
mod store;
mod views;

pub use error::JobError;
pub use model::{
    Backoff, ClaimRequest, ClaimedJob, JobEnd, JobKind, JobState, KindCapacity, Limits, NewJob, Priority,
    Settlement, with_jitter,
};
pub use service::{
    MOST_CLAIMED, backlog, cancel, claim, list, page, renew, retry, settle, show, submit, wake,
};
pub(in crate::features) use service::{again, alive, enqueue, ensure, run_now};
pub use views::{Backlog, BacklogFilter, JobFilter, JobView};
