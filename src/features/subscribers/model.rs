//! Who is told of events, and what they are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::features::jobs::{Backoff, JobKind, Limits, NewJob, Priority};
use crate::features::outbox::LoggedEvent;
use crate::features::webhooks::EventPattern;
use crate::kernel::TenantId;

/// How long one event may take: less than the lease of a subscription.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(20);

/// Hands the events of a realm to a subscriber, from where it is on.
pub static DELIVER: JobKind = JobKind {
    name: "event.deliver",
    priority: Priority::Normal,
    max_attempts: 50,
    timeout: Duration::from_mins(2),
    backoff: Backoff { first: Duration::from_secs(2), longest: Duration::from_mins(5) },
    limits: Limits { at_once: 8, of_tenant: 2, are_apart: false },
};

/// Hands one event to a subscriber that failed to handle it. The attempts take an hour.
pub static RETRY: JobKind = JobKind {
    name: "event.retry",
    priority: Priority::Low,
    max_attempts: 10,
    timeout: Duration::from_mins(1),
    backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_mins(20) },
    limits: Limits { at_once: 8, of_tenant: 2, are_apart: false },
};

/// Code that is told of events.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Its name, which is never used again for another: what it has read is kept by it. Words of `a-z`, `0-9` and `_`
    /// with dots between them.
    pub name: &'static str,
    /// Which types it is told of, as webhooks write it: `user.disabled`, `user.*`, `*`.
    pub pattern: &'static str,
}

impl Subscriber {
    /// Whether it is told of a type.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.pattern.parse::<EventPattern>().is_ok_and(|pattern| pattern.matches(kind))
    }

    /// The job that hands it a realm's events.
    pub(super) fn job(&self, tenant: TenantId) -> NewJob {
        let payload = DeliverPayload { subscriber: self.name.to_owned() };
        NewJob::new(&DELIVER, &payload).once(format!("{}:{}:{tenant}", DELIVER.name, self.name))
    }
}

/// What a job that hands over events is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DeliverPayload {
    pub(super) subscriber: String,
}

/// What a job is about that hands over one event once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPayload {
    pub subscriber: String,
    pub position: i64,
    pub event: Uuid,
}

impl RetryPayload {
    /// What its job is known by.
    pub(super) fn key(&self, tenant: TenantId) -> String {
        key_of(tenant, &self.subscriber, self.position)
    }
}

pub(super) fn key_of(tenant: TenantId, subscriber: &str, position: i64) -> String {
    format!("{}:{subscriber}:{tenant}:{position}", RETRY.name)
}

/// How subscribers are told that there are events for them.
#[derive(Debug, Clone, Copy)]
pub struct Announcement<'a> {
    /// All that there are.
    pub all: &'a [&'static Subscriber],
    /// Those that a job hands events to; the others are told by what carries them.
    pub by_job: &'a [&'static Subscriber],
}

/// An event, as a subscriber is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number in the realm's log.
    pub position: i64,
    /// The same however often it is handed over: whoever must act once remembers it with what they did.
    pub id: Uuid,
    pub kind: String,
    /// What it is about.
    pub key: String,
    pub actor: String,
    pub at: OffsetDateTime,
    /// `null` where it is longer than 64 KB, or cannot be read.
    pub payload: Value,
}

impl From<LoggedEvent> for Event {
    fn from(row: LoggedEvent) -> Self {
        let LoggedEvent { position, id, kind, key, actor, at, payload } = row;
        let payload = payload.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { position, id, kind, key, actor, at, payload }
    }
}

/// A subscription that this process holds.
#[derive(Debug, Clone)]
pub struct Turn {
    pub(super) tenant: TenantId,
    pub(super) subscriber: &'static Subscriber,
    pub(super) fence: i64,
    pub(super) first_event: Uuid,
    pub(super) position: Option<i64>,
}

impl Turn {
    /// Whose it is.
    #[must_use]
    pub fn subscriber(&self) -> &'static Subscriber {
        self.subscriber
    }

    /// The last event that was handled, passed over or parked.
    #[must_use]
    pub fn position(&self) -> Option<i64> {
        self.position
    }

    /// Goes on after this position, which is recorded.
    pub fn reach(&mut self, position: i64) {
        self.position = Some(position);
    }
}

/// What came of the wish to hold a subscription.
#[derive(Debug)]
pub enum Taken {
    Turn(Turn),
    /// Another process holds it.
    Busy,
    /// The realm has had no event for the subscriber.
    Nothing,
}

/// What follows in a realm's log.
#[derive(Debug)]
pub enum EventPage {
    /// Some of the subscriber's events, in their order, and up to where the log was looked through.
    Events(Vec<Event>, i64),
    /// There is nothing more.
    End,
    /// There are events that have no position yet, which they are given at this moment.
    NotNumbered,
}

/// Whether an event was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parking {
    Parked,
    /// As many are parked as may be.
    Full,
    /// Another process has taken the subscription over.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_wants_types_as_webhooks_do() {
        let all = Subscriber { name: "a", pattern: "*" };
        assert!(all.wants("user.disabled") && !all.wants("mail.invitation"));
        let some = Subscriber { name: "b", pattern: "webhook.*" };
        assert!(some.wants("webhook.failing") && !some.wants("user.disabled"));
        assert!(!Subscriber { name: "c", pattern: "**" }.wants("user.disabled"));
    }

    #[test]
    fn jobs_of_different_realms_subscribers_and_positions_have_different_keys() {
        let tenant = TenantId::new();
        let payload = RetryPayload { subscriber: "a".to_owned(), position: 7, event: Uuid::nil() };
        assert_eq!(payload.key(tenant), format!("event.retry:a:{tenant}:7"));
        assert_ne!(payload.key(tenant), payload.key(TenantId::new()));
    }
}
