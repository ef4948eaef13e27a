//! Changing what is only a row: a tenant's name, its labels, its slug. Each change is one
//! transaction with its audit row; nothing outside the control database knows of it, so a tenant
//! under an unfinished operation may be changed, too.

use serde::Serialize;
use serde_json::json;

use super::error::TenantError;
use super::model::{Tenant, TenantState};
use super::service::{TenantRef, find, get};
use super::store;
use crate::features::audit;
use crate::infra::db::{PgConnection, transaction};
use crate::kernel::label::Label;
use crate::kernel::{Caller, Labels, Slug, TenantId};

/// What is to be changed about a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Its name from now on.
    pub name: Option<String>,
    /// Labels that it has from now on, whatever their value was.
    pub set: Vec<Label>,
    /// Keys of labels that it has no longer.
    pub unset: Vec<String>,
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

/// What can be changed of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The customer's name.
    pub name: String,
    /// Labels to select by.
    pub labels: Labels,
}

/// A tenant that was to be changed.
#[derive(Debug, Clone, Serialize)]
pub struct Updated {
    /// Its id.
    pub id: TenantId,
    /// Its slug.
    pub slug: String,
    /// What came of it.
    pub outcome: ChangeOutcome,
    /// How it was.
    pub before: Facts,
    /// How it is, or would be.
    pub after: Facts,
}

/// A tenant that was to be renamed.
#[derive(Debug, Clone, Serialize)]
pub struct Renamed {
    /// Its id.
    pub id: TenantId,
    /// What came of it.
    pub outcome: ChangeOutcome,
    /// Its slug, or what it would be.
    pub slug: String,
    /// The slug that it gave up, or would give up.
    pub former_slug: Option<String>,
}

impl Change {
    fn of(&self, tenant: &Tenant) -> (Facts, Facts) {
        let before = Facts { name: tenant.name.clone(), labels: tenant.labels.0.clone() };
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        after.labels.retain(|key, _| !self.unset.contains(key));
        after.labels.extend(self.set.iter().map(|label| (label.key.clone(), label.value.clone())));
        (before, after)
    }
}

/// Changes a tenant's name and labels; only says how it would be where `dry_run` is set.
///
/// # Errors
/// [`TenantError::NotFound`], [`TenantError::Gone`].
pub async fn update(
    connection: &mut PgConnection,
    caller: &Caller,
    name: &TenantRef,
    change: &Change,
    dry_run: bool,
) -> Result<Updated, TenantError> {
    let id = get(connection, caller, name).await?.id;
    let mut tx = transaction(connection).await?;
    let tenant = alive(&mut tx, id, (name, dry_run)).await?;
    let (before, after) = change.of(&tenant);
    let outcome = match (before == after, dry_run) {
        (true, _) => ChangeOutcome::Unchanged,
        (false, true) => ChangeOutcome::Planned,
        (false, false) => ChangeOutcome::Updated,
    };
    if outcome == ChangeOutcome::Updated {
        store::set_facts(&mut tx, id, &after.name, &after.labels).await?;
        let detail = json!({ "slug": tenant.slug, "before": before, "after": after });
        let entry =
            audit::Entry { caller, action: "tenant.update", tenant: Some(id), operation: None, detail };
        audit::record(&mut tx, entry).await?;
    }
    tx.commit().await?;
    Ok(Updated { id, slug: tenant.slug, outcome, before, after })
}

/// Gives a tenant another slug; only says so where `dry_run` is set. The old one leads to the new
/// one for 30 days, unless somebody takes it. The same rename again finds it done.
///
/// # Errors
/// [`TenantError::NotFound`], [`TenantError::Gone`]; [`TenantError::SlugTaken`] when another
/// tenant has the slug, or got it a moment before.
pub async fn rename(
    connection: &mut PgConnection,
    caller: &Caller,
    name: &TenantRef,
    slug: &Slug,
    dry_run: bool,
) -> Result<Renamed, TenantError> {
    let id = match get(connection, caller, name).await {
        Ok(tenant) => tenant.id,
        Err(TenantError::Renamed { slug: now, .. }) if now == slug.as_str() => {
            get(connection, caller, &TenantRef::Slug(slug.clone())).await?.id
        }
        Err(error) => return Err(error),
    };
    let mut tx = transaction(connection).await?;
    let tenant = alive(&mut tx, id, (name, dry_run)).await?;
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
    if find(&mut tx, &TenantRef::Slug(slug.clone())).await?.is_some() {
        return Err(taken());
    }
    let outcome = if dry_run { ChangeOutcome::Planned } else { ChangeOutcome::Renamed };
    if !dry_run {
        // Waits for whoever is about to take the slug.
        let set = store::set_slug(&mut tx, id, slug).await;
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
