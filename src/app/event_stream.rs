//! Events over NATS: the log of each realm is published in its order, and what is received there has subscribers look.
//!
//! The log in the realm is what counts. A message says that a realm has an event; which one, and whether it was handled,
//! stands in PostgreSQL. So a message that is lost, doubled or forged loses, doubles and forges nothing.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::subscribers::{BUSY, Delivered, LONGEST_TURN, NUMBERING_INTERVAL, NUMBERING_TIMEOUT};
use super::{App, Repeated};
use crate::features::jobs::with_jitter;
use crate::features::subscribers::{self, Event, EventPage, Subscriber, Taken, Turn};
use crate::infra::event_stream::{EventStream, NewStreamMessage, StreamConsumer, StreamError};
use crate::infra::failpoint;
use crate::kernel::{AnyFailure, Caller, TenantId};

/// What publishes the logs of realms: it reads them as subscribers do.
pub static PUBLISHER: Subscriber = Subscriber { name: "nats", pattern: "*" };

/// How many keys of a realm are published at once: the events of one go one after the other.
const KEYS_AT_ONCE: usize = 16;
/// When it is tried again where NATS does not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The realm of subjects that is the platform's own.
const PLATFORM: &str = "platform";

static FAILED: LazyLock<Repeated> =
    LazyLock::new(|| Repeated::new("events are not published to NATS", Duration::from_mins(1)));

/// Whether what carries events is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventCarrier {
    Postgres,
    Nats { is_connected: bool },
}

/// An event as other programs read it.
#[derive(Serialize)]
struct Published<'a> {
    position: i64,
    id: Uuid,
    tenant_id: Option<TenantId>,
    r#type: &'a str,
    key: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    actor: &'a str,
    payload: &'a Value,
}

impl App {
    /// What carries events.
    #[must_use]
    pub fn event_carrier(&self) -> EventCarrier {
        match &self.shared().stream {
            None => EventCarrier::Postgres,
            Some(stream) => EventCarrier::Nats { is_connected: stream.is_connected() },
        }
    }

    /// Publishes the events of a realm, from where that is on. What cannot be published now stays in the log.
    ///
    /// # Errors
    /// When a server of ours does not answer.
    pub async fn publish_events(&self, realm: TenantId) -> Result<Delivered, AnyFailure> {
        let Some(stream) = &self.shared().stream else { return Ok(Delivered::All) };
        let (caller, owner) = (&Caller::System, Uuid::now_v7());
        let taken =
            subscribers::take(&mut *self.control().await?, caller, (realm, &PUBLISHER), owner).await?;
        let mut turn = match taken {
            Taken::Turn(turn) => turn,
            Taken::Busy => return Ok(Delivered::Later { why: "another process is at it", pause: BUSY }),
            Taken::Nothing => return Ok(Delivered::All),
        };
        let published = self.publish_on(&mut turn, realm, stream).await;
        subscribers::end_turn(&mut *self.control().await?, caller, &turn).await?;
        published
    }

    async fn publish_on(
        &self,
        turn: &mut Turn,
        tenant: TenantId,
        stream: &EventStream,
    ) -> Result<Delivered, AnyFailure> {
        let (began, mut not_numbered) = (Instant::now(), None::<Instant>);
        while began.elapsed() < LONGEST_TURN {
            let page = {
                let Some(mut realm) = self.realm_of(tenant).await? else { return Ok(Delivered::NotInUse) };
                subscribers::next_page(&mut realm, &Caller::System, turn).await?
            };
            let (events, reached) = match page {
                EventPage::End => return Ok(Delivered::All),
                EventPage::NotNumbered if not_numbered.is_some_and(|at| at.elapsed() > NUMBERING_TIMEOUT) => {
                    return Ok(Delivered::Later { why: "events wait for the relay", pause: BUSY });
                }
                EventPage::NotNumbered => {
                    not_numbered.get_or_insert_with(Instant::now);
                    tokio::time::sleep(NUMBERING_INTERVAL).await;
                    continue;
                }
                EventPage::Events(events, reached) => (events, reached),
            };
            not_numbered = None;
            if let Err(error) = publish(stream, tenant, &events).await {
                return Ok(not_published(&error));
            }
            failpoint::pass(|| "stream.published".to_owned()).await;
            let mut control = self.control().await?;
            if !subscribers::record_position(&mut control, &Caller::System, (turn, reached)).await? {
                return Ok(Delivered::Later { why: "another process took it over", pause: BUSY });
            }
            turn.reach(reached);
        }
        Ok(Delivered::More)
    }

    /// Opens what a subscriber receives its messages by. Where it is new, all realms are looked at: what was published
    /// before may be gone.
    ///
    /// # Errors
    /// When NATS or the control database does not answer.
    pub async fn receive_events(
        &self,
        subscriber: &'static Subscriber,
    ) -> Result<Option<StreamConsumer>, AnyFailure> {
        let Some(stream) = &self.shared().stream else { return Ok(None) };
        let consumer = stream.consumer(subscriber.name, &filter(subscriber)).await?;
        if consumer.is_new {
            let mut control = self.control().await?;
            let realms = subscribers::submit_all(&mut control, &Caller::System, subscriber).await?;
            tracing::info!(
                subscriber = subscriber.name,
                realms,
                "a consumer was made: all realms are looked at"
            );
        }
        Ok(Some(consumer))
    }

    /// Makes anew what a subscriber receives its messages by.
    ///
    /// # Errors
    /// When NATS does not answer.
    pub async fn replace_consumer(&self, subscriber: &Subscriber) -> Result<(), AnyFailure> {
        if let Some(stream) = &self.shared().stream {
            stream.replace_consumer(subscriber.name).await?;
        }
        Ok(())
    }
}

/// What failed is said once for as long as it lasts.
fn not_published(error: &StreamError) -> Delivered {
    use crate::kernel::Failure as _;
    if FAILED.is_new(error.code(), error.to_string()) {
        tracing::warn!(code = error.code(), "events are not published to NATS for now: {error}");
    }
    let pause = with_jitter(AFTER_FAILURE, Uuid::now_v7(), 1);
    Delivered::Later { why: "NATS does not take events", pause }
}

/// Publishes some events: those of a key one after the other.
async fn publish(stream: &EventStream, tenant: TenantId, events: &[Event]) -> Result<(), StreamError> {
    stream.require().await?;
    let mut by_key = BTreeMap::<&str, Vec<&Event>>::new();
    for event in events.iter().filter(|event| is_subject(&event.kind)) {
        by_key.entry(&event.key).or_default().push(event);
    }
    // Boxed: the compiler does not see otherwise that they may go to another thread.
    let chains: Vec<BoxFuture<'_, _>> =
        by_key.into_values().map(|events| publish_in_order(stream, tenant, events).boxed()).collect();
    stream::iter(chains).buffer_unordered(KEYS_AT_ONCE).try_collect().await
}

async fn publish_in_order(
    stream: &EventStream,
    tenant: TenantId,
    events: Vec<&Event>,
) -> Result<(), StreamError> {
    for event in events {
        let (subject, id) = (subject(tenant, &event.kind), event.id.to_string());
        stream.publish(NewStreamMessage { subject: &subject, id, body: body(tenant, event) }).await?;
    }
    Ok(())
}

fn body(tenant: TenantId, event: &Event) -> Vec<u8> {
    let Event { position, id, kind, key, actor, at, payload } = event;
    let tenant_id = (tenant != TenantId::PLATFORM).then_some(tenant);
    let published =
        Published { position: *position, id: *id, tenant_id, r#type: kind, key, at: *at, actor, payload };
    serde_json::to_vec(&published).unwrap_or_default()
}

/// What stands behind the prefix in the subject of an event.
fn subject(tenant: TenantId, kind: &str) -> String {
    if tenant == TenantId::PLATFORM { format!("{PLATFORM}.{kind}") } else { format!("{tenant}.{kind}") }
}

/// The realm that a subject is about.
pub(crate) fn realm_of_subject(subject: &str) -> Option<TenantId> {
    match subject.split_once('.')? {
        (PLATFORM, _) => Some(TenantId::PLATFORM),
        (tenant, _) => tenant.parse().ok(),
    }
}

/// Whether a type can be a part of a subject: the owner of a database may have written another.
fn is_subject(kind: &str) -> bool {
    kind.split('.').all(|word| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    })
}

/// The subjects of what a subscriber wants, of all realms.
fn filter(subscriber: &Subscriber) -> String {
    match subscriber.pattern.strip_suffix('*') {
        Some(words) => format!("*.{words}>"),
        None => format!("*.{}", subscriber.pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_says_whose_event_it_is_and_of_which_type() {
        let tenant = TenantId::new();
        assert_eq!(subject(tenant, "user.disabled"), format!("{tenant}.user.disabled"));
        assert_eq!(subject(TenantId::PLATFORM, "user.disabled"), "platform.user.disabled");
        for realm in [tenant, TenantId::PLATFORM] {
            assert_eq!(realm_of_subject(&subject(realm, "a.b")), Some(realm));
        }
        assert_eq!(realm_of_subject("x.a.b"), None);
        assert_eq!(realm_of_subject("x"), None);
    }

    #[test]
    fn what_is_no_type_is_in_no_subject() {
        assert!(is_subject("user.password_changed") && is_subject("a.b1"));
        for odd in ["", "a..b", "a.*", "a.>", "a. b", "A.b", "a.b."] {
            assert!(!is_subject(odd), "{odd:?}");
        }
    }

    #[test]
    fn a_pattern_of_types_is_a_filter_of_subjects() {
        let of = |pattern| filter(&Subscriber { name: "x", pattern });
        assert_eq!(
            (of("*"), of("user.*"), of("user.disabled")),
            ("*.>".to_owned(), "*.user.>".to_owned(), "*.user.disabled".to_owned(),)
        );
    }
}
