//! What tenants use, and whether that is more than they may: requests to the API by calendar month.
//!
//! A fact feature. Start reading at [`Meter`]: it counts in memory, and is settled with the control database every
//! second or two. Users are counted where they are made (`iam`), files where they are kept.
//! `GET /usage`, which also reads the realm and the tenant's own database, is [`super::business::usage`].

mod error;
mod meter;
mod month;
mod service;
mod store;
mod views;

pub use error::{UsageError, require_storage};
pub use meter::{Counted, Meter, Settling};
pub use month::Month;
pub use service::{add, of};
pub(in crate::features) use store::requests;
pub use views::UsageView;
