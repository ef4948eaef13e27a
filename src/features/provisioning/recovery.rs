//! Taking an operation up: at once after its intent, or later, after a crash or a failure.
//!
//! Before anything is decided the earlier attempt is fenced off: nobody else holds the tenant's
//! lock, no session of the operation is at work on the server, and the store refuses what bears an
//! older fence.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::create::{Intent, Neighbour};
use super::error::{ProvisioningError, can_go_back};
use super::kinds::{closes, is_making, kind_of, steps_of};
use super::locked::{LockedTenant, owned_by_other};
use super::plan::{AccessTransition, Plan, sealed};
use super::store::{self, OperationRow};
use super::worker::{Provisioning, Worker};
use crate::features::access::{About, Authorized, rights};
use crate::features::audit;
use crate::features::iam::FirstSignIn;
use crate::features::tenants::{Tenant, TenantRef, TenantState};
use crate::infra::cluster;
use crate::infra::crypto::InvitationToken;
use crate::infra::db::{PgConnection, durable_transaction, durably};
use crate::infra::objects::{Owner, ScopedKey};
use crate::infra::saga::{self, Journal};
use crate::kernel::{Caller, OperationId, Progress, TenantId};

/// Which way an operation is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The way it was going.
    AsRecorded,
    /// Back.
    Back,
}

/// A tenant's secrets, opened.
#[derive(Default)]
pub(super) struct Opened {
    password: Option<SecretString>,
    key_secret: Option<SecretString>,
    first_sign_in: Option<FirstSignIn>,
}

impl Opened {
    /// Of values by their names.
    pub(super) fn of<N: Into<String>>(
        values: impl IntoIterator<Item = (N, SecretString)>,
    ) -> Result<Self, ProvisioningError> {
        let mut values: HashMap<String, SecretString> =
            values.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let invitation = match values.remove(sealed::INVITATION) {
            Some(text) => {
                let token = InvitationToken::parse(&text).map_err(|_| {
                    ProvisioningError::NotUsable("the sealed invitation is not one".to_owned())
                })?;
                Some(FirstSignIn::Invitation(token))
            }
            None => None,
        };
        let hash = values.remove(sealed::ADMIN_HASH).map(FirstSignIn::PasswordHash);
        Ok(Self {
            password: values.remove(sealed::PASSWORD),
            key_secret: values.remove(sealed::KEY),
            first_sign_in: hash.or(invitation),
        })
    }
}

impl Provisioning {
    /// Takes an unfinished operation up again, forward or back.
    ///
    /// # Errors
    /// [`ProvisioningError::InProgress`] when a living process is at work on the tenant,
    /// [`ProvisioningError::Over`] when it ended already, or why it stopped again.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn take_up(
        &self,
        worker: &Worker,
        caller: &Caller,
        id: OperationId,
        direction: Direction,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Tenant, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::OPERATION_RESUME, About::Platform).await?;
        self.take_up_for(worker, caller, id, direction, (progress, stop)).await
    }

    /// The same, as a part of something else.
    pub(super) async fn take_up_for(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        id: OperationId,
        direction: Direction,
        (progress, stop): (&dyn Progress, &CancellationToken),
    ) -> Result<Tenant, ProvisioningError> {
        let found = store::operation(&mut *worker.control.lock().await, id).await?;
        let found = found.ok_or(ProvisioningError::NoOperation { id })?;
        if found.is_over() {
            return Err(over(&found, direction));
        }
        let held = match self.hold(worker, &TenantRef::Id(found.tenant_id)).await {
            Err(ProvisioningError::InProgress { slug, .. }) => {
                let kind = found.kind;
                return Err(ProvisioningError::InProgress { slug, operation: Some(id), kind, running: true });
            }
            other => other?,
        };
        if held.unfinished().is_none_or(|row| row.id != id) {
            let now = store::operation(&mut *worker.control.lock().await, id).await;
            let now = now.map_or_else(Into::into, |now| over(&now.unwrap_or(found), direction));
            return Err(held.refuse(worker, now).await);
        }
        Box::pin(self.resume(worker, caller, held, direction, (progress, stop))).await
    }

    /// Takes up the unfinished operation of a tenant that is held.
    pub(super) async fn resume(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        held: LockedTenant,
        direction: Direction,
        (progress, stop): (&dyn Progress, &CancellationToken),
    ) -> Result<Tenant, ProvisioningError> {
        let held = held.on_its_server(self, worker).await?;
        let (row, kind) = match self.begin_again(worker, caller, &held, direction).await {
            Ok(begun) => begun,
            Err(error) => return Err(held.refuse(worker, error).await),
        };
        let opened = match self.fence_off(worker, held.tenant(), &row).await {
            Ok(opened) => opened,
            Err(source) => {
                let error = stopped(row.id, kind, held.tenant().slug.clone(), false, source);
                return Err(held.refuse(worker, error).await);
            }
        };
        let intent = Intent {
            operation: row.id,
            fence: row.fence,
            held,
            fresh: false,
            named: false,
            neighbour: Neighbour::Unknown,
            entering: None,
        };
        if row.state == "rolling_back" {
            let plan = self.plan(worker, (intent.operation, intent.fence), &intent.held, kind, opened).await;
            let ended = match &plan {
                Ok(plan) => self.back(plan, kind, stop).await,
                Err(_) => plan.map(|_| String::new()),
            };
            return self.conclude(worker, intent, kind, ended).await;
        }
        self.drive(worker, intent, kind, opened, progress, stop).await
    }

    /// Records that a held tenant's operation goes on, or back, with a new fence.
    async fn begin_again(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        held: &LockedTenant,
        direction: Direction,
    ) -> Result<(OperationRow, &'static str), ProvisioningError> {
        let slug = || held.tenant().slug.clone();
        let nothing = || owned_by_other(slug(), None, false);
        let found = held.unfinished().ok_or_else(nothing)?;
        let id = found.id;
        if direction == Direction::Back && !can_go_back(&found.kind) {
            return Err(ProvisioningError::OnlyForward { id, kind: found.kind.clone(), slug: slug() });
        }
        let kind = kind_of(&found.kind)
            .ok_or_else(|| ProvisioningError::UnknownKind { id, kind: found.kind.clone() })?;
        let mut control = worker.control.lock().await;
        let mut tx = durable_transaction(&mut control).await?;
        let batch = self.batch.filter(|batch| batch.kind == kind).map(|batch| batch.id);
        let taken =
            store::take_up(&mut tx, id, direction == Direction::Back, (self.driven_by, batch)).await?;
        let row = taken.ok_or_else(|| over(found, direction))?;
        let action = if row.state == "rolling_back" { "operation.rollback" } else { "operation.resume" };
        let entry = audit::Entry {
            caller,
            action,
            tenant: Some(held.tenant().id),
            operation: Some(id),
            detail: json!({ "kind": row.kind }),
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok((row, kind))
    }

    /// Makes sure that nothing of an earlier attempt is still to come, and opens the secrets.
    async fn fence_off(
        &self,
        worker: &Worker,
        tenant: &Tenant,
        row: &OperationRow,
    ) -> Result<Opened, ProvisioningError> {
        let opened = self.open_secrets(&mut *worker.control.lock().await, tenant.id).await?;
        let server = self.server_of(worker, &tenant.cluster).await?;
        cluster::fence(&mut *server.admin.lock().await, &format!("nexus:{}", row.id)).await?;
        let owner = Owner { mark: Plan::mark(self, tenant), fence: row.fence };
        self.store_of(worker, tenant).await?.driver.fence(&owner).await?;
        Ok(opened)
    }

    /// Runs an operation forward under its lock. What cannot be mended by trying again is taken
    /// back whole.
    pub(super) async fn drive(
        &self,
        worker: &Worker,
        mut intent: Intent,
        kind: &'static str,
        opened: Opened,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Tenant, ProvisioningError> {
        let plan = match self.plan_forward(worker, &mut intent, kind, opened).await {
            Ok(plan) => plan,
            Err(error) => return self.conclude(worker, intent, kind, Err(error)).await,
        };
        let ended = self.forward(&plan, &intent, progress, stop).await;
        let ended = match ended {
            Err(error) if is_making(kind) && !error.is_passing() => {
                let back = self.roll_back(worker, &intent, &plan, kind).await;
                let slug = plan.tenant.slug.clone();
                let error = stopped(intent.operation, kind, slug, back.is_ok(), error);
                // What stands in the way of the rollback says whether it can go on by itself.
                Err(match back {
                    Err(back) => error.goes_on(back.is_passing()),
                    Ok(()) => error,
                })
            }
            other => other,
        };
        plan.close().await;
        self.conclude(worker, intent, kind, ended).await
    }

    async fn plan_forward(
        &self,
        worker: &Worker,
        intent: &mut Intent,
        kind: &'static str,
        opened: Opened,
    ) -> Result<Plan, ProvisioningError> {
        let place = (intent.operation, intent.fence);
        let mut plan = self.plan(worker, place, &intent.held, kind, opened).await?;
        plan.fresh = intent.fresh;
        plan.entering = Mutex::new(intent.entering.take());
        plan.neighbour = match &intent.neighbour {
            Neighbour::Known(known) => known.clone(),
            Neighbour::Unknown if matches!(kind, "create" | "adopt" | "pool") => {
                store::neighbour(&mut *worker.control.lock().await, &plan.tenant).await?
            }
            Neighbour::Unknown => None,
        };
        Ok(plan)
    }

    async fn forward(
        &self,
        plan: &Plan,
        intent: &Intent,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<String, ProvisioningError> {
        let steps = steps_of(plan.kind, plan.tenant.adopted);
        let journal = Journal::new(Arc::clone(&plan.worker.control), plan.operation, plan.kind);
        let whom = (plan.tenant.slug.as_str(), progress);
        let forward = saga::forward(&steps, plan, &journal, intent.fresh, whom, stop);
        // Its one statement on the server does that, too.
        let with_its_own = closes(plan.kind) && !plan.tenant.adopted;
        if intent.named || with_its_own {
            return forward.await;
        }
        if intent.fresh && plan.kind == "claim" {
            // Nothing that it does forward is done in this session.
            let (named, ended) = tokio::join!(self.name_session(plan), forward);
            return named.and(ended);
        }
        self.name_session(plan).await?;
        forward.await
    }

    /// Takes what was made back whole.
    async fn roll_back(
        &self,
        worker: &Worker,
        intent: &Intent,
        plan: &Plan,
        kind: &'static str,
    ) -> Result<(), ProvisioningError> {
        self.begin_back(worker, intent.operation).await?;
        let end = self.back(plan, kind, &CancellationToken::new()).await?;
        let mut control = worker.control.lock().await;
        durably(&mut control, &[end]).await?;
        Ok(())
    }

    /// Records the end, lets go of the tenant's lock, and reads the tenant. A failure names the
    /// operation that it leaves behind.
    async fn conclude(
        &self,
        worker: &Worker,
        intent: Intent,
        kind: &'static str,
        ended: Result<String, ProvisioningError>,
    ) -> Result<Tenant, ProvisioningError> {
        let (held, operation) = (intent.held, intent.operation);
        let slug = held.tenant().slug.clone();
        let source = match ended {
            Ok(end) => match held.end(&mut *worker.control.lock().await, Some(&end)).await {
                Ok(tenant) => return Ok(tenant),
                Err(error) => error,
            },
            Err(error) => error,
        };
        worker.forget(&held.tenant().cluster, &source).await;
        Err(match held.refuse(worker, source).await {
            error @ ProvisioningError::Stopped { .. } => error,
            source => stopped(operation, kind, slug, false, source),
        })
    }

    async fn begin_back(&self, worker: &Worker, id: OperationId) -> Result<(), ProvisioningError> {
        let mut control = worker.control.lock().await;
        let mut tx = durable_transaction(&mut control).await?;
        store::take_up(&mut tx, id, true, (self.driven_by, None)).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn back(
        &self,
        plan: &Plan,
        kind: &'static str,
        stop: &CancellationToken,
    ) -> Result<String, ProvisioningError> {
        self.name_session(plan).await?;
        let journal = Journal::new(Arc::clone(&plan.worker.control), plan.operation, kind);
        saga::backward(&steps_of(kind, plan.tenant.adopted), plan, &journal, stop).await
    }

    async fn name_session(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let (id, fence) = (self.installation.id, plan.owner.fence);
        let mut admin = plan.server.admin.lock().await;
        Ok(cluster::begin_change(&mut admin, &plan.application(), (id, fence)).await?)
    }

    pub(super) async fn open_secrets(
        &self,
        control: &mut PgConnection,
        tenant: TenantId,
    ) -> Result<Opened, ProvisioningError> {
        Opened::of(self.secrets.get_all(control, tenant).await?)
    }

    /// What the steps of an operation on a tenant share. Of one that is held alone: what was read
    /// before may be over.
    pub(super) async fn plan(
        &self,
        worker: &Worker,
        (operation, fence): (OperationId, i64),
        held: &LockedTenant,
        kind: &'static str,
        opened: Opened,
    ) -> Result<Plan, ProvisioningError> {
        let tenant = held.tenant().clone();
        let server = self.server_of(worker, &tenant.cluster).await?;
        let store = self.store_of(worker, &tenant).await?;
        let key = match (&tenant.access_key_id, opened.key_secret) {
            (Some(id), Some(secret)) => Some(ScopedKey { access_key_id: id.clone(), secret }),
            _ => None,
        };
        Ok(Plan {
            on: self.clone(),
            worker: worker.clone(),
            server,
            store,
            operation,
            owner: Owner { mark: Plan::mark(self, &tenant), fence },
            server_mark: self.installation.server_mark(tenant.id),
            access: AccessTransition::of(kind, &tenant),
            kind,
            fresh: false,
            may_remake: tenant.state == TenantState::Provisioning,
            tenant,
            password: opened.password,
            key: Mutex::new(key),
            first_sign_in: opened.first_sign_in,
            neighbour: None,
            inside: Mutex::new(None),
            entering: Mutex::new(None),
            own: Mutex::new(None),
        })
    }

    /// The ids of all operations that are not over, the oldest first.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn unfinished(
        &self,
        worker: &Worker,
        caller: &Caller,
    ) -> Result<Vec<OperationId>, ProvisioningError> {
        worker.authorize(caller, &rights::OPERATION_READ, About::Platform).await?;
        let rows = store::all_unfinished(&mut *worker.control.lock().await).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// A tenant's own login and key, opened.
    ///
    /// # Errors
    /// [`ProvisioningError::Lost`] when one is not sealed here.
    pub(in crate::features) async fn credentials(
        &self,
        control: &mut PgConnection,
        tenant: &Tenant,
    ) -> Result<(SecretString, ScopedKey), ProvisioningError> {
        let lost = |what: &str| ProvisioningError::Lost { slug: tenant.slug.clone(), what: what.to_owned() };
        let opened = self.open_secrets(control, tenant.id).await?;
        let password = opened.password.ok_or_else(|| lost("its sealed password"))?;
        let secret = opened.key_secret.ok_or_else(|| lost("its sealed key"))?;
        let access_key_id = tenant.access_key_id.clone().ok_or_else(|| lost("its key"))?;
        Ok((password, ScopedKey { access_key_id, secret }))
    }
}

impl Plan {
    /// Ends the administrator's session inside the tenant's database, if there is one.
    pub(super) async fn close(&self) {
        if let Some(session) = self.inside.lock().await.take() {
            let _ = session.close().await;
        }
    }
}

/// That an operation ended already.
pub(super) fn over(row: &OperationRow, direction: Direction) -> ProvisioningError {
    let verb = if direction == Direction::Back { "roll back" } else { "resume" };
    ProvisioningError::Over { id: row.id, state: row.state.clone(), verb }
}

pub(super) fn stopped(
    operation: OperationId,
    kind: &str,
    slug: String,
    rolled_back: bool,
    source: ProvisioningError,
) -> ProvisioningError {
    ProvisioningError::Stopped {
        operation,
        kind: kind.to_owned(),
        slug,
        rolled_back,
        passing: source.is_passing(),
        source: Box::new(source),
    }
}
