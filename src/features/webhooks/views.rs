//! Webhooks as doors show them.

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::model::{DisabledReason, WebhookState};
use crate::infra::outbound::{Exchange, OutboundStepTaken};
use crate::kernel::{SecretString, WebhookId};

/// A webhook.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
pub struct Webhook {
    #[schema(value_type = uuid::Uuid)]
    pub id: WebhookId,
    /// Where events are sent.
    #[schema(example = "https://hooks.acme.example/nexus")]
    pub url: String,
    pub description: String,
    /// Which events: types, `order.*` for all that begin so, `*` for all.
    #[schema(example = json!(["user.*", "order.shipped"]))]
    pub events: Vec<String>,
    pub state: WebhookState,
    /// Why it is disabled; `null` where it is not.
    pub disabled_reason: Option<DisabledReason>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub disabled_at: Option<OffsetDateTime>,
    /// Since when events may have been missed; `null` where none were, or they were replayed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub missed_since: Option<OffsetDateTime>,
    /// Until then the secret before the present one signs too; `null` where none does.
    #[serde(with = "time::serde::rfc3339::option")]
    pub previous_secret_until: Option<OffsetDateTime>,
    /// The Ed25519 key that verifies the signatures `v1a`; `null` where there are none.
    #[schema(example = "whpk_dnGUuR6RSyplskgPyQ2XK7sNwmVPjPqpwPlaGhBOyO8=")]
    pub public_key: Option<String>,
    /// Who created it, as the audit log names them.
    #[schema(example = "user:01a2240a-8d9e-7cb2-8a5b-3c8c4f1e7a10")]
    pub created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When somebody changed it last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_success_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_failure_at: Option<OffsetDateTime>,
    /// The first failure since the last success; `null` where there was none.
    #[serde(with = "time::serde::rfc3339::option")]
    pub failing_since: Option<OffsetDateTime>,
}

/// A webhook, and its secret, which is shown once.
#[derive(Debug)]
pub struct CreatedWebhook {
    pub view: Webhook,
    pub secret: SecretString,
}

/// A test event that was sent, step by step.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WebhookTest {
    pub url: String,
    /// The header `webhook-id` of what was sent.
    #[schema(example = "evt_01a2240a8d9e7cb28a5b3c8c4f1e7a10")]
    pub message_id: String,
    /// `delivered` where the answer was 2xx, else `failed`; `not_sent` in a dry run.
    #[schema(example = "delivered")]
    pub state: &'static str,
    /// The status of the answer; `null` where there was none.
    #[schema(example = 204)]
    pub status: Option<u16>,
    /// Why it failed; `null` where it did not.
    pub error: Option<String>,
    /// Milliseconds in all.
    pub ms: u64,
    /// In their order; the last one failed where there was no answer.
    pub steps: Vec<TestStepView>,
}

/// A step of a test.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TestStepView {
    /// `resolve`, `connect`, `tls`, `request` or `answer`.
    #[schema(example = "connect")]
    pub step: &'static str,
    pub ms: u64,
    /// The addresses that were checked, or the one that was connected to.
    pub addresses: Vec<String>,
    /// The version of TLS, the status, or how many bytes of the answer were read.
    pub detail: Option<String>,
}

impl WebhookTest {
    /// In a dry run.
    pub(super) fn not_sent(url: &str) -> Self {
        let (message_id, steps) = (String::new(), Vec::new());
        Self { url: url.to_owned(), message_id, state: "not_sent", status: None, error: None, ms: 0, steps }
    }

    pub(super) fn of(url: &str, message_id: String, exchange: &Exchange) -> Self {
        let result = super::health::AttemptResult::of(&exchange.answer);
        Self {
            url: url.to_owned(),
            message_id,
            state: if result.is_success { "delivered" } else { "failed" },
            status: result.status,
            error: result.error,
            ms: millis(exchange.took),
            steps: exchange.steps.iter().map(TestStepView::of).collect(),
        }
    }
}

impl TestStepView {
    fn of(taken: &OutboundStepTaken) -> Self {
        Self {
            step: taken.step.name(),
            ms: millis(taken.took),
            addresses: taken.addresses.iter().map(ToString::to_string).collect(),
            detail: taken.detail.clone(),
        }
    }
}

/// As a number of milliseconds.
pub(super) fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
