//! Changing what is only a row: a tenant's name, its labels, its slug. Each change is one
//! transaction with its audit row; nothing outside the control database knows of it, so a tenant
//! under an unfinished operation may be changed, too.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

use super::error::TenantError;
use super::model::{Facts, Tenant, TenantState, TenantView};
use super::profile::{self, ProfileChange};
use super::service::{TenantRef, look_up, read};
use super::store;
use crate::features::access::{self, Authorized, rights};
use crate::features::audit;
use crate::features::iam::idempotency::{self, Attempt};
use crate::infra::crypto::RecordKey;
use crate::infra::db::{PgConnection, durable_transaction, transaction};
use crate::kernel::label::Label;
use crate::kernel::{BatchId, Caller, Expected, Labels, OperationId, Slug, TenantId};

/// What is to be changed about a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub name: Option<String>,
    /// Labels that it has from now on, whatever their value was.
    pub set: Vec<Label>,
    /// Keys of labels that it has no longer.
    pub unset: Vec<String>,
    pub profile: ProfileChange,
    /// The batch that this is a part of: then it is recorded as an operation, too.
    pub batch: Option<BatchId>,
    /// What the tenant must be like.
    pub expected: Expected,
    /// The attempt to carry out a request once that it is a part of.
    pub attempt: Option<Attempt>,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    /// It was changed.
    Updated,
    /// It has another slug.
    Renamed,
    /// It was so already; nothing was written.
    Unchanged,
    /// It would be changed.
    Planned,
}

impl ChangeOutcome {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Renamed => "renamed",
            Self::Unchanged => "unchanged",
            Self::Planned => "planned",
        }
    }
}

/// A tenant that was to be changed.
#[derive(Debug, Clone, Serialize)]
pub struct Updated {
    pub id: TenantId,
    pub slug: String,
    pub outcome: ChangeOutcome,
    pub before: Facts,
    /// How it is, or would be.
    pub after: Facts,
}

/// A tenant that was to be renamed.
#[derive(Debug, Clone, Serialize)]
pub struct Renamed {
    pub id: TenantId,
    pub outcome: ChangeOutcome,
    /// Its slug, or what it would be.
    pub slug: String,
    /// The slug that it gave up, or would give up.
    pub former_slug: Option<String>,
}

impl Change {
    /// A change by itself.
    ///
    /// # Errors
    /// [`TenantError::LabelTwice`].
    pub fn new(name: Option<String>, set: Vec<Label>, unset: Vec<String>) -> Result<Self, TenantError> {
        let mut keys = BTreeSet::new();
        let twice = set.iter().map(|label| &label.key).chain(&unset).find(|key| !keys.insert(*key));
        match twice {
            Some(key) => Err(TenantError::LabelTwice { key: key.clone() }),
            None => Ok(Self { name, set, unset, ..Self::default() }),
        }
    }

    fn of(&self, tenant: &Tenant) -> Result<(Facts, Facts), TenantError> {
        let before = tenant.facts();
        let mut after = Facts { profile: self.profile.of(&before.profile)?, ..before.clone() };
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        after.labels.retain(|key, _| !self.unset.contains(key));
        after.labels.extend(self.set.iter().map(|label| (label.key.clone(), label.value.clone())));
        Ok((before, after))
    }
}

/// Changes a tenant's name, labels and profile; only says how it would be where `dry_run` is set.
///
/// # Errors
/// [`TenantError::NotFound`], [`TenantError::Gone`]; [`TenantError::ModuleTwice`];
/// [`TenantError::TooManyModules`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update(
    connection: &mut PgConnection,
    caller: &Caller,
    name: &TenantRef,
    change: &Change,
    dry_run: bool,
) -> Result<Updated, TenantError> {
    let caller = &access::authorize(connection, caller, &rights::TENANT_UPDATE, name.about()).await?;
    let id = read(connection, caller, name).await?.id;
    let mut tx = durable_transaction(connection).await?;
    let tenant = alive(&mut tx, id, (name, dry_run)).await?;
    change.expected.check(&TenantView::from(tenant.clone()))?;
    let (before, after) = change.of(&tenant)?;
    let outcome = match (before == after, dry_run) {
        (true, _) => ChangeOutcome::Unchanged,
        (false, true) => ChangeOutcome::Planned,
        (false, false) => ChangeOutcome::Updated,
    };
    if outcome == ChangeOutcome::Updated {
        mark(&mut tx, change.attempt.as_ref()).await?;
        write_facts(&mut tx, caller, &tenant, (&before, &after), change.batch).await?;
    }
    tx.commit().await?;
    Ok(Updated { id, slug: tenant.slug, outcome, before, after })
}

/// Marks the request that a change belongs to as carried out, in the change's own transaction.
async fn mark(tx: &mut PgConnection, attempt: Option<&Attempt>) -> Result<(), TenantError> {
    match attempt {
        Some(attempt) => Ok(idempotency::mark(tx, attempt).await.map_err(Box::new)?),
        None => Ok(()),
    }
}

async fn write_facts(
    tx: &mut PgConnection,
    caller: &Authorized<'_>,
    tenant: &Tenant,
    (before, after): (&Facts, &Facts),
    batch: Option<BatchId>,
) -> Result<(), TenantError> {
    let detail = json!({ "slug": tenant.slug, "before": before, "after": after });
    let operation = batch.map(|_| OperationId::new());
    let part = operation.zip(batch).map(|(operation, batch)| (operation, batch, caller, &detail));
    store::set_facts(tx, tenant.id, after, part).await?;
    let entry = audit::Entry { caller, action: "tenant.update", tenant: Some(tenant.id), operation, detail };
    Ok(audit::record(tx, entry).await?)
}

/// Puts the labels and the parts of the profile that a change touched back to what they were before it, as a part of
/// a batch. Whether there was something to do; `None` where one of them was changed again since.
///
/// # Errors
/// [`TenantError::NotFound`], [`TenantError::Gone`].
pub(in crate::features) async fn put_facts_back(
    connection: &mut PgConnection,
    caller: &Authorized<'_>,
    id: TenantId,
    facts: (&Facts, &Facts),
    batch: Option<BatchId>,
) -> Result<Option<bool>, TenantError> {
    let mut tx = transaction(connection).await?;
    let tenant = alive(&mut tx, id, (&TenantRef::Id(id), false)).await?;
    let before = tenant.facts();
    let back = put_back(&before, facts);
    let prospect = back.as_ref().map(|after| *after != before);
    if let Some(after) = back.filter(|after| *after != before) {
        write_facts(&mut tx, caller, &tenant, (&before, &after), batch).await?;
    }
    tx.commit().await?;
    Ok(prospect)
}

/// Whether [`put_facts_back`] would have something to do; `None` where something that the change touched was
/// changed again since.
#[must_use]
pub fn prospect_of_facts(now: &Facts, facts: (&Facts, &Facts)) -> Option<bool> {
    put_back(now, facts).map(|back| back != *now)
}

/// How it is with what a change touched as it was before; names stay.
fn put_back(now: &Facts, (before, after): (&Facts, &Facts)) -> Option<Facts> {
    let labels = labels_back(&now.labels, (&before.labels, &after.labels))?;
    let profile = profile::put_back(&now.profile, (&before.profile, &after.profile))?;
    Some(Facts { name: now.name.clone(), labels, profile })
}

fn labels_back(now: &Labels, labels: (&Labels, &Labels)) -> Option<Labels> {
    let (before, after) = labels;
    let touched: Vec<_> = touched(labels).collect();
    if touched.iter().all(|key| now.get(*key) == before.get(*key)) {
        return Some(now.clone());
    }
    let is_as_left = touched.iter().all(|key| now.get(*key) == after.get(*key));
    let mut back = is_as_left.then(|| now.clone())?;
    for key in touched {
        match before.get(key) {
            Some(value) => back.insert(key.clone(), value.clone()),
            None => back.remove(key),
        };
    }
    Some(back)
}

/// The keys of labels that differ.
fn touched<'a>((before, after): (&'a Labels, &'a Labels)) -> impl Iterator<Item = &'a String> {
    let added = after.keys().filter(|key| !before.contains_key(*key));
    before.keys().filter(|key| before.get(*key) != after.get(*key)).chain(added)
}

/// Gives a tenant another slug; only says so where `dry_run` is set. The old one leads to the new
/// one for 30 days, unless somebody takes it. The same rename again finds it done.
///
/// # Errors
/// [`TenantError::NotFound`], [`TenantError::Gone`]; [`TenantError::SlugTaken`] when another
/// tenant has the slug, or got it a moment before.
pub(in crate::features) async fn rename(
    connection: &mut PgConnection,
    caller: &Authorized<'_>,
    name: &TenantRef,
    (slug, key): (&Slug, &RecordKey),
    (expected, dry_run, attempt): (&Expected, bool, Option<&Attempt>),
) -> Result<Renamed, TenantError> {
    let id = match read(connection, caller, name).await {
        Ok(tenant) => tenant.id,
        Err(TenantError::Renamed { slug: now, .. }) if now == slug.as_str() => {
            read(connection, caller, &TenantRef::Slug(slug.clone())).await?.id
        }
        Err(error) => return Err(error),
    };
    let mut tx = durable_transaction(connection).await?;
    let tenant = alive(&mut tx, id, (name, dry_run)).await?;
    expected.check(&TenantView::from(tenant.clone()))?;
    if tenant.slug == slug.as_str() {
        tx.rollback().await?;
        return Ok(Renamed { id, outcome: ChangeOutcome::Unchanged, slug: tenant.slug, former_slug: None });
    }
    if matches!(name, TenantRef::Slug(asked) if asked.as_str() != tenant.slug) {
        // Somebody else renamed it a moment before.
        return Err(TenantError::Renamed {
            name: name.to_string(),
            slug: tenant.slug,
            since: tenant.updated_at,
        });
    }
    let taken = || TenantError::SlugTaken { slug: slug.to_string() };
    if look_up(&mut tx, &TenantRef::Slug(slug.clone())).await?.is_some() {
        return Err(taken());
    }
    let outcome = if dry_run { ChangeOutcome::Planned } else { ChangeOutcome::Renamed };
    if !dry_run {
        mark(&mut tx, attempt).await?;
        // Waits for whoever is about to take the slug.
        let set = store::set_slug(&mut tx, id, slug, key).await;
        set.map_err(|error| if error.violates(store::SLUG_INDEX) { taken() } else { error.into() })?;
        store::retire(&mut tx, id, (&tenant.slug, slug)).await?;
        let detail = json!({ "slug": slug, "former_slug": tenant.slug });
        let entry =
            audit::Entry { caller, action: "tenant.rename", tenant: Some(id), operation: None, detail };
        audit::record(&mut tx, entry).await?;
    }
    tx.commit().await?;
    Ok(Renamed { id, outcome, slug: slug.to_string(), former_slug: Some(tenant.slug) })
}

/// The tenant; where it is to be changed, held until the transaction ends.
async fn alive(
    tx: &mut PgConnection,
    id: TenantId,
    (name, dry_run): (&TenantRef, bool),
) -> Result<Tenant, TenantError> {
    let found = if dry_run { store::by_id(tx, id).await? } else { store::lock(tx, id).await? };
    match found {
        Some(tenant) if tenant.state != TenantState::Deleted => Ok(tenant),
        Some(tenant) => Err(TenantError::Gone { slug: tenant.slug }),
        None => Err(TenantError::NotFound { name: name.to_string(), nearest: None }),
    }
}
