//! What the relay writes for subscribers, in its transaction.

use super::error::SubscriberError;
use super::model::Announcement;
use super::store;
use crate::features::jobs::{self, NewJob};
use crate::features::outbox::Waiting;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// Writes down which subscribers these events are for. Where a subscriber is new, the first of them is its first.
pub(in crate::features) async fn announce(
    control: &mut PgConnection,
    tenant: TenantId,
    (to, events): (Announcement<'_>, &[Waiting]),
) -> Result<(), SubscriberError> {
    let first = |subscriber: &super::Subscriber| events.iter().find(|event| subscriber.wants(&event.kind));
    let wanting: Vec<_> = to.all.iter().filter_map(|it| Some((*it, first(it)?.id))).collect();
    if wanting.is_empty() {
        return Ok(());
    }
    store::begin(control, tenant, &wanting).await?;
    let by_job = wanting.iter().filter(|(subscriber, _)| to.by_job.contains(subscriber));
    let all: Vec<NewJob> = by_job.map(|(subscriber, _)| subscriber.job(tenant)).collect();
    Ok(jobs::ensure(control, tenant, &all).await?)
}

/// Forgets what there is of a tenant, in the transaction that erases its secrets.
pub(in crate::features) async fn forget_tenant(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<(), DbError> {
    store::forget_tenant(control, tenant).await
}
