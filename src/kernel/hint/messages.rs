//! Actions on webhooks, services and notifications.

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
    Service:
    /// On the services that are seen in a realm.
    ServiceAction {
        List(InRealm),
    }
}

actions! {
    Notify:
    /// On notifications and their templates.
    NotifyAction {
        List(InRealm),
        ListTemplates(InRealm),
        ListSuppressions(InRealm),
        SetProvider(InRealm),
        /// Have an address get mail again; none: one that the reader knows.
        RemoveSuppression(Option<String>, InRealm),
    }
}
