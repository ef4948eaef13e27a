//! The way back of a batch: what rolling it back would do to each of its tenants, and the doing.

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::change::{Change, ChangeOutcome, Changed};
use super::super::error::{ANOTHER, ProvisioningError};
use super::super::recovery::Direction;
use super::super::worker::{Provisioning, Worker};
use super::store;
use crate::features::access::{self, About, rights};
use crate::features::tenants::{self, Facts, Tenant, TenantRef, TenantState};
use crate::infra::db::{LockKey, PgConnection};
use crate::kernel::{BatchId, Caller, OperationId, Progress, TenantId};

/// What would come of rolling back a batch's change of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// It would be changed.
    Planned,
    /// It is so already.
    Unchanged,
    /// It was changed again since, and stays as it is.
    ChangedSince,
    /// An operation of somebody else's is not over.
    InProgress,
}

/// A batch's change of one tenant.
#[derive(Debug, Clone)]
pub struct Member {
    /// Of which tenant.
    pub tenant: TenantId,
    pub slug: String,
    pub operation: OperationId,
    /// What would come of rolling it back.
    pub prospect: Prospect,
    undo: Undo,
    /// The operation of somebody else's that is not over, its kind, and whether a process is at work on it.
    other: Option<(OperationId, String, bool)>,
}

/// How one change is rolled back.
#[derive(Debug, Clone)]
enum Undo {
    /// It is not finished.
    Operation,
    Change(Change),
    Facts(Box<(Facts, Facts)>),
}

/// The way back of a batch.
#[derive(Debug, Clone)]
pub struct WayBack {
    /// The batch.
    pub batch: BatchId,
    /// What will be done to each tenant, e.g. `resume`.
    pub verb: &'static str,
    /// Its changes, those left out that were rolled back one by one.
    pub members: Vec<Member>,
    /// How many tenants an earlier rollback of this batch was for, at most, if there was one.
    pub earlier: Option<usize>,
}

/// The verb that undoes what a verb did.
pub(super) fn opposite(verb: &str) -> Option<&'static str> {
    match verb {
        "suspend" => Some("resume"),
        "resume" => Some("suspend"),
        "delete" => Some("undelete"),
        "undelete" => Some("delete"),
        "update" => Some("update"),
        _ => None,
    }
}

impl Provisioning {
    /// What rolling back a batch would do. Nothing is changed.
    ///
    /// # Errors
    /// [`ProvisioningError::NoBatch`]; [`ProvisioningError::BatchOnlyForward`] where it destroyed
    /// something; [`ProvisioningError::BatchRuns`] while a process is at work on it.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn way_back(
        &self,
        worker: &Worker,
        caller: &Caller,
        id: BatchId,
    ) -> Result<WayBack, ProvisioningError> {
        worker.authorize(caller, &rights::OPERATION_READ, About::Platform).await?;
        let mut control = worker.control.lock().await;
        let found = store::verb(&mut control, id).await?;
        let (verb, earlier) = found.ok_or(ProvisioningError::NoBatch { id })?;
        let Some(back) = opposite(&verb) else {
            return Err(ProvisioningError::BatchOnlyForward { id, verb });
        };
        let mut members = Vec::new();
        for row in store::members(&mut control, id).await? {
            let runs = (row.is_open() || row.other_id.is_some())
                && super::super::store::is_locked(&mut control, &LockKey::of("tenant", row.tenant_id))
                    .await?;
            if runs && row.is_open() {
                return Err(ProvisioningError::BatchRuns { id });
            }
            members.extend(row.member(runs));
        }
        let earlier = earlier.and_then(|count| usize::try_from(count).ok());
        Ok(WayBack { batch: id, verb: back, members, earlier })
    }

    /// Rolls back a batch's change of one tenant, as a part of [`Provisioning::batch`].
    ///
    /// # Errors
    /// [`ProvisioningError::ChangedSince`] where somebody changed the tenant again; as
    /// [`Provisioning::change`].
    pub(super) async fn reverse(
        &self,
        worker: &Worker,
        caller: &Caller,
        member: &Member,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Changed, ProvisioningError> {
        let name = TenantRef::Id(member.tenant);
        match &member.undo {
            Undo::Change(change) => {
                Box::pin(self.change(worker, caller, &name, change, progress, stop)).await
            }
            Undo::Operation => {
                let back = self.take_up(worker, caller, member.operation, Direction::Back, progress, stop);
                match Box::pin(back).await {
                    Ok(tenant) => Ok(Changed::of(ChangeOutcome::RolledBack, Some(member.operation), tenant)),
                    Err(ProvisioningError::Over { .. }) => Err(ProvisioningError::ChangedSince {
                        slug: member.slug.clone(),
                        by: "its operation ended meanwhile; repeat the command".to_owned(),
                    }),
                    Err(error) => Err(error),
                }
            }
            Undo::Facts(facts) => {
                let (before, after) = &**facts;
                let mut control = worker.control.lock().await;
                let batch = self.batch.map(|batch| batch.id);
                let facts = (before, after);
                let caller =
                    &access::authorize(&mut control, caller, &rights::TENANT_UPDATE, name.about()).await?;
                let put_back =
                    tenants::put_facts_back(&mut control, caller, member.tenant, facts, batch).await?;
                let tenant = tenants::read(&mut control, caller, &name).await?;
                match put_back {
                    None => Err(facts_changed(&member.slug)),
                    Some(true) => Ok(Changed::of(ChangeOutcome::Updated, None, tenant)),
                    Some(false) => Ok(Changed::of(ChangeOutcome::Unchanged, None, tenant)),
                }
            }
        }
    }

    /// Where this rolls a batch back: whether an operation that is not over is somebody else's, which is
    /// theirs to end.
    pub(in super::super) async fn is_somebody_elses(
        &self,
        control: &mut PgConnection,
        operation: OperationId,
    ) -> Result<bool, ProvisioningError> {
        match self.batch.and_then(|batch| batch.reverses) {
            Some(reversed) => Ok(!store::is_own(control, reversed, operation).await?),
            None => Ok(false),
        }
    }

    /// Where this rolls a batch back: refuses a tenant whose last change is not one of that batch.
    /// Called under the tenant's lock.
    pub(in super::super) async fn require_unchanged_since(
        &self,
        tx: &mut PgConnection,
        tenant: &Tenant,
        own: OperationId,
    ) -> Result<(), ProvisioningError> {
        let Some(reversed) = self.batch.and_then(|batch| batch.reverses) else { return Ok(()) };
        match store::last_change(tx, tenant.id, own).await? {
            Some(last) if last.batch_id != Some(reversed) => {
                Err(ProvisioningError::ChangedSince { slug: tenant.slug.clone(), by: last.words() })
            }
            _ => Ok(()),
        }
    }
}

fn facts_changed(slug: &str) -> ProvisioningError {
    ProvisioningError::ChangedSince {
        slug: slug.to_owned(),
        by: "what it changed was changed again".to_owned(),
    }
}

impl Member {
    /// Why it stays as it is.
    #[must_use]
    pub fn why_not(&self) -> ProvisioningError {
        match (&self.other, &self.undo) {
            (Some((id, kind, running)), _) => ProvisioningError::InProgress {
                slug: self.slug.clone(),
                operation: Some(*id),
                kind: kind.clone(),
                running: *running,
            },
            (None, Undo::Facts(_)) => facts_changed(&self.slug),
            (None, _) => ProvisioningError::ChangedSince { slug: self.slug.clone(), by: ANOTHER.to_owned() },
        }
    }
}

impl store::MemberRow {
    /// Whether it, or an earlier rollback of it, is not finished.
    fn is_open(&self) -> bool {
        self.is_half_done() || self.is_half_reversed
    }

    fn is_half_done(&self) -> bool {
        matches!(self.state.as_str(), "running" | "stopped" | "rolling_back")
    }

    /// `None` where it was rolled back already. Labels and the like are put back whatever else changes the tenant.
    fn member(self, runs: bool) -> Option<Member> {
        if self.state == "rolled_back" {
            return None;
        }
        let (prospect, undo) =
            if self.is_half_done() { (Prospect::Planned, Undo::Operation) } else { self.undo()? };
        let other = self.other_id.zip(self.other_kind).filter(|_| !matches!(undo, Undo::Facts(_)));
        let prospect = if other.is_some() { Prospect::InProgress } else { prospect };
        let other = other.map(|(id, kind)| (id, kind, runs));
        Some(Member { tenant: self.tenant_id, slug: self.slug, operation: self.id, prospect, undo, other })
    }

    fn undo(&self) -> Option<(Prospect, Undo)> {
        use TenantState::{Active, Suspended, Trashed};
        let (change, needed) = match self.kind.as_str() {
            "suspend" => (Change::Resume, self.tenant_state == Suspended),
            "resume" => (Change::SuspendAgain, self.tenant_state == Active),
            "delete" => (Change::Undelete, self.tenant_state == Trashed),
            "undelete" => (Change::Delete, matches!(self.tenant_state, Active | Suspended)),
            "update" => {
                let (before, after) = (self.facts("before")?, self.facts("after")?);
                let now = Facts {
                    labels: self.labels.0.clone(),
                    profile: self.profile.clone(),
                    name: String::new(),
                };
                let prospect = tenants::prospect_of_facts(&now, (&before, &after));
                let prospect = match prospect {
                    None => Prospect::ChangedSince,
                    Some(true) => Prospect::Planned,
                    Some(false) => Prospect::Unchanged,
                };
                return Some((prospect, Undo::Facts(Box::new((before, after)))));
            }
            _ => return None,
        };
        let prospect = match (needed, self.is_last) {
            // The same change finishes it.
            _ if self.is_half_reversed => Prospect::Planned,
            (false, _) if matches!(self.tenant_state, Active | Suspended) => Prospect::Unchanged,
            (false, _) | (true, false) => Prospect::ChangedSince,
            (true, true) => Prospect::Planned,
        };
        Some((prospect, Undo::Change(change)))
    }

    fn facts(&self, which: &str) -> Option<Facts> {
        self.request.get(which).and_then(|value: &Value| serde_json::from_value(value.clone()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_that_can_be_undone_has_its_opposite_and_back_again() {
        for verb in ["suspend", "resume", "delete", "undelete", "update"] {
            assert_eq!(opposite(verb).and_then(opposite), Some(verb));
        }
        assert_eq!(opposite("purge"), None);
    }
}
