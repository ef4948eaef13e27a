//! Making, changing and deleting webhooks.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::error::WebhookError;
use super::model::{DisabledReason, MOST_WEBHOOKS, NewWebhook, WebhookChange, WebhookState};
use super::read::authorize;
use super::sign::{self, Sealed};
use super::store::{self, NewRow};
use super::views::{CreatedWebhook, Webhook};
use crate::features::access::Authorized;
use crate::features::audit;
use crate::features::iam::{Realm, RowsTx};
use crate::features::secrets::{Secrets, SecretsError};
use crate::infra::crypto::{SignError, Signer};
use crate::infra::db::{PgConnection, Transaction, transaction};
use crate::infra::outbound::{OutboundUrl, Policy};
use crate::kernel::{Caller, Expected, RealmRef, TenantId, WebhookId};

/// What a change is written down as.
pub(super) struct Noted {
    pub(super) tenant: TenantId,
    pub(super) action: &'static str,
    pub(super) detail: Value,
}

/// Ends the part of a change that is in the control database: nothing is written in a dry run.
pub(super) async fn end(
    tx: Transaction<'_>,
    (proof, is_dry_run): (&Authorized<'_>, bool),
    noted: &Noted,
) -> Result<(), WebhookError> {
    let (tenant, detail) = (Some(noted.tenant), noted.detail.clone());
    let entry = audit::Entry { caller: proof, action: noted.action, tenant, operation: None, detail };
    Ok(audit::record_and_commit(tx, entry, is_dry_run).await?)
}

/// Ends the part that is in the realm.
pub(super) async fn end_in_realm(mut work: RowsTx<'_>, noted: Noted) -> Result<(), WebhookError> {
    work.note(noted.action, noted.detail);
    Ok(work.commit().await?)
}

fn url(policy: &Policy, text: &str) -> Result<OutboundUrl, WebhookError> {
    policy.url(text).map_err(|error| WebhookError::Url { reason: error.to_string() })
}

/// A key pair: the public half as receivers are given it, and the private one as it is sealed.
fn new_pair() -> Result<(String, SecretString), SignError> {
    let (signer, sealed) = Signer::generate()?;
    Ok((sign::public_text(&signer.public()), sealed))
}

/// The webhook, kept as it is until the end of the transaction.
pub(super) async fn lock(
    control: &mut PgConnection,
    (at, id): (&RealmRef, WebhookId),
    expected: &Expected,
) -> Result<Webhook, WebhookError> {
    let found = store::lock(control, (at.id, id)).await?;
    let found = found.ok_or_else(|| WebhookError::NotFound { id, at: at.hinted() })?;
    expected.check(&found)?;
    Ok(found)
}

/// Makes a webhook; gives it with its secret, once. The paths of URLs may be secret: the logs name the host.
///
/// # Errors
/// Without `webhook:create` and `event:read`; [`WebhookError::Url`], [`WebhookError::TooMany`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create(
    realm: &mut Realm,
    caller: &Caller,
    policy: &Policy,
    new: &NewWebhook,
) -> Result<CreatedWebhook, WebhookError> {
    let (secrets, tenant) = (realm.secrets(), realm.place().id);
    let mut work = realm.change(caller).await?;
    authorize(&mut work, "webhook:create")?;
    // Whoever decides what is sent where could read it there.
    authorize(&mut work, "event:read")?;
    let (url, id, secret) = (url(policy, &new.url)?, WebhookId::new(), sign::new_secret()?);
    let pair = if new.with_key_pair { Some(new_pair()?) } else { None };
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    if store::count(&mut tx, tenant).await? >= MOST_WEBHOOKS {
        return Err(WebhookError::TooMany { most: MOST_WEBHOOKS });
    }
    let (events, by) = (new.events.texts(), caller.to_string());
    let row = NewRow {
        id,
        tenant,
        url: url.as_str(),
        description: new.description.as_str(),
        events: &events,
        public_key: pair.as_ref().map(|(public, _)| public.as_str()),
        created_by: &by,
    };
    let view = store::insert(&mut tx, &row).await?;
    let names = (Sealed::Secret.of(id), Sealed::KeyPair.of(id));
    let mut sealed = vec![(names.0.as_str(), &secret)];
    sealed.extend(pair.as_ref().map(|(_, private)| (names.1.as_str(), private)));
    secrets.put_many(&mut tx, tenant, &sealed).await?;
    let detail = json!({ "webhook": id, "host": url.host(), "events": view.events });
    let noted = Noted { tenant, action: "webhook.create", detail };
    end(tx, (&proof, is_dry_run), &noted).await?;
    end_in_realm(work, noted).await?;
    Ok(CreatedWebhook { view, secret })
}

/// Changes a webhook. What is under way goes to the URL that it had.
///
/// # Errors
/// Without `webhook:update`, or without `event:read` where the URL or the events are changed;
/// [`WebhookError::NotFound`], [`WebhookError::Stale`], [`WebhookError::Url`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update(
    realm: &mut Realm,
    caller: &Caller,
    policy: &Policy,
    (id, change): (WebhookId, &WebhookChange),
) -> Result<Webhook, WebhookError> {
    let (secrets, tenant) = (realm.secrets(), realm.place().id);
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "webhook:update")?;
    if change.url.is_some() || change.events.is_some() {
        authorize(&mut work, "event:read")?;
    }
    let new_url = change.url.as_deref().map(|text| url(policy, text)).transpose()?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    let old = lock(&mut tx, (at, id), &change.expected).await?;
    let public_key = key_pair(&mut tx, (&secrets, tenant), &old, change.with_key_pair).await?;
    let wanted = (
        new_url.as_ref().map_or(old.url.as_str(), OutboundUrl::as_str),
        change.description.as_ref().map_or(old.description.as_str(), |it| it.as_str()),
        change.events.as_ref().map_or_else(|| old.events.clone(), super::pattern::EventPatterns::texts),
        public_key,
    );
    if (wanted.0, wanted.1, &wanted.2, &wanted.3)
        == (old.url.as_str(), old.description.as_str(), &old.events, &old.public_key)
    {
        tx.rollback().await?;
        return Ok(old);
    }
    let view = store::update(&mut tx, id, (wanted.0, wanted.1, &wanted.2, wanted.3.as_deref())).await?;
    let host = new_url.as_ref().map(OutboundUrl::host);
    let detail = json!({ "webhook": id, "host": host, "events": view.events });
    let noted = Noted { tenant, action: "webhook.update", detail };
    end(tx, (&proof, is_dry_run), &noted).await?;
    end_in_realm(work, noted).await?;
    Ok(view)
}

/// Makes a key pair, or deletes the one that there is; gives the public half of what there is then.
async fn key_pair(
    control: &mut PgConnection,
    (secrets, tenant): (&Secrets, TenantId),
    old: &Webhook,
    wanted: Option<bool>,
) -> Result<Option<String>, WebhookError> {
    let name = Sealed::KeyPair.of(old.id);
    match (wanted, &old.public_key) {
        (Some(true), None) => {
            let (public, private) = new_pair()?;
            secrets.put(control, tenant, &name, &private).await?;
            Ok(Some(public))
        }
        (Some(false), Some(_)) => {
            secrets.forget(control, tenant, &name).await?;
            Ok(None)
        }
        (_, kept) => Ok(kept.clone()),
    }
}

/// Deletes a webhook with its secrets; gives it as it was. What waits is not sent.
///
/// # Errors
/// Without `webhook:delete`; [`WebhookError::NotFound`], [`WebhookError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delete(
    realm: &mut Realm,
    caller: &Caller,
    id: WebhookId,
    expected: &Expected,
) -> Result<Webhook, WebhookError> {
    let (secrets, tenant) = (realm.secrets(), realm.place().id);
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "webhook:delete")?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    let old = lock(&mut tx, (at, id), expected).await?;
    for kind in Sealed::ALL {
        secrets.forget(&mut tx, tenant, &kind.of(id)).await?;
    }
    store::delete(&mut tx, id).await?;
    let noted = Noted { tenant, action: "webhook.delete", detail: json!({ "webhook": id }) };
    end(tx, (&proof, is_dry_run), &noted).await?;
    end_in_realm(work, noted).await?;
    Ok(old)
}

/// Gives a webhook another secret; gives that, once. The one before it signs for a day more, too.
///
/// # Errors
/// Without `webhook:update`; [`WebhookError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn rotate(
    realm: &mut Realm,
    caller: &Caller,
    id: WebhookId,
) -> Result<CreatedWebhook, WebhookError> {
    let (secrets, tenant) = (realm.secrets(), realm.place().id);
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "webhook:update")?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    lock(&mut tx, (at, id), &Expected::Any).await?;
    let (name, previous) = (Sealed::Secret.of(id), Sealed::Previous.of(id));
    let (new, old) = (sign::new_secret()?, secrets.get(&mut tx, tenant, &name).await);
    match &old {
        Ok(old) => {
            secrets.put_many(&mut tx, tenant, &[(previous.as_str(), old), (name.as_str(), &new)]).await?;
        }
        // One that does not open is replaced.
        Err(SecretsError::Damaged { .. } | SecretsError::NotFound { .. }) => {
            secrets.put(&mut tx, tenant, &name, &new).await?;
        }
        Err(_) => drop(old?),
    }
    let view = store::note_rotation(&mut tx, id).await?;
    let noted = Noted { tenant, action: "webhook.rotate", detail: json!({ "webhook": id }) };
    end(tx, (&proof, is_dry_run), &noted).await?;
    end_in_realm(work, noted).await?;
    Ok(CreatedWebhook { view, secret: new })
}

/// Has events sent again. What was missed meanwhile is sent where somebody replays it.
///
/// # Errors
/// Without `webhook:update`; [`WebhookError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn enable(realm: &mut Realm, caller: &Caller, id: WebhookId) -> Result<Webhook, WebhookError> {
    switch(realm, caller, (id, WebhookState::Active)).await
}

/// Has no events sent until it is enabled. What waits is not sent, but can be replayed then.
///
/// # Errors
/// Without `webhook:update`; [`WebhookError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn disable(realm: &mut Realm, caller: &Caller, id: WebhookId) -> Result<Webhook, WebhookError> {
    switch(realm, caller, (id, WebhookState::Disabled)).await
}

async fn switch(
    realm: &mut Realm,
    caller: &Caller,
    (id, to): (WebhookId, WebhookState),
) -> Result<Webhook, WebhookError> {
    let tenant = realm.place().id;
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "webhook:update")?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    let old = lock(&mut tx, (at, id), &Expected::Any).await?;
    if old.state == to {
        tx.rollback().await?;
        return Ok(old);
    }
    let (view, action, detail) = match to {
        WebhookState::Active => {
            (store::enable(&mut tx, id).await?, "webhook.enable", json!({ "webhook": id }))
        }
        WebhookState::Disabled => {
            let reason = DisabledReason::Request;
            let detail = json!({ "webhook": id, "reason": reason });
            (store::disable(&mut tx, id, reason).await?, "webhook.disable", detail)
        }
    };
    let noted = Noted { tenant, action, detail };
    end(tx, (&proof, is_dry_run), &noted).await?;
    end_in_realm(work, noted).await?;
    Ok(view)
}
