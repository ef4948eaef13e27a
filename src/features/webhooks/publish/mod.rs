//! What became of a webhook without anybody's doing is published in the tenant's realm, as an event with the id of its
//! job: however often that runs, there is one event.

mod store;

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::WebhookError;
use super::model::{DisabledReason, PUBLISH};
use crate::features::access::{self, rights};
use crate::features::iam::Realm;
use crate::features::jobs::{ClaimedJob, JobEnd, NewJob};
use crate::features::outbox::{self, NewEntry};
use crate::infra::failpoint;
use crate::kernel::{Caller, WebhookId};

pub(super) use store::note_failing;

/// What there is to say of a webhook.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct News {
    pub(super) webhook: WebhookId,
    #[serde(flatten)]
    pub(super) what: What,
}

/// What became of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum What {
    /// It has taken nothing for a day.
    Failing {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
    /// Nothing is sent to it any more.
    Disabled { reason: DisabledReason },
}

impl News {
    pub(super) fn job(&self) -> NewJob {
        NewJob::new(&PUBLISH, self)
    }

    fn event(&self) -> NewEntry {
        let webhook = self.webhook;
        let (kind, payload) = match self.what {
            What::Failing { since } => {
                let since = since.format(&Rfc3339).unwrap_or_default();
                ("webhook.failing", json!({ "webhook_id": webhook, "since": since }))
            }
            What::Disabled { reason } => {
                ("webhook.disabled", json!({ "webhook_id": webhook, "reason": reason }))
            }
        };
        NewEntry { key: webhook.to_string(), kind, payload }
    }
}

/// Publishes what a job says of a webhook.
///
/// # Errors
/// For all but who holds the platform's credentials; the realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn publish(
    realm: &mut Realm,
    caller: &Caller,
    job: &ClaimedJob,
) -> Result<JobEnd, WebhookError> {
    access::authorize_machine(caller, &rights::DELIVER_WEBHOOKS)?;
    let Ok(news) = serde_json::from_value::<News>(job.payload.clone()) else {
        return Ok(JobEnd::GiveUp { why: "its payload says nothing of a webhook".to_owned() });
    };
    let mut tx = realm.anonymous_tx().await?;
    let written = outbox::append_once(&mut tx, (job.id.uuid(), &caller.to_string()), &news.event()).await;
    match written {
        // 42P01: the realm's schema is of a version that has no outbox.
        Err(error) if error.state() == Some("42P01") => return Ok(JobEnd::Done),
        written => written?,
    }
    failpoint::pass(|| "webhook.publish.commit".to_owned()).await;
    tx.commit().await?;
    Ok(JobEnd::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::outbox::EventType;

    #[test]
    fn what_is_published_has_the_fields_of_its_type() {
        let webhook = WebhookId::new();
        let failing = What::Failing { since: OffsetDateTime::UNIX_EPOCH };
        for what in [failing, What::Disabled { reason: DisabledReason::Gone }] {
            let event = News { webhook, what }.event();
            let schema = EventType::find(event.kind).unwrap().schema();
            let has: Vec<&String> = event.payload.as_object().unwrap().keys().collect();
            let required = schema["required"].as_array().unwrap();
            assert!(required.iter().all(|name| has.iter().any(|it| *it == name)), "{has:?} {schema}");
            assert_eq!(event.key, webhook.to_string());
        }
    }

    #[test]
    fn a_job_says_what_it_is_about() {
        let news =
            News { webhook: WebhookId::new(), what: What::Disabled { reason: DisabledReason::Failing } };
        let payload = serde_json::to_value(news).unwrap();
        assert_eq!(payload, json!({ "webhook": news.webhook, "what": "disabled", "reason": "failing" }));
    }
}
