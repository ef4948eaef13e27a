//! Actions on webhooks, services and notifications.

use super::line::Line;
use crate::kernel::hint::{InRealm, NotifyAction, ServiceAction, WebhookAction};

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

pub(super) fn service(action: &ServiceAction) -> Line {
    match action {
        ServiceAction::List(realm) => Line::new("service list").realm(realm),
    }
}

pub(super) fn notify(action: &NotifyAction) -> Line {
    match action {
        NotifyAction::List(realm) => Line::new("notify list").realm(realm),
        NotifyAction::ListTemplates(realm) => Line::new("notify template list").realm(realm),
        NotifyAction::ListSuppressions(realm) => Line::new("notify suppress list").realm(realm),
        NotifyAction::SetProvider(at) => {
            of_tenant(Line::new("notify provider set").and("--host HOST --from NAME@DOMAIN"), at)
        }
        NotifyAction::RemoveSuppression(address, realm) => {
            Line::new("notify suppress remove").arg_or(address.as_ref(), "NAME@DOMAIN").realm(realm)
        }
    }
}

/// Only tenants have webhooks.
fn of_tenant(line: Line, at: &InRealm) -> Line {
    if at.0.is_some() { line.realm(at) } else { line.and("--tenant SLUG") }
}
