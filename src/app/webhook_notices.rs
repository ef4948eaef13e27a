//! Administrators of a tenant are told when one of its webhooks fails for a day, and when it is disabled.

use async_trait::async_trait;
use serde_json::Value;

use super::{App, EventHandler};
use crate::features::notifications::{self, DedupKey, Notice};
use crate::features::subscribers::{Event, Subscriber};
use crate::features::templates::Kind;
use crate::kernel::{AnyFailure, Caller, TenantId};

/// Tells administrators of a tenant about its webhooks.
#[derive(Debug, Clone, Copy)]
pub struct WebhookNotices;

impl WebhookNotices {
    /// What it is told of.
    pub const SUBSCRIBER: Subscriber = Subscriber { name: "webhook.notices", pattern: "webhook.*" };
}

/// What an event says to administrators: nothing where one of them did it.
fn notice(event: &Event) -> Option<Notice> {
    let kind = match event.kind.as_str() {
        "webhook.failing" => event.kind.parse::<Kind>().ok()?,
        "webhook.disabled" if event.payload["reason"] != "request" => event.kind.parse().ok()?,
        _ => return None,
    };
    let data = event.payload.as_object()?.clone();
    let webhook = data.get("webhook_id").and_then(Value::as_str)?;
    // One for each webhook and day, and for each event however often it comes.
    let dedup_key: DedupKey = format!("{}:{webhook}:{}", event.kind, event.at.date()).parse().ok()?;
    Some(Notice { kind, data, dedup_key })
}

#[async_trait]
impl EventHandler for WebhookNotices {
    async fn handle(&self, app: &App, realm: TenantId, event: &Event) -> Result<(), AnyFailure> {
        let Some(notice) = notice(event) else { return Ok(()) };
        // Of a tenant that is not in use nobody is told.
        let Some(mut inside) = app.realm_of(realm).await? else { return Ok(()) };
        notifications::notify_administrators(&mut inside, &Caller::System, &notice).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn event(kind: &str, payload: Value) -> Event {
        Event {
            position: 1,
            id: Uuid::nil(),
            kind: kind.to_owned(),
            key: "k".to_owned(),
            actor: "system".to_owned(),
            at: OffsetDateTime::UNIX_EPOCH,
            payload,
        }
    }

    #[test]
    fn administrators_are_told_of_what_none_of_them_did_once_a_day() {
        let gone =
            notice(&event("webhook.disabled", json!({ "webhook_id": "w", "reason": "gone" }))).unwrap();
        assert_eq!(gone.dedup_key.as_str(), "webhook.disabled:w:1970-01-01");
        let failing = notice(&event("webhook.failing", json!({ "webhook_id": "w", "since": "s" }))).unwrap();
        assert_eq!((failing.kind.as_str(), &failing.data["since"]), ("webhook.failing", &json!("s")));
        assert!(
            notice(&event("webhook.disabled", json!({ "webhook_id": "w", "reason": "request" }))).is_none()
        );
    }

    #[test]
    fn what_says_nothing_of_a_webhook_is_passed_over() {
        for (kind, payload) in [
            ("webhook.other", json!({ "webhook_id": "w" })),
            ("webhook.failing", Value::Null),
            ("webhook.failing", json!({ "webhook_id": 7 })),
        ] {
            assert!(notice(&event(kind, payload)).is_none(), "{kind}");
        }
    }
}
