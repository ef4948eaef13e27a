//! The changes in a tenant's life after its making: suspended and resumed, deleted and undeleted,
//! purged. Each is one operation; the same change asked for again finds it done, or finishes it.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::batch::Selected;
use super::create::{Intent, Neighbour};
use super::error::ProvisioningError;
use super::kinds::steps_of;
use super::locked::{LockedTenant, owned_by_other};
use super::plan::Plan;
use super::recovery::{Direction, Opened, stopped};
use super::steps;
use super::store::{self, OperationRow};
use super::worker::{Provisioning, Worker};
use crate::features::access::{About, Authorized, Right, rights};
use crate::features::tenants::{self, Tenant, TenantError, TenantRef, TenantState, TenantView};
use crate::infra::cluster;
use crate::infra::db::{LockKey, PgConnection};
use crate::infra::objects::Owner;
use crate::kernel::{Caller, Event, OperationId, Progress, Reason};

/// A change in a tenant's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Let nobody in for a while.
    Suspend { reason: Reason },
    /// Suspend it again as it was before it was resumed: for the same reason, since the same time.
    SuspendAgain,
    /// End a suspension.
    Resume,
    /// Put it into the trash: nobody is let in, everything is kept for as long as the settings say.
    Delete,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, ToSchema)]
#[schema(as = TenantChangeOutcome)]
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
    /// Its labels are what they were before.
    Updated,
    /// A change of it that was not finished was rolled back.
    RolledBack,
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
            Self::Updated => "updated",
            Self::RolledBack => "rolled_back",
            Self::Purged => "purged",
            Self::Unchanged => "unchanged",
            Self::Planned => "planned",
        }
    }
}

/// A tenant that was to be changed.
#[derive(Debug, Clone, serde::Serialize, ToSchema)]
#[schema(as = ChangedTenant)]
pub struct Changed {
    pub outcome: ChangeOutcome,
    /// The operation that changed it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub operation: Option<OperationId>,
    /// What it is now; what it was, where it is gone.
    #[serde(flatten)]
    pub tenant: TenantView,
}

impl Change {
    /// The kind of its operation.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Suspend { .. } | Self::SuspendAgain => "suspend",
            Self::Resume => "resume",
            Self::Delete => "delete",
            Self::Undelete => "undelete",
            Self::Purge { .. } | Self::Discard => "purge",
        }
    }

    /// The permission that it needs.
    fn right(&self) -> &'static Right {
        match self {
            Self::Suspend { .. } | Self::SuspendAgain | Self::Resume => &rights::TENANT_SUSPEND,
            Self::Delete | Self::Undelete => &rights::TENANT_DELETE,
            Self::Purge { .. } => &rights::TENANT_PURGE,
            Self::Discard => &rights::POOL_UPDATE,
        }
    }

    fn action(&self) -> &'static str {
        match self {
            Self::Suspend { .. } | Self::SuspendAgain => "tenant.suspend",
            Self::Resume => "tenant.resume",
            Self::Delete => "tenant.delete",
            Self::Undelete => "tenant.undelete",
            Self::Purge { .. } => "tenant.purge",
            Self::Discard => "pool.discard",
        }
    }

    fn outcome(&self) -> ChangeOutcome {
        match self {
            Self::Suspend { .. } | Self::SuspendAgain => ChangeOutcome::Suspended,
            Self::Resume => ChangeOutcome::Resumed,
            Self::Delete => ChangeOutcome::Deleted,
            Self::Undelete => ChangeOutcome::Undeleted,
            Self::Purge { .. } | Self::Discard => ChangeOutcome::Purged,
        }
    }

    fn facts(&self, tenant: &Tenant, retention_days: u32) -> Value {
        let slug = &tenant.slug;
        match self {
            Self::Suspend { reason } => json!({ "slug": slug, "reason": reason.as_str() }),
            Self::SuspendAgain => json!({ "slug": slug, "reason": tenant.last_suspension_reason() }),
            Self::Delete => json!({ "slug": slug, "retention_days": retention_days }),
            Self::Resume | Self::Undelete | Self::Purge { .. } | Self::Discard => json!({ "slug": slug }),
        }
    }

    /// Whether there is something to do; an error where it cannot be done in this state.
    async fn is_needed(&self, control: &mut PgConnection, tenant: &Tenant) -> Result<bool, TenantError> {
        use TenantState::{Active, Pooled, Suspended, Trashed};
        match (self, tenant.state) {
            (Self::Suspend { .. } | Self::SuspendAgain, Active)
            | (Self::Resume, Suspended)
            | (Self::Delete, Active | Suspended)
            | (Self::Undelete, Trashed)
            | (Self::Purge { only_if_due: false }, Pooled | Active | Suspended | Trashed) => Ok(true),
            (Self::Suspend { .. } | Self::SuspendAgain, Suspended)
            | (Self::Resume, Active)
            | (Self::Delete, Trashed)
            | (Self::Undelete, Active | Suspended) => Ok(false),
            (Self::Discard, state) => Ok(state == Pooled),
            (Self::Purge { only_if_due: true }, _) => Ok(tenants::is_due(control, tenant.id).await?),
            _ => Err(tenant.clone().unusable()),
        }
    }

    /// The statement that changes the tenant's row with the intent, and gives it. What opens it does
    /// so at its end.
    fn row(&self, caller: &Authorized<'_>, tenant: &Tenant, retention_days: u32) -> Option<String> {
        match self {
            Self::Suspend { reason } => Some(tenants::suspend(tenant.id, caller, reason)),
            Self::SuspendAgain => Some(tenants::suspend_again(tenant.id)),
            Self::Delete => Some(tenants::trash(tenant.id, caller, retention_days)),
            Self::Purge { .. } | Self::Discard => Some(tenants::condemn(tenant.id)),
            Self::Resume | Self::Undelete => None,
        }
    }

    /// What becomes of another operation that was begun and is not over, and that nobody is at work
    /// on, where this change is asked for.
    fn way_past(&self, row: &OperationRow) -> Way {
        let (opens, closes) = match row.kind.as_str() {
            "resume" | "undelete" => (true, false),
            "suspend" | "delete" | "repair" => (false, true),
            _ => return Way::Barred,
        };
        match self {
            // Nothing is let in first that is to be shut out, or destroyed.
            Self::Suspend { .. } | Self::SuspendAgain | Self::Delete if opens => Way::After(Direction::Back),
            Self::Suspend { .. } | Self::SuspendAgain | Self::Delete | Self::Resume | Self::Undelete
                if opens || closes =>
            {
                Way::After(Direction::AsRecorded)
            }
            // Whatever it was about goes.
            Self::Purge { only_if_due: false } => Way::InItsPlace,
            _ => Way::Barred,
        }
    }
}

/// How a change gets past another operation that is not over.
enum Way {
    /// Once that has ended.
    After(Direction),
    /// By taking its place.
    InItsPlace,
    /// Not at all: a person decides.
    Barred,
}

impl Provisioning {
    /// Changes a tenant, or finds that it is so already. The same change that was begun before is
    /// finished.
    ///
    /// # Errors
    /// [`ProvisioningError::InProgress`] when another operation changes the tenant,
    /// [`ProvisioningError::Tenant`] when its state does not allow it, or
    /// [`ProvisioningError::Stopped`] with the operation to resume.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn change(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        change: &Change,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Changed, ProvisioningError> {
        let caller = &worker.authorize(caller, change.right(), name.about()).await?;
        let mut name = name.for_caller(caller);
        loop {
            let held = self.hold(worker, &name).await?;
            let held = held.on_its_server(self, worker).await?;
            name = TenantRef::Id(held.tenant().id);
            let Some(row) = held.unfinished().cloned() else {
                return self.begin(worker, caller, held, change, (progress, stop)).await;
            };
            if self.is_somebody_elses(&mut *worker.control.lock().await, row.id).await? {
                let error = owned_by_other(held.tenant().slug.clone(), Some(row), false);
                return Err(held.refuse(worker, error).await);
            }
            if self.only_records() {
                return self.queued_already(worker, held, (change, row)).await;
            }
            let direction = match change.way_past(&row) {
                _ if row.kind == change.kind() => Direction::AsRecorded,
                Way::After(direction) => direction,
                Way::InItsPlace => return self.begin(worker, caller, held, change, (progress, stop)).await,
                Way::Barred => {
                    let error = owned_by_other(held.tenant().slug.clone(), Some(row), false);
                    return Err(held.refuse(worker, error).await);
                }
            };
            let back = direction == Direction::Back || row.state == "rolling_back";
            if row.kind != change.kind() {
                let (how, slug) = (if back { "rolling back" } else { "finishing" }, &held.tenant().slug);
                let note =
                    format!("{slug}: {how} {} first: it was interrupted (operation {})", row.kind, row.id);
                progress.event(Event::Note(note));
            }
            let ended = Box::pin(self.resume(worker, caller, held, direction, (progress, stop))).await?;
            // What was rolled back is so now, and is asked for once more.
            if row.kind == change.kind() && !back {
                return Ok(changed(change.outcome(), Some(row.id), ended));
            }
        }
    }

    /// What is said where an operation of a tenant is not over, and nothing is carried out here: the same
    /// change may wait for a worker already.
    async fn queued_already(
        &self,
        worker: &Worker,
        held: LockedTenant,
        (change, row): (&Change, OperationRow),
    ) -> Result<Changed, ProvisioningError> {
        if row.kind == change.kind() && row.driven_by == self.driven_by && row.state == "running" {
            let tenant = held.end(&mut *worker.control.lock().await, None).await?;
            return Ok(changed(ChangeOutcome::Planned, Some(row.id), tenant));
        }
        let error = owned_by_other(held.tenant().slug.clone(), Some(row), false);
        Err(held.refuse(worker, error).await)
    }

    /// Begins the change of a tenant that is held, where it is needed, and carries it out.
    async fn begin(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        held: LockedTenant,
        change: &Change,
        (progress, stop): (&dyn Progress, &CancellationToken),
    ) -> Result<Changed, ProvisioningError> {
        let needed = change.is_needed(&mut *worker.control.lock().await, held.tenant()).await;
        match needed {
            Ok(true) => {}
            Ok(false) => {
                let tenant = held.end(&mut *worker.control.lock().await, None).await?;
                return Ok(changed(ChangeOutcome::Unchanged, None, tenant));
            }
            Err(error) => return Err(held.refuse(worker, error.into()).await),
        }
        if change.kind() == "purge"
            && let Err(error) = self.require_shut_trash(worker, &held).await
        {
            return Err(held.refuse(worker, error).await);
        }
        let intent = self.intend(worker, caller, held, change).await?;
        let operation = intent.operation;
        if self.only_records() {
            let tenant = intent.held.end(&mut *worker.control.lock().await, None).await?;
            return Ok(changed(ChangeOutcome::Planned, Some(operation), tenant));
        }
        let tenant = Box::pin(self.carry_out(worker, intent, change, progress, stop)).await?;
        Ok(changed(change.outcome(), Some(operation), tenant))
    }

    /// What [`Provisioning::change`] would do, without doing anything.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn look_at_change(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        change: &Change,
    ) -> Result<Changed, ProvisioningError> {
        let caller = &worker.authorize(caller, change.right(), name.about()).await?;
        let mut control = worker.control.lock().await;
        let tenant = tenants::read(&mut control, caller, name).await?;
        let unfinished = store::unfinished(&mut control, tenant.id).await?;
        let needed = match unfinished {
            Some(row) if row.kind == change.kind() || !matches!(change.way_past(&row), Way::Barred) => {
                return Ok(changed(ChangeOutcome::Planned, Some(row.id), tenant));
            }
            Some(row) => {
                drop(control);
                return Err(self.in_progress(worker, tenant.slug, row).await?);
            }
            None => change.is_needed(&mut control, &tenant).await?,
        };
        let outcome = if needed { ChangeOutcome::Planned } else { ChangeOutcome::Unchanged };
        Ok(changed(outcome, None, tenant))
    }

    async fn in_progress(
        &self,
        worker: &Worker,
        slug: String,
        row: OperationRow,
    ) -> Result<ProvisioningError, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let running = store::is_locked(&mut control, &LockKey::of("tenant", row.tenant_id)).await?;
        Ok(owned_by_other(slug, Some(row), running))
    }

    /// Writes the intent: the operation with its steps, the tenant's row, the audit row.
    async fn intend(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        mut held: LockedTenant,
        change: &Change,
    ) -> Result<Intent, ProvisioningError> {
        let (operation, tenant, kind) = (OperationId::new(), held.tenant().clone(), change.kind());
        let instead_of = held.unfinished().map(|row| row.id);
        if let Some(other) = instead_of
            && let Err(error) = self.end_sessions_of(worker, &tenant, other).await
        {
            return Err(held.refuse(worker, error).await);
        }
        let new = store::NewOperation {
            waits: self.only_records().then_some(self.driven_by),
            attempt: self.attempt.as_ref(),
            id: operation,
            tenant: tenant.id,
            kind,
            steps: &steps::outline(&steps_of(kind, tenant.adopted)),
            facts: change.facts(&tenant, self.retention_days),
            action: change.action(),
            instead_of,
            change: change.row(caller, &tenant, self.retention_days),
            batch: self.batch.map(|batch| batch.id),
        };
        let unchanged =
            self.require_unchanged_since(&mut *worker.control.lock().await, &tenant, operation).await;
        if let Err(error) = unchanged {
            return Err(held.refuse(worker, error).await);
        }
        let written = store::intend(&mut *worker.control.lock().await, caller, new).await;
        let (fence, row) = match written {
            Ok(Some(written)) => written,
            Ok(None) => return Err(held.refuse(worker, owned_by_other(tenant.slug, None, false)).await),
            Err(error) => return Err(held.refuse(worker, error.into()).await),
        };
        held.changed(row);
        crate::infra::failpoint::pass(|| format!("{kind}.intent.after")).await;
        Ok(Intent {
            operation,
            fence,
            held,
            fresh: true,
            named: false,
            neighbour: Neighbour::Unknown,
            entering: None,
        })
    }

    /// What is in the trash lets nobody in. Where its logins are open and no operation explains it, the
    /// control database may be older than the world, and the tenant in use.
    async fn require_shut_trash(
        &self,
        worker: &Worker,
        held: &LockedTenant,
    ) -> Result<(), ProvisioningError> {
        let tenant = held.tenant();
        if tenant.state != TenantState::Trashed || held.unfinished().is_some() {
            return Ok(());
        }
        let server = self.server_of(worker, &tenant.cluster).await?;
        if steps::lets_in(self, &server, tenant).await? {
            let (slug, cluster) = (tenant.slug.clone(), tenant.cluster.clone());
            return Err(ProvisioningError::OpenInTrash { slug, cluster });
        }
        Ok(())
    }

    /// Makes sure that nothing is still to come of an operation that another one takes the place of.
    async fn end_sessions_of(
        &self,
        worker: &Worker,
        tenant: &Tenant,
        operation: OperationId,
    ) -> Result<(), ProvisioningError> {
        let server = self.server_of(worker, &tenant.cluster).await?;
        let mut admin = server.admin.lock().await;
        Ok(cluster::fence(&mut admin, &format!("nexus:{operation}")).await?)
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
        let (kind, operation, tenant) = (change.kind(), intent.operation, intent.held.tenant().clone());
        let owner = Owner { mark: Plan::mark(self, &tenant), fence: intent.fence };
        let ready = async {
            // What closes a tenant needs none of its secrets.
            if matches!(kind, "suspend" | "delete") {
                return Ok(Opened::default());
            }
            let opened = self.open_secrets(&mut *worker.control.lock().await, tenant.id).await?;
            if kind == "purge" {
                self.store_of(worker, &tenant).await?.driver.fence(&owner).await?;
            }
            Ok(opened)
        };
        match ready.await {
            Ok(opened) => self.drive(worker, intent, kind, opened, progress, stop).await,
            Err(error) => {
                let error = intent.held.refuse(worker, error).await;
                Err(stopped(operation, kind, tenant.slug, false, error))
            }
        }
    }

    /// The tenants whose time in the trash is over, the longest over first.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn due(&self, worker: &Worker, caller: &Caller) -> Result<Vec<Selected>, ProvisioningError> {
        worker.authorize(caller, &rights::TENANT_READ, About::Platform).await?;
        let due = tenants::due(&mut *worker.control.lock().await).await?;
        Ok(due.into_iter().map(|(id, slug)| Selected { tenant: TenantRef::Id(id), slug }).collect())
    }
}

fn changed(outcome: ChangeOutcome, operation: Option<OperationId>, tenant: Tenant) -> Changed {
    Changed::of(outcome, operation, tenant)
}

impl Changed {
    pub(super) fn of(outcome: ChangeOutcome, operation: Option<OperationId>, tenant: Tenant) -> Self {
        Self { outcome, operation, tenant: tenant.into() }
    }
}
