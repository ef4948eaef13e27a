//! A test event, sent at once.

use std::collections::BTreeSet;
use std::ops::DerefMut;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use uuid::Uuid;

use super::change::{Noted, end, end_in_realm};
use super::deliver::{self, Message};
use super::error::WebhookError;
use super::read::{authorize, find};
use super::views::WebhookTest;
use crate::features::iam::Realm;
use crate::infra::db::transaction;
use crate::infra::outbound::Outbound;
use crate::kernel::{Caller, TenantId, WebhookId};

/// The type of test events: no event of an app has it.
const KIND: &str = "webhook.test";

/// Tenants whose test is under way in this process.
static TESTING: Mutex<BTreeSet<TenantId>> = Mutex::new(BTreeSet::new());

/// One test of a tenant at a time, until it is dropped.
#[derive(Debug)]
struct Turn(TenantId);

impl Turn {
    fn take(tenant: TenantId) -> Result<Self, WebhookError> {
        let is_free = TESTING.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
        if is_free { Ok(Self(tenant)) } else { Err(WebhookError::TestRunning) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TESTING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Sends a test event to a webhook, disabled or not, and tells each step. It is no event of the tenant's: nothing is
/// recorded of it but that somebody asked. No session is held while it is sent. Nothing is sent in a dry run.
///
/// # Errors
/// Without `webhook:update`; [`WebhookError::NotFound`], [`WebhookError::TestRunning`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn test(
    mut realm: impl DerefMut<Target = Realm>,
    caller: &Caller,
    outbound: &Outbound,
    id: WebhookId,
) -> Result<WebhookTest, WebhookError> {
    let tenant = realm.place().id;
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "webhook:update")?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let _turn = Turn::take(tenant)?;
    let mut tx = transaction(work.control().await?).await?;
    let found = find(&mut tx, at, id).await?;
    let noted = Noted { tenant, action: "webhook.test", detail: json!({ "webhook": id }) };
    end(tx, (&proof, is_dry_run), &noted).await?;
    end_in_realm(work, noted).await?;
    if is_dry_run {
        return Ok(WebhookTest::not_sent(&found.url));
    }
    let live = (found.previous_secret_until.is_some(), found.public_key.is_some());
    let signing = deliver::signing(&mut realm, id, live).await?;
    drop(realm);
    let event = Uuid::now_v7();
    let data = json!({ "webhook": id }).to_string();
    let body = deliver::body(event, (KIND, outbound.now()), Some(data));
    let message = Message::new(deliver::message_id(event), body, signing);
    let exchange = message.send(outbound, &found.url).await?;
    Ok(WebhookTest::of(&found.url, message.id, &exchange))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_test_of_a_tenant_goes_on_at_a_time() {
        let (acme, birch) = (TenantId::new(), TenantId::new());
        let first = Turn::take(acme).unwrap();
        assert!(matches!(Turn::take(acme), Err(WebhookError::TestRunning)));
        assert!(Turn::take(birch).is_ok());
        drop(first);
        assert!(Turn::take(acme).is_ok());
    }
}
