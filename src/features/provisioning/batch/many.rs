//! The changes of several tenants that a door can ask for, each of them one batch.

use std::collections::HashSet;

use super::super::change::{Change, ChangeOutcome, Changed};
use super::super::create::{CreateOutcome, CreateRequest, Created};
use super::super::error::ProvisioningError;
use super::super::repair::{RepairOutcome, Repaired};
use super::super::worker::{Provisioning, Worker};
use super::back::{Member, Prospect, WayBack};
use super::error::BatchError;
use super::report::{BatchReport, Effect};
use super::run::{BatchOptions, BatchRow, Desk, Run, Take, Watch};
use super::{Batch, right_of};
use crate::features::access::{About, rights};
use crate::features::tenants::{self, TenantRef, Updated};
use crate::kernel::{AnyFailure, BatchId, Caller, Event};

/// A tenant that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// How services find it.
    pub tenant: TenantRef,
    /// Its slug; where it was named, what was typed.
    pub slug: String,
}

/// Which tenants are repaired. Where they are not named, what is unfinished comes first.
#[derive(Debug, Clone)]
pub enum RepairSelection {
    All,
    /// These, in their order.
    Named(Vec<TenantRef>),
    Matching(Vec<TenantRef>),
}

/// What came of a member of a batch that is rolled back.
#[derive(Debug)]
pub enum Reversal {
    /// Nothing is done for it, or would be done: its prospect says why.
    AsFound(Box<Member>),
    Tried(Box<BatchRow<Changed>>),
}

impl Provisioning {
    /// Makes tenants, each as [`Provisioning::create`] does it.
    ///
    /// # Errors
    /// What `take` says; what fails for one tenant is in its row.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn create_many(
        &self,
        worker: &Worker,
        caller: &Caller,
        requests: Vec<CreateRequest>,
        options: BatchOptions,
        watch: Watch,
        take: Take<'_, Created>,
    ) -> Result<BatchReport, BatchError> {
        worker.authorize(caller, &rights::TENANT_CREATE, About::Platform).await?;
        let members: Vec<_> = requests.into_iter().map(|it| (it.tenant.slug.to_string(), it)).collect();
        let report = BatchReport::new("create", members.len(), None);
        let run = Run { provisioning: self.clone(), worker, caller, options, watch, report };
        let effect = |made: &Created| match made.outcome {
            CreateOutcome::Unchanged => Effect::Unchanged,
            CreateOutcome::Created | CreateOutcome::Finished | CreateOutcome::Planned => Effect::Changed,
        };
        let create = |at: Desk, request: CreateRequest| async move {
            let made = at.provisioning.create(&at.worker, &at.caller, &request, &*at.progress, &at.stop);
            Box::pin(made).await
        };
        run.each(members, create, effect, take).await
    }

    /// Changes tenants, each as [`Provisioning::change`] does it.
    ///
    /// # Errors
    /// What `take` says; what fails for one tenant is in its row.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn change_many(
        &self,
        worker: &Worker,
        caller: &Caller,
        (tenants, change): (Vec<Selected>, Change),
        options: BatchOptions,
        watch: Watch,
        take: Take<'_, Changed>,
    ) -> Result<BatchReport, BatchError> {
        worker.authorize(caller, right_of(change.kind()), About::Platform).await?;
        let (kind, count) = (change.kind(), tenants.len());
        let provisioning =
            self.in_batch(worker, caller, (kind, count, options.dry_run), None, &watch).await?;
        let report = BatchReport::new(kind, count, provisioning.batch_id());
        let run = Run { provisioning, worker, caller, options, watch, report };
        let members = tenants.into_iter().map(|one| (one.slug, (one.tenant, change.clone()))).collect();
        let apply = |at: Desk, (name, change): (TenantRef, Change)| async move {
            if at.dry_run {
                return at.provisioning.look_at_change(&at.worker, &at.caller, &name, &change).await;
            }
            let changed =
                at.provisioning.change(&at.worker, &at.caller, &name, &change, &*at.progress, &at.stop);
            Box::pin(changed).await
        };
        run.each(members, apply, effect_of_change, take).await
    }

    /// Rolls back what a batch changed, as a batch of its own.
    ///
    /// # Errors
    /// What `take` says; what fails for one tenant is in its row.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn reverse_many(
        &self,
        worker: &Worker,
        caller: &Caller,
        back: WayBack,
        options: BatchOptions,
        watch: Watch,
        take: &mut (dyn FnMut(Reversal) -> Result<(), AnyFailure> + Send),
    ) -> Result<BatchReport, BatchError> {
        worker.authorize(caller, right_of(back.verb), About::Platform).await?;
        let is_task = |it: &Member| it.prospect == Prospect::Planned && !options.dry_run;
        let (tasks, others): (Vec<Member>, Vec<Member>) = back.members.into_iter().partition(is_task);
        let meant = (back.verb, tasks.len(), options.dry_run);
        let provisioning = self.in_batch(worker, caller, meant, Some(back.batch), &watch).await?;
        let mut report = BatchReport::new(back.verb, tasks.len(), provisioning.batch_id());
        report.reverses = true;
        for member in others {
            report.add_as_found(&member);
            take(Reversal::AsFound(Box::new(member))).map_err(BatchError::Taking)?;
        }
        let run = Run { provisioning, worker, caller, options, watch, report };
        let members = tasks.into_iter().map(|member| (member.slug.clone(), member)).collect();
        let apply = |at: Desk, member: Member| async move {
            let back = at.provisioning.reverse(&at.worker, &at.caller, &member, &*at.progress, &at.stop);
            Box::pin(back).await
        };
        run.each(members, apply, effect_of_change, &mut |row| take(Reversal::Tried(Box::new(row)))).await
    }

    /// Changes the names and labels of tenants, each as [`tenants::update`] does it.
    ///
    /// # Errors
    /// What `take` says; what fails for one tenant is in its row.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn update_many(
        &self,
        worker: &Worker,
        caller: &Caller,
        (tenants, change): (Vec<Selected>, tenants::Change),
        options: BatchOptions,
        watch: Watch,
        take: Take<'_, Updated>,
    ) -> Result<BatchReport, BatchError> {
        worker.authorize(caller, &rights::TENANT_UPDATE, About::Platform).await?;
        let meant = ("update", tenants.len(), options.dry_run);
        let provisioning = self.in_batch(worker, caller, meant, None, &watch).await?;
        let change = tenants::Change { batch: provisioning.batch_id(), ..change };
        let report = BatchReport::new("update", tenants.len(), change.batch);
        let run = Run { provisioning, worker, caller, options, watch, report };
        let members = tenants.into_iter().map(|one| (one.slug, (one.tenant, change.clone()))).collect();
        let effect = |updated: &Updated| match updated.outcome {
            tenants::ChangeOutcome::Unchanged => Effect::Unchanged,
            tenants::ChangeOutcome::Planned => Effect::Changed,
            tenants::ChangeOutcome::Updated | tenants::ChangeOutcome::Renamed => Effect::Recorded,
        };
        let apply = |at: Desk, (name, change): (TenantRef, tenants::Change)| async move {
            let mut control = at.worker.control.lock().await;
            let updated = tenants::update(&mut control, &at.caller, &name, &change, at.dry_run).await;
            updated.map_err(ProvisioningError::from)
        };
        run.each(members, apply, effect, take).await
    }

    /// Repairs tenants, each as [`Provisioning::repair`] does it.
    ///
    /// # Errors
    /// What `take` says; what fails for one tenant is in its row.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn repair_many(
        &self,
        worker: &Worker,
        caller: &Caller,
        which: RepairSelection,
        options: BatchOptions,
        watch: Watch,
        take: Take<'_, Repaired>,
    ) -> Result<BatchReport, BatchError> {
        worker.authorize(caller, &rights::TENANT_REPAIR, About::Platform).await?;
        let names = match which {
            RepairSelection::Named(names) => names,
            RepairSelection::All => self.to_repair(worker).await?,
            RepairSelection::Matching(names) => {
                let chosen: HashSet<TenantRef> = names.into_iter().collect();
                self.to_repair(worker).await?.into_iter().filter(|name| chosen.contains(name)).collect()
            }
        };
        let report = BatchReport::new("repair", names.len(), None);
        let run = Run { provisioning: self.clone(), worker, caller, options, watch, report };
        let members = names.into_iter().map(|name| (name.to_string(), name)).collect();
        let effect = |repaired: &Repaired| match repaired.outcome {
            RepairOutcome::Unchanged => Effect::Unchanged,
            _ => Effect::Changed,
        };
        let apply = |at: Desk, name: TenantRef| async move {
            if at.dry_run {
                return at.provisioning.look(&at.worker, &at.caller, &name).await;
            }
            Box::pin(at.provisioning.repair(&at.worker, &at.caller, &name, &*at.progress, &at.stop)).await
        };
        run.each(members, apply, effect, take).await
    }

    /// The same, whose changes are parts of a batch that is recorded now, if there is one to be changed.
    /// Its id is said before anything is changed: whoever is killed has it by then.
    async fn in_batch(
        &self,
        worker: &Worker,
        caller: &Caller,
        (kind, tenants, dry_run): (&'static str, usize, bool),
        reverses: Option<BatchId>,
        (progress, _): &Watch,
    ) -> Result<Self, ProvisioningError> {
        if tenants == 0 || dry_run {
            return Ok(self.clone());
        }
        let batch =
            Batch::begin(&mut *worker.control.lock().await, caller, (kind, tenants), reverses).await?;
        progress.event(Event::Note(format!("batch {}", batch.id)));
        Ok(Self { batch: Some(batch), ..self.clone() })
    }

    fn batch_id(&self) -> Option<BatchId> {
        self.batch.map(|batch| batch.id)
    }
}

/// What was rolled back stays with the batch that began it.
fn effect_of_change(changed: &Changed) -> Effect {
    match changed.outcome {
        ChangeOutcome::Unchanged => Effect::Unchanged,
        ChangeOutcome::Planned | ChangeOutcome::RolledBack => Effect::Changed,
        _ => Effect::Recorded,
    }
}
