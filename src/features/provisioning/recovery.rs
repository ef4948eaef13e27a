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

use super::create::Intent;
use super::error::{ProvisioningError, can_go_back};
use super::plan::{Passage, Plan, sealed};
use super::steps::{self, TenantStep};
use super::store::{self, OperationRow};
use super::worker::{Provisioning, Worker};
use crate::features::audit;
use crate::features::iam::FirstSignIn;
use crate::features::tenants::{self, Tenant, TenantState};
use crate::infra::cluster;
use crate::infra::crypto::InvitationToken;
use crate::infra::db::{AdvisoryLock, LockKey, PgConnection, transaction};
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
pub(super) struct Opened {
    password: Option<SecretString>,
    key_secret: Option<SecretString>,
    first_sign_in: Option<FirstSignIn>,
}

impl Opened {
    /// Of values by their names.
    pub(super) fn of<N: Into<String>>(
        values: impl IntoIterator<Item = (N, SecretString)>,
        ttl_hours: i64,
    ) -> Result<Self, ProvisioningError> {
        let mut values: HashMap<String, SecretString> =
            values.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let invitation = match values.remove(sealed::INVITATION) {
            Some(text) => {
                let token = InvitationToken::parse(&text).map_err(|_| {
                    ProvisioningError::NotUsable("the sealed invitation is not one".to_owned())
                })?;
                Some(FirstSignIn::Invitation { token_hash: *token.hash().as_bytes(), ttl_hours })
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
    pub async fn take_up(
        &self,
        worker: &Worker,
        caller: &Caller,
        id: OperationId,
        direction: Direction,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Tenant, ProvisioningError> {
        let verb = if direction == Direction::Back { "roll back" } else { "resume" };
        let mut control = worker.control.lock().await;
        let found = store::operation(&mut control, id).await?.ok_or(ProvisioningError::NoOperation { id })?;
        let over = |row: &OperationRow| ProvisioningError::Over { id, state: row.state.clone(), verb };
        if matches!(found.state.as_str(), "done" | "rolled_back") {
            return Err(over(&found));
        }
        if direction == Direction::Back && !can_go_back(&found.kind) {
            return Err(ProvisioningError::OnlyForward { id, kind: found.kind });
        }
        let kind = kind_of(&found.kind)
            .ok_or_else(|| ProvisioningError::UnknownKind { id, kind: found.kind.clone() })?;
        let tenant = tenants::by_id(&mut control, found.tenant_id).await?;
        let tenant = tenant.ok_or(ProvisioningError::NoOperation { id })?;
        let Some(lock) = AdvisoryLock::take(&mut control, LockKey::of("tenant", tenant.id)).await? else {
            let (slug, kind) = (tenant.slug, found.kind);
            return Err(ProvisioningError::InProgress { slug, operation: Some(id), kind, running: true });
        };
        let mut tx = transaction(&mut control).await?;
        let taken = store::take_up(&mut tx, id, direction == Direction::Back).await?;
        let Some(row) = taken else {
            tx.rollback().await?;
            lock.release(&mut control).await?;
            return Err(over(&found));
        };
        let action = if row.state == "rolling_back" { "operation.rollback" } else { "operation.resume" };
        let entry = audit::Entry {
            caller,
            action,
            tenant: Some(tenant.id),
            operation: Some(id),
            detail: json!({ "kind": row.kind }),
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await?;
        drop(control);

        let opened = match self.fence_off(worker, &tenant, &row).await {
            Ok(opened) => opened,
            Err(source) => {
                let _ = lock.release(&mut *worker.control.lock().await).await;
                return Err(stopped(id, kind, tenant.slug, false, source));
            }
        };
        let intent = Intent { operation: id, fence: row.fence, tenant, lock, fresh: false };
        if row.state == "rolling_back" {
            let place = (intent.operation, intent.fence);
            let plan = self.plan(worker, place, intent.tenant.clone(), kind, opened).await;
            let ended = match &plan {
                Ok(plan) => self.back(plan, kind, stop).await,
                Err(_) => plan.map(|_| ()),
            };
            return self.conclude(worker, intent, kind, ended).await;
        }
        self.drive(worker, intent, kind, opened, progress, stop).await
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
        intent: Intent,
        kind: &'static str,
        opened: Opened,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Tenant, ProvisioningError> {
        let place = (intent.operation, intent.fence);
        let plan = match self.plan(worker, place, intent.tenant.clone(), kind, opened).await {
            Ok(plan) => plan,
            Err(error) => return self.conclude(worker, intent, kind, Err(error)).await,
        };
        let mut ended = self.name_session(&plan).await;
        if ended.is_ok() {
            let journal = Journal::new(Arc::clone(&worker.control), intent.operation, kind);
            let whom = (intent.tenant.slug.as_str(), progress);
            ended = saga::forward(
                &steps_of(kind, plan.tenant.adopted),
                &plan,
                &journal,
                intent.fresh,
                whom,
                stop,
            )
            .await;
        }
        let ended = match ended {
            Err(error) if is_making(kind) && !error.is_passing() => {
                let taken_back = match self.begin_back(worker, intent.operation).await {
                    Ok(()) => self.back(&plan, kind, &CancellationToken::new()).await.is_ok(),
                    Err(_) => false,
                };
                Err(stopped(intent.operation, kind, intent.tenant.slug.clone(), taken_back, error))
            }
            other => other,
        };
        plan.close().await;
        self.conclude(worker, intent, kind, ended).await
    }

    /// Lets go of the tenant's lock. A failure names the operation that it leaves behind.
    async fn conclude(
        &self,
        worker: &Worker,
        intent: Intent,
        kind: &'static str,
        ended: Result<(), ProvisioningError>,
    ) -> Result<Tenant, ProvisioningError> {
        if let Err(error) = &ended {
            worker.forget(&intent.tenant.cluster, error).await;
        }
        let released = intent.lock.release(&mut *worker.control.lock().await).await;
        match ended.and(released.map(|_| ()).map_err(Into::into)) {
            Ok(()) => self.fresh(worker, &intent.tenant).await,
            Err(error @ ProvisioningError::Stopped { .. }) => Err(error),
            Err(source) => Err(stopped(intent.operation, kind, intent.tenant.slug, false, source)),
        }
    }

    async fn begin_back(&self, worker: &Worker, id: OperationId) -> Result<(), ProvisioningError> {
        let mut control = worker.control.lock().await;
        let mut tx = transaction(&mut control).await?;
        store::take_up(&mut tx, id, true).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn back(
        &self,
        plan: &Plan,
        kind: &'static str,
        stop: &CancellationToken,
    ) -> Result<(), ProvisioningError> {
        self.name_session(plan).await?;
        let journal = Journal::new(Arc::clone(&plan.worker.control), plan.operation, kind);
        saga::backward(&steps_of(kind, plan.tenant.adopted), plan, &journal, stop).await
    }

    async fn name_session(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut admin = plan.server.admin.lock().await;
        Ok(cluster::name_session(&mut admin, &plan.application()).await?)
    }

    async fn fresh(&self, worker: &Worker, tenant: &Tenant) -> Result<Tenant, ProvisioningError> {
        let row = tenants::by_id(&mut *worker.control.lock().await, tenant.id).await?;
        Ok(row.unwrap_or_else(|| tenant.clone()))
    }

    pub(super) async fn open_secrets(
        &self,
        control: &mut PgConnection,
        tenant: TenantId,
    ) -> Result<Opened, ProvisioningError> {
        Opened::of(self.secrets.get_all(control, tenant).await?, self.invitation_ttl_hours)
    }

    pub(super) async fn plan(
        &self,
        worker: &Worker,
        (operation, fence): (OperationId, i64),
        tenant: Tenant,
        kind: &'static str,
        opened: Opened,
    ) -> Result<Plan, ProvisioningError> {
        let neighbour = if matches!(kind, "create" | "adopt" | "pool") {
            store::neighbour(&mut *worker.control.lock().await, &tenant).await?
        } else {
            None
        };
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
            passage: Passage::of(kind, &tenant),
            kind,
            may_remake: tenant.state == TenantState::Provisioning,
            tenant,
            password: opened.password,
            key: Mutex::new(key),
            first_sign_in: opened.first_sign_in,
            neighbour,
            inside: Mutex::new(None),
            own: Mutex::new(None),
        })
    }

    /// The ids of all operations that are not over, the oldest first.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn unfinished(&self, worker: &Worker) -> Result<Vec<OperationId>, ProvisioningError> {
        let rows = store::all_unfinished(&mut *worker.control.lock().await).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// A tenant's own login and key, opened.
    ///
    /// # Errors
    /// [`ProvisioningError::Lost`] when one is not sealed here.
    pub async fn credentials(
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

/// Makes the steps of an operation.
type Outline = fn() -> Vec<TenantStep>;

/// The kinds of operations, their steps, and their steps where the database was there before Nexus.
const KINDS: [(&str, Outline, Outline); 10] = [
    ("create", steps::create, steps::create),
    ("adopt", steps::adopt, steps::adopt),
    ("pool", steps::pool, steps::pool),
    ("claim", steps::claim, steps::claim),
    ("suspend", steps::close, steps::close),
    ("resume", steps::open, steps::open),
    ("delete", steps::close, steps::close),
    ("undelete", steps::open, steps::open),
    ("purge", steps::purge, steps::hand_back),
    ("repair", steps::repair, steps::repair_adopted),
];

/// Whether an operation of this kind makes a tenant that nobody uses yet.
pub(super) fn is_making(kind: &str) -> bool {
    matches!(kind, "create" | "adopt" | "pool" | "claim")
}

pub(super) fn steps_of(kind: &str, adopted: bool) -> Vec<TenantStep> {
    KINDS
        .into_iter()
        .find(|(name, ..)| *name == kind)
        .map_or_else(Vec::new, |(_, made, found)| if adopted { found() } else { made() })
}

/// The kind as this version of Nexus knows it; a newer one may know more.
fn kind_of(kind: &str) -> Option<&'static str> {
    KINDS.into_iter().map(|(name, ..)| name).find(|name| *name == kind)
}

pub(super) fn stopped(
    operation: OperationId,
    kind: &str,
    slug: String,
    taken_back: bool,
    source: ProvisioningError,
) -> ProvisioningError {
    ProvisioningError::Stopped {
        operation,
        kind: kind.to_owned(),
        slug,
        taken_back,
        source: Box::new(source),
    }
}
