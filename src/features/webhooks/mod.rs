//! Webhooks: events of a tenant, sent to addresses of its own choice as Standard Webhooks 1.0.0 has it
//! (<https://www.standardwebhooks.com>). At least once: whoever receives one twice knows it by its id.
//!
//! A process feature whose rows are in the control database, so that the relay decides in the transaction that writes the
//! jobs ([`enqueue()`]). A job is carried out in three steps, so that no session is held while something is sent:
//! [`plan`], [`write`], [`send`]. Start reading at [`Webhook`], then `deliver.rs`.

mod change;
mod deliver;
mod deliveries;
mod enqueue;
mod error;
mod health;
mod model;
mod pattern;
mod publish;
mod read;
mod replay;
mod room;
mod sign;
mod store;
mod test;
mod views;

pub use change::{create, delete, disable, enable, rotate, update};
pub use deliver::{Planned, Planning, Sending, Written, plan};
pub(crate) use deliver::{send_written, write_planned};
pub use deliveries::{DeliveryFilter, WebhookDelivery, deliveries, delivery, page_of_deliveries};
pub(in crate::features) use enqueue::{enqueue, forget_tenant, wanted};
pub use error::WebhookError;
pub use model::{DELIVER, DeliveryState, DisabledReason, NewWebhook, PUBLISH, WebhookChange, WebhookState};
pub use pattern::{EventPattern, EventPatterns, NotAPattern};
pub(crate) use publish::publish;
pub use read::{get, list};
pub use replay::{Replayed, redeliver, replay};
pub use test::test;
pub use views::{CreatedWebhook, TestStepView, Webhook, WebhookTest};
