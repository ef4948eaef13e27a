//! Actions on webhooks and notifications.

use super::InRealm;
use super::macros::actions;
use crate::kernel::WebhookId;

actions! {
    Webhook:
    /// On the webhooks of a tenant.
    WebhookAction {
        List(InRealm),
        Enable(WebhookId, InRealm),
        /// List what became of events.
        Deliveries(WebhookId, InRealm),
        /// Send what it missed.
        Replay(WebhookId, InRealm),
        /// Send what happened since a time.
        ReplaySince(WebhookId, InRealm),
    }
}

actions! {
    Notify:
    /// On notifications and their templates.
    NotifyAction {
        List(InRealm),
        ListTemplates(InRealm),
    }
}
