//! What webhooks are.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::pattern::EventPatterns;
use crate::features::jobs::{Backoff, JobKind, Limits, Priority};
use crate::infra::db::stored_as_text;
use crate::kernel::{Description, Expected};

/// Sends one event to one webhook. Its handler counts the attempts and says when the next is: those of the kind are for
/// what goes wrong on our side.
pub static DELIVER: JobKind = JobKind {
    name: "webhook.deliver",
    priority: Priority::Normal,
    max_attempts: 100,
    // Longer than all limits of a request together, and the wait for sessions.
    timeout: Duration::from_mins(1),
    backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_hours(1) },
    limits: Limits { at_once: 64, of_tenant: 4, are_apart: true },
};

/// Publishes in the tenant's realm what became of a webhook: the control database says it first.
pub static PUBLISH: JobKind = JobKind {
    name: "webhook.publish",
    priority: Priority::Normal,
    max_attempts: 50,
    timeout: Duration::from_mins(1),
    backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_hours(1) },
    limits: Limits { at_once: 4, of_tenant: 1, are_apart: false },
};

/// A webhook that has taken nothing for so long is said to be failing, once until it takes something.
pub(super) const SAY_AFTER: Duration = Duration::from_hours(24);

/// The pauses after the attempts that failed: 76 hours in all (Standard Webhooks 1.0.0, "Deliverability and
/// reliability"). After the last one there is no other.
pub(super) const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// A receiver can ask for a longer pause, but not for one that is longer than this.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// A webhook that has taken nothing for so long is disabled when an event fails.
pub(super) const DISABLE_AFTER: Duration = Duration::from_hours(5 * 24);
/// Most webhooks of a tenant.
pub(super) const MOST_WEBHOOKS: i64 = 50;
/// Most deliveries of a tenant that wait. More are not tried, but can be replayed: an endpoint that is dead must not fill
/// the tenant's queue, which messages to people are in, too. Those of webhooks that have failed last, or have taken none
/// yet, have half of it.
pub(super) const MOST_WAITING: i64 = 20_000;
pub(super) const MOST_WAITING_UNPROVED: i64 = MOST_WAITING / 2;
/// Why such a delivery has failed.
pub(super) const TOO_MANY_WAIT: &str = "too many deliveries wait";
/// How long the secret before a new one signs, too.
pub(super) const ROTATION_HOURS: i32 = 24;
/// Most bytes of a body that is sent (Standard Webhooks 1.0.0, "Payload size").
pub(super) const MOST_BODY: usize = 20_000;

/// Whether events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum WebhookState {
    Active,
    Disabled,
}
stored_as_text!(WebhookState);

impl WebhookState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// Why no events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum DisabledReason {
    /// Somebody asked for it.
    Request,
    /// The receiver answered that it is gone (410).
    Gone,
    /// Nothing was taken for five days.
    Failing,
}
stored_as_text!(DisabledReason);

impl DisabledReason {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

/// How the sending of an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is tried, or will be.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// It is tried no more.
    Failed,
}
stored_as_text!(DeliveryState);

impl DeliveryState {
    /// All of them, for help and completion.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Failed];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// A webhook that is to be made.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    pub url: String,
    pub description: Description,
    pub events: EventPatterns,
    /// Whether it is signed by a key pair, too, whose public half anybody may know.
    pub with_key_pair: bool,
}

/// What is to be changed of a webhook; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    pub url: Option<String>,
    pub description: Option<Description>,
    pub events: Option<EventPatterns>,
    pub with_key_pair: Option<bool>,
    pub expected: Expected,
}
