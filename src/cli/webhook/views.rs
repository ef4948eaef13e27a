//! Webhooks as the command line shows them.

use serde::Serialize;

use super::super::output::{Thing, row, thing};
use crate::features::webhooks::{Replayed, TestStepView, Webhook, WebhookDelivery, WebhookTest};

/// A webhook, and its secret where it is to be shown.
#[derive(Serialize)]
pub(super) struct WithSecret {
    #[serde(flatten)]
    pub(super) view: Webhook,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
}

impl Thing for WithSecret {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = self.view.fields();
        fields.extend(self.secret.as_ref().map(|secret| ("secret", secret.clone())));
        fields
    }

    fn id(&self) -> String {
        Thing::id(&self.view)
    }
}

row! { it: Webhook, it.id;
    text "id": it.id,
    text "url": it.url,
    text "events": it.events.join(","),
    text "state": it.state.as_str(),
    text "disabled_reason": it.disabled_reason.map(|reason| reason.as_str().to_owned()),
    text "created_at": it.created_at,
    text "last_success_at": it.last_success_at,
    text "failing_since": it.failing_since,
    sentences "description": it.description,
}

thing! { it: Webhook, it.id;
    "id": it.id,
    "url": it.url,
    "description": it.description,
    "events": it.events.join(","),
    "state": it.state.as_str(),
    "disabled_reason": it.disabled_reason.map(|reason| reason.as_str().to_owned()),
    "disabled_at": it.disabled_at,
    "missed_since": it.missed_since,
    "previous_secret_until": it.previous_secret_until,
    "public_key": it.public_key,
    "created_by": it.created_by,
    "created_at": it.created_at,
    "updated_at": it.updated_at,
    "last_success_at": it.last_success_at,
    "last_failure_at": it.last_failure_at,
    "failing_since": it.failing_since,
}

row! { it: WebhookDelivery, it.id;
    text "id": it.id,
    text "event_type": it.event_type,
    text "state": it.state.as_str(),
    text "attempts": it.attempts,
    text "last_status": it.last_status,
    text "created_at": it.created_at,
    text "next_at": it.next_at,
    sentences "last_error": it.last_error,
}

thing! { it: WebhookDelivery, it.id;
    "id": it.id,
    "event_id": it.event_id,
    "event_type": it.event_type,
    "event_at": it.event_at,
    "state": it.state.as_str(),
    "attempts": it.attempts,
    "next_at": it.next_at,
    "last_status": it.last_status,
    "last_error": it.last_error,
    "last_response": it.last_response,
    "last_duration_ms": it.last_duration_ms,
    "created_at": it.created_at,
    "updated_at": it.updated_at,
}

thing! { it: Replayed, it.webhook_id;
    "webhook_id": it.webhook_id,
    "since": it.since,
    "incomplete": it.incomplete.to_string(),
    "events": it.events.to_string(),
    "more": it.more.to_string(),
}

impl Thing for WebhookTest {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let head = [("url", self.url.clone()), ("message_id", self.message_id.clone())];
        let steps = self.steps.iter().map(|step| (step.step, in_words(step)));
        let end = [
            ("state", self.state.to_owned()),
            ("status", self.status.map(|status| status.to_string()).unwrap_or_default()),
            ("error", self.error.clone().unwrap_or_default()),
            ("time", format!("{} ms", self.ms)),
        ];
        head.into_iter().chain(steps).chain(end).collect()
    }

    fn id(&self) -> String {
        self.state.to_owned()
    }
}

/// The time of a step, and what was seen.
fn in_words(step: &TestStepView) -> String {
    let mut words = vec![format!("{} ms", step.ms)];
    words.extend((!step.addresses.is_empty()).then(|| step.addresses.join(", ")));
    words.extend(step.detail.clone());
    words.join("  ")
}
