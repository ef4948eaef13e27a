//! What can go wrong with webhooks.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::features::jobs::JobError;
use crate::features::secrets::SecretsError;
use crate::infra::crypto::{RandomError, SignError};
use crate::infra::db::DbError;
use crate::kernel::hint::InRealm;
use crate::kernel::{Failure, Stale, WebhookId};

/// A request about webhooks that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum WebhookError {
    /// The tenant has no webhook of that id.
    #[error("no webhook {id} in this tenant")]
    #[failure(NotFound, "webhook_not_found")]
    #[hint("see which there are" => WebhookAction::List(at.clone()))]
    #[details(id)]
    NotFound { id: WebhookId, at: InRealm },
    /// The webhook has no delivery of that id.
    #[error("no delivery {id} of this webhook")]
    #[failure(NotFound, "webhook_delivery_not_found")]
    #[hint("deliveries are kept for 30 days; see which there are" => WebhookAction::Deliveries(*webhook, at.clone()))]
    #[details(id)]
    NoDelivery { id: Uuid, webhook: WebhookId, at: InRealm },
    /// The realm is the platform's own.
    #[error("the platform's own realm has no webhooks")]
    #[failure(Conflict, "no_webhooks_here")]
    #[hint("name a tenant, or sign in to one")]
    NoTenant,
    /// A tenant may have so many.
    #[error("this tenant has {most} webhooks, and may have no more")]
    #[failure(Conflict, "too_many_webhooks")]
    #[hint("delete one that is not used, or give one of them more events")]
    #[details(most)]
    TooMany { most: i64 },
    /// The URL is none that is sent to.
    #[error("the URL cannot be used: {reason}")]
    #[failure(Invalid, "webhook_url_refused")]
    #[hint("use an https:// URL with a public name on port 443")]
    #[hint("the operator can allow other networks: outbound.allow_networks")]
    #[details(reason)]
    Url { reason: String },
    /// It is disabled: nothing is sent to it.
    #[error("webhook {id} is disabled")]
    #[failure(Conflict, "webhook_disabled")]
    #[hint("enable it first" => WebhookAction::Enable(*id, at.clone()))]
    #[details(id)]
    Disabled { id: WebhookId, at: InRealm },
    /// One at a time.
    #[error("a test of a webhook of this tenant is under way")]
    #[failure(Busy, "webhook_test_running")]
    #[hint("repeat when it has ended, after 20 seconds at most")]
    TestRunning,
    /// Nothing says since when events are to be sent again.
    #[error("webhook {id} has missed nothing since it was created or replayed")]
    #[failure(Invalid, "webhook_missed_nothing")]
    #[hint("give a time to replay from" => WebhookAction::ReplaySince(*id, at.clone()))]
    #[details(id)]
    MissedNothing { id: WebhookId, at: InRealm },
    /// Events are not kept for so long.
    #[error("events are kept for {days} days, and {since} is longer ago")]
    #[failure(Conflict, "webhook_events_expired")]
    #[hint("replay since a later moment")]
    #[details(days)]
    Expired { days: i64, since: OffsetDateTime },
    /// The event is not kept any more.
    #[error("the event {event} is not kept any more")]
    #[failure(Conflict, "webhook_event_expired")]
    #[hint("events are kept for 7 days after they were relayed")]
    #[details(event)]
    EventExpired { event: Uuid },
    /// What is to be changed was changed meanwhile.
    #[error(transparent)]
    #[failure(transparent)]
    Stale(#[from] Stale),
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// The realm, or what the caller may do there.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// The queue.
    #[error(transparent)]
    #[failure(transparent)]
    Jobs(#[from] JobError),
    /// The sealed secrets.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// No key pair could be made, or the sealed one does not open.
    #[error(transparent)]
    #[failure(transparent)]
    Sign(#[from] SignError),
    /// No random bytes.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
}
