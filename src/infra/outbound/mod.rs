//! The one HTTP client for what leaves to addresses that customers name.
//!
//! An address is checked where the socket is opened: the name is looked up once, every address that it has must be one
//! that the policy lets through, and one of those that were checked is connected to. No redirect is followed, no proxy
//! of the environment is used, nothing is kept from one request for the next: neither connections nor cookies. Start
//! reading at [`Outbound::post`]; what is let through is in `policy.rs` and `address.rs`.

mod address;
mod client;
mod error;
mod policy;
mod resolver;
mod steps;
mod tls;

pub use client::{Answer, Exchange, MOST_KEPT, Outbound, PostRequest, Reading};
pub use error::OutboundError;
pub use policy::{OutboundUrl, Policy};
pub use resolver::{Resolve, SystemResolver};
pub use steps::{OutboundStep, OutboundStepTaken};
