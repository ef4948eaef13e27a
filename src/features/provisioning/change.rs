//! The changes in a tenant's life after its making: suspended and resumed, deleted and undeleted,
//! purged. Each is one operation; the same change asked for again finds it done, or finishes it.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::create::Intent;
use super::error::ProvisioningError;
use super::plan::Plan;
use super::recovery::{Direction, steps_of, stopped};
use super::steps;
use super::store;
use super::worker::{Provisioning, Worker};
use crate::features::audit;
use crate::features::tenants::{self, Reason, Tenant, TenantError, TenantRef, TenantState, TenantView};
use crate::infra::db::{AdvisoryLock, LockKey, PgConnection, durable_transaction};
use crate::infra::objects::Owner;
use crate::infra::saga::Journal;
use crate::kernel::{Caller, OperationId, Progress};

/// A change in a tenant's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Let nobody in for a while.
    Suspend {
        /// Why.
        reason: Reason,
    },
    /// End a suspension.
    Resume,
    /// Put it into the trash: nobody is let in, everything is kept.
    Delete {
        /// For so many days.
        retention_days: u32,
    },
    /// Take it out of the trash, to what it was before.
    Undelete,
    /// Destroy it.
    Purge {
        /// Only if it is in the trash and its time there is over.
        only_if_due: bool,
    },
    /// Destroy it if it is in a pool; whoever was given it in the meantime keeps it.
    Discard,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOutcome {
    /// It is suspended now.
    Suspended,
    /// It is active again.
    Resumed,
    /// It is in the trash now.
    Deleted,
    /// It is out of the trash.
    Undeleted,
    /// It is gone.
    Purged,
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
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Deleted => "deleted",
            Self::Undeleted => "undeleted",
            Self::Purged => "purged",
            Self::Unchanged => "unchanged",
            Self::Planned => "planned",
        }
    }
}

/// A tenant that was to be changed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Changed {
    /// What came of it.
    pub outcome: ChangeOutcome,
    /// The operation that changed it.
    pub operation: Option<OperationId>,
    /// What it is now; what it was, where it is gone.
    #[serde(flatten)]
    pub tenant: TenantView,
}

impl Change {
    /// The kind of its operation.
    fn kind(&self) -> &'static str {
        match self {
            Self::Suspend { .. } => "suspend",
            Self::Resume => "resume",
            Self::Delete { .. } => "delete",
            Self::Undelete => "undelete",
            Self::Purge { .. } | Self::Discard => "purge",
        }
    }

    fn action(&self) -> &'static str {
        match self {
            Self::Suspend { .. } => "tenant.suspend",
            Self::Resume => "tenant.resume",
            Self::Delete { .. } => "tenant.delete",
            Self::Undelete => "tenant.undelete",
            Self::Purge { .. } => "tenant.purge",
            Self::Discard => "pool.discard",
        }
    }

    fn outcome(&self) -> ChangeOutcome {
        match self {
            Self::Suspend { .. } => ChangeOutcome::Suspended,
            Self::Resume => ChangeOutcome::Resumed,
            Self::Delete { .. } => ChangeOutcome::Deleted,
            Self::Undelete => ChangeOutcome::Undeleted,
            Self::Purge { .. } | Self::Discard => ChangeOutcome::Purged,
        }
    }

    fn facts(&self, tenant: &Tenant) -> Value {
        let slug = &tenant.slug;
        match self {
            Self::Suspend { reason } => json!({ "slug": slug, "reason": reason.as_str() }),
            Self::Delete { retention_days } => json!({ "slug": slug, "retention_days": retention_days }),
            Self::Resume | Self::Undelete | Self::Purge { .. } | Self::Discard => json!({ "slug": slug }),
        }
    }

    /// Whether there is something to do; an error where it cannot be done in this state.
    async fn is_needed(&self, control: &mut PgConnection, tenant: &Tenant) -> Result<bool, TenantError> {
        use TenantState::{Active, Pooled, Suspended, Trashed};
        match (self, tenant.state) {
            (Self::Suspend { .. }, Active)
            | (Self::Resume, Suspended)
            | (Self::Delete { .. }, Active | Suspended)
            | (Self::Undelete, Trashed)
            | (Self::Purge { only_if_due: false }, Pooled | Active | Suspended | Trashed) => Ok(true),
            (Self::Suspend { .. }, Suspended)
            | (Self::Resume, Active)
            | (Self::Delete { .. }, Trashed)
            | (Self::Undelete, Active | Suspended) => Ok(false),
            (Self::Discard, state) => Ok(state == Pooled),
            (Self::Purge { only_if_due: true }, _) => Ok(tenants::is_due(control, tenant.id).await?),
            _ => Err(tenant.clone().unusable()),
        }
    }

    /// Writes what the intent changes of the tenant's row. What opens it does so at its end.
    async fn write(
        &self,
        tx: &mut PgConnection,
        caller: &Caller,
        tenant: &Tenant,
    ) -> Result<(), ProvisioningError> {
        match self {
            Self::Suspend { reason } => tenants::suspend(tx, tenant.id, caller, reason).await?,
            Self::Delete { retention_days } => {
                tenants::trash(tx, tenant.id, caller, *retention_days).await?;
            }
            Self::Purge { .. } | Self::Discard => {
                tenants::set_state(tx, tenant.id, TenantState::Deleting).await?;
            }
            Self::Resume | Self::Undelete => {}
        }
        Ok(())
    }
}

impl Provisioning {
    /// Changes a tenant, or finds that it is so already. The same change that was begun before is
    /// finished.
    ///
    /// # Errors
    /// [`ProvisioningError::InProgress`] when another operation changes the tenant,
    /// [`ProvisioningError::Tenant`] when its state does not allow it, or
    /// [`ProvisioningError::Stopped`] with the operation to resume.
    pub async fn change(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        change: &Change,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Changed, ProvisioningError> {
        let id = tenants::get(&mut *worker.control.lock().await, caller, name).await?.id;
        loop {
            let unfinished = store::unfinished(&mut *worker.control.lock().await, id).await?;
            if let Some(row) = unfinished {
                if row.kind != change.kind() {
                    return Err(self.in_progress(worker, name, row).await?);
                }
                let back = row.state == "rolling_back";
                let taken = self.take_up(worker, caller, row.id, Direction::AsRecorded, progress, stop);
                match Box::pin(taken).await {
                    // What was being taken back is so now, and is asked for anew; or it ended
                    // between two looks at it.
                    Ok(_) if back => {}
                    Err(ProvisioningError::Over { .. }) => {}
                    Ok(tenant) => return Ok(changed(change.outcome(), Some(row.id), tenant)),
                    Err(error) => return Err(error),
                }
                continue;
            }
            return match self.intend(worker, caller, &TenantRef::Id(id), change).await? {
                Intended::Unchanged(tenant) => Ok(changed(ChangeOutcome::Unchanged, None, *tenant)),
                Intended::Written(intent) => {
                    let operation = intent.operation;
                    let tenant = Box::pin(self.carry_out(worker, *intent, change, progress, stop)).await?;
                    Ok(changed(change.outcome(), Some(operation), tenant))
                }
            };
        }
    }

    /// What [`Provisioning::change`] would do, without doing anything.
    ///
    /// # Errors
    /// As [`Provisioning::change`].
    pub async fn look_at_change(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        change: &Change,
    ) -> Result<Changed, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let tenant = tenants::get(&mut control, caller, name).await?;
        let unfinished = store::unfinished(&mut control, tenant.id).await?;
        let needed = match unfinished {
            Some(row) if row.kind == change.kind() => {
                return Ok(changed(ChangeOutcome::Planned, Some(row.id), tenant));
            }
            Some(row) => {
                drop(control);
                return Err(self.in_progress(worker, name, row).await?);
            }
            None => change.is_needed(&mut control, &tenant).await?,
        };
        let outcome = if needed { ChangeOutcome::Planned } else { ChangeOutcome::Unchanged };
        Ok(changed(outcome, None, tenant))
    }

    async fn in_progress(
        &self,
        worker: &Worker,
        name: &TenantRef,
        row: store::OperationRow,
    ) -> Result<ProvisioningError, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let running = store::is_locked(&mut control, &LockKey::of("tenant", row.tenant_id)).await?;
        let tenant = tenants::by_id(&mut control, row.tenant_id).await?;
        let slug = tenant.map_or_else(|| name.to_string(), |tenant| tenant.slug);
        Ok(ProvisioningError::InProgress { slug, operation: Some(row.id), kind: row.kind, running })
    }

    /// Takes the tenant's lock, decides under it, and writes the intent: the operation with its
    /// steps, the tenant's row, the audit row.
    async fn intend(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        change: &Change,
    ) -> Result<Intended, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let tenant = tenants::get(&mut control, caller, name).await?;
        let lock = AdvisoryLock::take(&mut control, LockKey::of("tenant", tenant.id)).await?;
        let Some(lock) = lock else { return Err(somebody_elses(&mut control, &tenant, true).await?) };
        let written = self.write_intent(&mut control, caller, &tenant, change).await;
        let (operation, fence, tenant) = match written {
            Ok(Some(written)) => written,
            Ok(None) => {
                lock.release(&mut control).await?;
                let tenant = tenants::by_id(&mut control, tenant.id).await?.unwrap_or(tenant);
                return Ok(Intended::Unchanged(Box::new(tenant)));
            }
            Err(error) => {
                let _ = lock.release(&mut control).await;
                return Err(error);
            }
        };
        drop(control);
        crate::infra::failpoint::pass(|| format!("{}.intent.after", change.kind())).await;
        Ok(Intended::Written(Box::new(Intent { operation, fence, tenant, lock, fresh: true })))
    }

    async fn write_intent(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        tenant: &Tenant,
        change: &Change,
    ) -> Result<Option<(OperationId, i64, Tenant)>, ProvisioningError> {
        let operation = OperationId::new();
        let (id, kind) = (tenant.id, change.kind());
        let mut tx = durable_transaction(control).await?;
        // As it is now that nobody else can change it.
        let tenant = tenants::by_id(&mut tx, id).await?.unwrap_or_else(|| tenant.clone());
        let facts = change.facts(&tenant);
        let Some(fence) = store::insert(&mut tx, (operation, id, kind), caller, &facts).await? else {
            tx.rollback().await?;
            return Err(somebody_elses(control, &tenant, false).await?);
        };
        if !change.is_needed(&mut tx, &tenant).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        change.write(&mut tx, caller, &tenant).await?;
        Journal::plan(&mut tx, operation, &steps::outline(&steps_of(kind, tenant.adopted))).await?;
        let entry = audit::Entry {
            caller,
            action: change.action(),
            tenant: Some(id),
            operation: Some(operation),
            detail: facts,
        };
        audit::record(&mut tx, entry).await?;
        let tenant = tenants::by_id(&mut tx, id).await?.unwrap_or(tenant);
        tx.commit().await?;
        Ok(Some((operation, fence, tenant)))
    }

    /// Runs a written intent. Before a purge the store is told of the new fence, so that nothing late
    /// of an earlier operation changes anything; the other changes tell it with their keys, so that
    /// logins are closed even while the store is down.
    async fn carry_out(
        &self,
        worker: &Worker,
        intent: Intent,
        change: &Change,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Tenant, ProvisioningError> {
        let (kind, slug, operation) = (change.kind(), intent.tenant.slug.clone(), intent.operation);
        let owner = Owner { mark: Plan::mark(self, &intent.tenant), fence: intent.fence };
        let ready = async {
            let opened = self.open_secrets(&mut *worker.control.lock().await, intent.tenant.id).await?;
            if kind == "purge" {
                self.store_of(worker, &intent.tenant).await?.driver.fence(&owner).await?;
            }
            Ok(opened)
        };
        match ready.await {
            Ok(opened) => self.drive(worker, intent, kind, opened, progress, stop).await,
            Err(error) => {
                let _ = intent.lock.release(&mut *worker.control.lock().await).await;
                Err(stopped(operation, kind, slug, false, error))
            }
        }
    }

    /// The tenants whose time in the trash is over, the longest over first.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn due(
        &self,
        worker: &Worker,
        _caller: &Caller,
    ) -> Result<Vec<(TenantRef, String)>, ProvisioningError> {
        let due = tenants::due(&mut *worker.control.lock().await).await?;
        Ok(due.into_iter().map(|(id, slug)| (TenantRef::Id(id), slug)).collect())
    }
}

enum Intended {
    Written(Box<Intent>),
    /// There is nothing to do.
    Unchanged(Box<Tenant>),
}

fn changed(outcome: ChangeOutcome, operation: Option<OperationId>, tenant: Tenant) -> Changed {
    Changed { outcome, operation, tenant: tenant.into() }
}

/// That another operation changes the tenant, or did a moment ago.
pub(super) async fn somebody_elses(
    control: &mut PgConnection,
    tenant: &Tenant,
    running: bool,
) -> Result<ProvisioningError, ProvisioningError> {
    let row = store::unfinished(control, tenant.id).await?;
    let (operation, kind) = row.map(|row| (row.id, row.kind)).unzip();
    let kind = kind.unwrap_or_default();
    Ok(ProvisioningError::InProgress { slug: tenant.slug.clone(), operation, kind, running })
}
