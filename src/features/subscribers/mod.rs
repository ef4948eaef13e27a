//! Subscribers: code that is told of events, at least once each, those of one realm and key in their order.
//!
//! A process feature. The relay writes down, in its transaction, that a realm has events for a subscriber
//! ([`announce`]). Whoever hands them over takes the subscription ([`take`]), reads on in the realm's log ([`next_page`]), and
//! records each step ([`record_position`]). An event that fails is parked ([`park`]) with a job of its own; those of its key wait
//! behind it, others do not. What handles an event is not known here. Start reading at [`Subscriber`].

mod announce;
mod error;
mod model;
mod parked;
mod read;
mod store;

pub(in crate::features) use announce::{announce, forget_tenant};
pub use error::SubscriberError;
pub use model::{
    Announcement, DELIVER, Event, EventPage, HANDLER_TIMEOUT, Parking, RETRY, RetryPayload, Subscriber,
    Taken, Turn,
};
pub(crate) use parked::{is_behind, park, parked_event, parked_keys, unpark};
pub(crate) use read::{end_turn, next_page, record_position};
pub use read::{submit, submit_all, take};
