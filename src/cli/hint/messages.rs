//! Actions on webhooks and notifications.

use super::line::Line;
use crate::kernel::hint::{InRealm, NotifyAction, WebhookAction};

pub(super) fn webhook(action: &WebhookAction) -> Line {
    match action {
        WebhookAction::List(at) => of_tenant(Line::new("webhook list"), at),
        WebhookAction::Enable(id, at) => of_tenant(Line::new("webhook enable").arg(id), at),
        WebhookAction::Deliveries(id, at) => of_tenant(Line::new("webhook deliveries").arg(id), at),
        WebhookAction::Replay(id, at) => of_tenant(Line::new("webhook replay").arg(id), at),
        WebhookAction::ReplaySince(id, at) => {
            of_tenant(Line::new("webhook replay").arg(id).and("--since 2d"), at)
        }
    }
}

pub(super) fn notify(action: &NotifyAction) -> Line {
    match action {
        NotifyAction::List(realm) => Line::new("notify list").realm(realm),
        NotifyAction::ListTemplates(realm) => Line::new("notify template list").realm(realm),
    }
}

/// Only tenants have webhooks.
fn of_tenant(line: Line, at: &InRealm) -> Line {
    if at.0.is_some() { line.realm(at) } else { line.and("--tenant SLUG") }
}
