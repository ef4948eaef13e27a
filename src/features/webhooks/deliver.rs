//! A job: one event, sent to one webhook.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::enqueue::Payload;
use super::error::WebhookError;
use super::health::AttemptResult;
use super::model::{DeliveryState, DisabledReason, MOST_BODY, WebhookState};
use super::publish::{self, News, What};
use super::sign::{Sealed, Signing};
use super::store;
use super::views::millis;
use crate::features::access::{self, Authorized, rights};
use crate::features::audit;
use crate::features::iam::Realm;
use crate::features::jobs::{self, ClaimedJob, JobEnd};
use crate::features::outbox;
use crate::infra::db::{LazyLease, PgConnection, transaction};
use crate::infra::failpoint;
use crate::infra::outbound::{Exchange, Outbound, PostRequest};
use crate::kernel::{Caller, JobId, TenantId, WebhookId};

/// When an event is looked at again whose record was changed while it was sent.
const CHANGED: Duration = Duration::from_secs(1);

/// An event that is to be sent.
#[derive(Debug)]
pub struct Planned {
    tenant: TenantId,
    payload: Payload,
    job: JobId,
    url: String,
    /// Which attempt it is, from 1.
    attempt: i32,
    has_previous: bool,
    has_key_pair: bool,
    is_healthy: bool,
}

impl Planned {
    /// Where it is sent.
    #[must_use]
    pub fn webhook(&self) -> WebhookId {
        self.payload.webhook
    }

    /// Whether the webhook has taken events, and refused none since.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.is_healthy
    }
}

/// What is to be done with a job.
#[derive(Debug)]
pub enum Planning {
    Send(Planned),
    Ended(JobEnd),
}

/// What is to be sent.
#[derive(Debug)]
pub struct Sending {
    planned: Planned,
    pub(super) message: Message,
}

/// What came of the writing of what is to be sent.
#[derive(Debug)]
pub enum Written {
    Message(Box<Sending>),
    Ended(JobEnd),
}

/// A message, and what signs it.
pub(super) struct Message {
    /// The same at each attempt.
    pub(super) id: String,
    pub(super) body: String,
    signing: Signing,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Finds out what is to be done with a job.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn plan(
    control: &mut PgConnection,
    caller: &Caller,
    job: &ClaimedJob,
) -> Result<Planning, WebhookError> {
    access::authorize_machine(caller, &rights::DELIVER_WEBHOOKS)?;
    let ended = |end| Ok(Planning::Ended(end));
    let Ok(payload) = serde_json::from_value::<Payload>(job.payload.clone()) else {
        return ended(JobEnd::GiveUp { why: "its payload names no webhook and no event".to_owned() });
    };
    // None where the webhook was deleted.
    let Some(due) = store::due(control, (job.tenant, payload.webhook, payload.event)).await? else {
        return ended(JobEnd::Done);
    };
    if due.state != DeliveryState::Waiting {
        return ended(JobEnd::Done);
    }
    if due.webhook_state == WebhookState::Disabled {
        store::fail(control, (payload.webhook, payload.event), "the webhook is disabled").await?;
        return ended(JobEnd::Done);
    }
    if let Some(seconds) = due.pause.filter(|seconds| *seconds > 0.0) {
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or(CHANGED);
        let why = "the receiver asked to be left alone for a while".to_owned();
        return ended(JobEnd::Postpone { why, pause });
    }
    Ok(Planning::Send(Planned {
        tenant: job.tenant,
        payload,
        job: job.id,
        url: due.url,
        attempt: due.attempts + 1,
        has_previous: due.has_previous,
        has_key_pair: due.has_key_pair,
        is_healthy: due.is_healthy,
    }))
}

/// Writes what is to be sent: reads the event in the realm, and opens what signs it.
///
/// # Errors
/// For all but who holds the platform's credentials; where a secret does not open; the realm's and the control
/// database's.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn write_planned(
    realm: &mut Realm,
    caller: &Caller,
    planned: Planned,
) -> Result<Written, WebhookError> {
    access::authorize_machine(caller, &rights::DELIVER_WEBHOOKS)?;
    let Payload { webhook, event } = planned.payload;
    let mut tx = realm.anonymous_tx().await?;
    let most = i32::try_from(MOST_BODY).unwrap_or(i32::MAX);
    let found = match outbox::event(&mut tx, event, most).await {
        // 42P01: the realm's schema is of a version that has no outbox.
        Err(error) if error.state() == Some("42P01") => None,
        found => found?,
    };
    tx.rollback().await?;
    let Some(found) = found else {
        let why = "the event is not kept any more";
        store::fail(realm.control().await?, (webhook, event), why).await?;
        return Ok(Written::Ended(JobEnd::Done));
    };
    let signing = signing(realm, webhook, (planned.has_previous, planned.has_key_pair)).await?;
    let body = body(event, (&found.kind, found.at), found.payload);
    let message = Message { id: message_id(event), body, signing };
    Ok(Written::Message(Box::new(Sending { planned, message })))
}

/// What a message is known by: whoever gets it twice sees that it is the same.
pub(super) fn message_id(event: Uuid) -> String {
    format!("evt_{}", event.simple())
}

impl Message {
    pub(super) fn new(id: String, body: String, signing: Signing) -> Self {
        Self { id, body, signing }
    }

    /// Sends it, once.
    pub(super) async fn send(&self, outbound: &Outbound, url: &str) -> Result<Exchange, WebhookError> {
        let url = match outbound.policy().url(url) {
            Ok(url) => url,
            // What may be reached was changed since.
            Err(error) => {
                return Ok(Exchange { steps: Vec::new(), took: Duration::ZERO, answer: Err(error) });
            }
        };
        let timestamp = outbound.now().unix_timestamp();
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("user-agent", concat!("Nexus-Webhooks/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", self.signing.header(&self.id, timestamp, &self.body)?),
        ];
        Ok(outbound
            .post(PostRequest { url: &url, headers: &headers, body: Bytes::from(self.body.clone()) })
            .await)
    }
}

/// What signs the messages of a webhook.
pub(super) async fn signing(
    realm: &mut Realm,
    webhook: WebhookId,
    (has_previous, has_key_pair): (bool, bool),
) -> Result<Signing, WebhookError> {
    let (secrets, tenant) = (realm.secrets(), realm.place().id);
    let mut kinds = vec![Sealed::Secret];
    kinds.extend(has_previous.then_some(Sealed::Previous));
    kinds.extend(has_key_pair.then_some(Sealed::KeyPair));
    let names: Vec<String> = kinds.iter().map(|kind| kind.of(webhook)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut opened = secrets.get_many(realm.control().await?, tenant, &names).await?;
    realm.give_control_back();
    let mut take = |kind: Sealed| opened.remove(&kind.of(webhook));
    let secrets = [take(Sealed::Secret), take(Sealed::Previous)].into_iter().flatten().collect();
    Ok(Signing { secrets, key_pair: take(Sealed::KeyPair) })
}

/// The body of a message (Standard Webhooks 1.0.0, "Payload structure").
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Box<RawValue>,
}

/// What stands for the data of an event that has too much of it.
#[derive(Serialize)]
struct Omitted {
    omitted: &'static str,
    event_id: Uuid,
}

/// The body for an event. Data that would make it too long, or that cannot be read, is left out, and said to be.
pub(super) fn body(event: Uuid, (kind, at): (&str, OffsetDateTime), payload: Option<String>) -> String {
    let timestamp = at.format(&Rfc3339).unwrap_or_default();
    let with = |data: Box<RawValue>| {
        serde_json::to_string(&Body { r#type: kind, timestamp: timestamp.clone(), data }).unwrap_or_default()
    };
    let whole = payload.and_then(|text| RawValue::from_string(text).ok()).map(&with);
    whole.filter(|body| body.len() <= MOST_BODY).unwrap_or_else(|| {
        let omitted = Omitted { omitted: "too_large", event_id: event };
        with(serde_json::value::to_raw_value(&omitted).unwrap_or_default())
    })
}

/// Sends an event, and records what came of it.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's: it is sent again then, with the same id.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn send_written(
    control: &mut LazyLease,
    caller: &Caller,
    outbound: &Outbound,
    sending: &Sending,
) -> Result<JobEnd, WebhookError> {
    let authorized = access::authorize_machine(caller, &rights::DELIVER_WEBHOOKS)?;
    failpoint::pass(|| "webhook.written".to_owned()).await;
    let Exchange { answer, took, .. } = sending.message.send(outbound, &sending.planned.url).await?;
    failpoint::pass(|| "webhook.sent".to_owned()).await;
    let result = AttemptResult::of(&answer);
    let end = record(control.get().await?, &authorized, &sending.planned, (&result, millis(took))).await?;
    control.give_back();
    failpoint::pass(|| "webhook.recorded".to_owned()).await;
    Ok(end)
}

async fn record(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    planned: &Planned,
    (result, took): (&AttemptResult, u64),
) -> Result<JobEnd, WebhookError> {
    let Payload { webhook, event } = planned.payload;
    let next = result.next(planned.job, planned.attempt).filter(|_| !result.is_success && !result.is_gone);
    let mut tx = transaction(control).await?;
    let attempt = (webhook, event, planned.attempt);
    let seconds = next.map(|next| next.as_secs_f64());
    // The webhook before the delivery: whoever sends again locks them in this order, too.
    let is_failing = if result.is_success {
        store::note_success(&mut tx, webhook).await?;
        false
    } else {
        let pause = result.pause.map(|pause| pause.as_secs_f64());
        store::note_failure(&mut tx, (webhook, pause)).await?
    };
    if !store::record_attempt(&mut tx, attempt, (result, took), seconds).await? {
        tx.rollback().await?;
        let why = "its record was changed meanwhile".to_owned();
        return Ok(JobEnd::RetryAfter { why, pause: CHANGED });
    }
    if result.is_success {
        tx.commit().await?;
        return Ok(JobEnd::Done);
    }
    let reason = match (result.is_gone, is_failing) {
        (true, _) => Some(DisabledReason::Gone),
        (false, true) => Some(DisabledReason::Failing),
        (false, false) => None,
    };
    if let Some(reason) = reason
        && store::is_active(&mut tx, webhook).await?
    {
        store::disable(&mut tx, webhook, reason).await?;
        let disabled = News { webhook, what: What::Disabled { reason } };
        jobs::enqueue(&mut tx, planned.tenant, &[disabled.job()]).await?;
        let detail = serde_json::json!({ "webhook": webhook, "reason": reason });
        let tenant = Some(planned.tenant);
        let entry = audit::Entry { caller, action: "webhook.disable", tenant, operation: None, detail };
        audit::record(&mut tx, entry).await?;
    } else if let Some(since) = publish::note_failing(&mut tx, webhook).await? {
        let failing = News { webhook, what: What::Failing { since } };
        jobs::enqueue(&mut tx, planned.tenant, &[failing.job()]).await?;
    }
    tx.commit().await?;
    Ok(match next {
        Some(pause) => JobEnd::RetryAfter { why: result.error.clone().unwrap_or_default(), pause },
        // What came of it stands with the delivery.
        None => JobEnd::Done,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_body_has_what_the_standard_asks_for_and_numbers_as_they_were_written() {
        let (event, at) = (Uuid::now_v7(), OffsetDateTime::UNIX_EPOCH);
        let data = r#"{"total": 1.10, "id": 12345678901234567890123}"#;
        let written = body(event, ("order.shipped", at), Some(data.to_owned()));
        let head = r#"{"type":"order.shipped","timestamp":"1970-01-01T00:00:00Z","data":"#;
        assert_eq!(written, format!("{head}{data}}}"));
    }

    #[test]
    fn data_that_is_too_long_or_cannot_be_read_is_left_out_and_said_to_be() {
        let (event, at) = (Uuid::now_v7(), OffsetDateTime::UNIX_EPOCH);
        for payload in [None, Some("{".to_owned()), Some(format!("\"{}\"", "x".repeat(MOST_BODY)))] {
            let written: Value = serde_json::from_str(&body(event, ("a.b", at), payload)).unwrap();
            assert_eq!(written["data"], json!({ "omitted": "too_large", "event_id": event }));
            assert_eq!(written["type"], "a.b");
        }
    }
}
