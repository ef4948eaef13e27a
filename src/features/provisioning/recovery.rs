//! Taking an operation up: at once after its intent, or later, after a crash or a failure.
//!
//! Before anything is decided the earlier attempt is fenced off: nobody else holds the tenant's
//! lock, no session of the operation is at work on the server, and the store refuses what bears an
//! older fence.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;
use sqlx::Connection;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::create::Intent;
use super::error::ProvisioningError;
use super::outline::amiss;
use super::plan::{Plan, sealed};
use super::steps::{self, TenantStep};
use super::store::{self, OperationRow};
use super::worker::{Provisioning, Worker};
use crate::features::audit;
use crate::features::iam::FirstSignIn;
use crate::features::tenants::{self, Tenant, TenantRef, TenantState};
use crate::infra::cluster;
use crate::infra::crypto::InvitationToken;
use crate::infra::db::{AdvisoryLock, LockKey, durable_transaction, transaction};
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

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mended {
    /// Nothing was wrong.
    Nothing,
    /// An unfinished operation was finished.
    Finished,
    /// An unfinished operation could not be finished, and was taken back.
    TakenBack,
    /// Something was missing or changed, and was put right.
    Restored,
    /// Something is unfinished or amiss, and a repair would see to it.
    Wanted,
    /// It could not be repaired.
    Failed,
}

impl Mended {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Finished => "finished",
            Self::TakenBack => "taken_back",
            Self::Restored => "restored",
            Self::Wanted => "wanted",
            Self::Failed => "failed",
        }
    }
}

/// A tenant that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Repaired {
    /// Which.
    pub tenant: String,
    /// What was done.
    pub mended: Mended,
    /// By which operation.
    pub operation: Option<OperationId>,
    /// Which steps were at fault.
    pub restored: Vec<&'static str>,
    /// Why it could not be repaired.
    pub error: Option<String>,
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
        if direction == Direction::Back && found.kind != "create" {
            return Err(ProvisioningError::OnlyForward { id });
        }
        let tenant = tenants::by_id(&mut control, found.tenant_id).await?;
        let tenant = tenant.ok_or(ProvisioningError::NoOperation { id })?;
        let Some(lock) = AdvisoryLock::try_take(&mut control, LockKey::of("tenant", tenant.id)).await? else {
            return Err(ProvisioningError::InProgress { slug: tenant.slug, operation: id, running: true });
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
        let opened = self.open_secrets(&mut control, tenant.id).await?;
        drop(control);

        let owner = Owner { mark: Plan::mark(self, &tenant), fence: row.fence };
        cluster::fence(&mut *worker.admin.lock().await, &format!("nexus:{id}")).await?;
        self.placement.store.fence(&owner).await?;

        let intent = Intent { operation: id, fence: row.fence, tenant, lock, fresh: false };
        if row.state == "rolling_back" {
            let kind = kind_of(&row.kind);
            let plan = self
                .plan(worker, (intent.operation, intent.fence), intent.tenant.clone(), kind, opened)
                .await?;
            let ended = self.back(&plan, kind, stop).await;
            plan.close().await;
            intent.lock.release(&mut *worker.control.lock().await).await?;
            let slug = intent.tenant.slug.clone();
            ended.map_err(|source| stopped(id, kind, slug, false, source))?;
            return self.fresh(worker, &intent.tenant).await;
        }
        self.drive(worker, intent, kind_of(&row.kind), opened, progress, stop).await
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
        let slug = intent.tenant.slug.clone();
        let plan =
            self.plan(worker, (intent.operation, intent.fence), intent.tenant.clone(), kind, opened).await?;
        self.name_session(&plan).await?;
        let journal = Journal::new(Arc::clone(&worker.control), intent.operation, kind);
        let result =
            saga::forward(&steps_of(kind), &plan, &journal, intent.fresh, (&slug, progress), stop).await;
        let result = match result {
            Err(error) if kind == "create" && !error.is_passing() => {
                let taken_back = match self.begin_back(worker, intent.operation).await {
                    Ok(()) => self.back(&plan, kind, &CancellationToken::new()).await.is_ok(),
                    Err(_) => false,
                };
                Err(stopped(intent.operation, kind, slug, taken_back, error))
            }
            Err(error) => Err(stopped(intent.operation, kind, slug, false, error)),
            Ok(()) => Ok(()),
        };
        plan.close().await;
        let released = intent.lock.release(&mut *worker.control.lock().await).await;
        result?;
        released?;
        self.fresh(worker, &intent.tenant).await
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
        saga::backward(&steps_of(kind), plan, &journal, stop).await
    }

    async fn name_session(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut admin = plan.worker.admin.lock().await;
        Ok(cluster::name_session(&mut admin, &plan.application()).await?)
    }

    async fn fresh(&self, worker: &Worker, tenant: &Tenant) -> Result<Tenant, ProvisioningError> {
        let row = tenants::by_id(&mut *worker.control.lock().await, tenant.id).await?;
        Ok(row.unwrap_or_else(|| tenant.clone()))
    }

    pub(super) async fn open_secrets(
        &self,
        control: &mut sqlx::PgConnection,
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
        let neighbour = if kind == "create" {
            store::neighbour(&mut *worker.control.lock().await, (tenant.id, &tenant.cluster)).await?
        } else {
            None
        };
        let key = match (&tenant.access_key_id, opened.key_secret) {
            (Some(id), Some(secret)) => Some(ScopedKey { access_key_id: id.clone(), secret }),
            _ => None,
        };
        Ok(Plan {
            on: self.clone(),
            worker: worker.clone(),
            operation,
            owner: Owner { mark: Plan::mark(self, &tenant), fence },
            may_remake: tenant.state == TenantState::Provisioning,
            tenant,
            password: opened.password,
            key: Mutex::new(key),
            first_sign_in: opened.first_sign_in,
            neighbour,
            inside: Mutex::new(None),
        })
    }

    /// Finishes what was begun with a tenant, or takes it back where it cannot be finished; where
    /// nothing was begun, checks what is the tenant's and puts right what can be.
    ///
    /// # Errors
    /// [`ProvisioningError::Lost`] when data is gone; others when it cannot be repaired now.
    pub async fn repair(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Repaired, ProvisioningError> {
        let tenant = tenants::get(&mut *worker.control.lock().await, caller, name).await?;
        let unfinished = store::unfinished(&mut *worker.control.lock().await, tenant.id).await?;
        let slug = tenant.slug.clone();
        let answer = |mended, operation, restored| Repaired {
            tenant: slug.clone(),
            mended,
            operation,
            restored,
            error: None,
        };
        if let Some(row) = unfinished {
            let back = row.state == "rolling_back";
            return match self.take_up(worker, caller, row.id, Direction::AsRecorded, progress, stop).await {
                Ok(_) if back => Ok(answer(Mended::TakenBack, Some(row.id), Vec::new())),
                Ok(_) => Ok(answer(Mended::Finished, Some(row.id), Vec::new())),
                Err(ProvisioningError::Stopped { taken_back: true, .. }) => {
                    Ok(answer(Mended::TakenBack, Some(row.id), Vec::new()))
                }
                Err(error) => Err(error),
            };
        }
        let tenant = tenant.active()?;
        match self.check(worker, caller, tenant, progress, stop).await? {
            None => Ok(answer(Mended::Nothing, None, Vec::new())),
            Some((operation, restored)) => Ok(answer(Mended::Restored, Some(operation), restored)),
        }
    }

    /// Looks at everything that an active tenant has; repairs it by an operation of its own only
    /// where something is amiss.
    async fn check(
        &self,
        worker: &Worker,
        caller: &Caller,
        tenant: Tenant,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Option<(OperationId, Vec<&'static str>)>, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let Some(lock) = AdvisoryLock::try_take(&mut control, LockKey::of("tenant", tenant.id)).await? else {
            let operation =
                store::unfinished(&mut control, tenant.id).await?.map_or_else(OperationId::new, |row| row.id);
            return Err(ProvisioningError::InProgress { slug: tenant.slug, operation, running: true });
        };
        let opened = self.open_secrets(&mut control, tenant.id).await?;
        drop(control);
        let operation = OperationId::new();
        let intent = Intent { operation, fence: 0, tenant, lock, fresh: false };
        let plan = self.plan(worker, (operation, 0), intent.tenant.clone(), "repair", opened).await?;
        let amiss = amiss(&plan).await;
        plan.close().await;
        let amiss = match amiss {
            Ok(amiss) if !amiss.is_empty() => amiss,
            other => {
                intent.lock.release(&mut *worker.control.lock().await).await?;
                return other.map(|_| None);
            }
        };
        let fence = self.intend_repair(worker, caller, &intent, &amiss).await?;
        let opened = self.open_secrets(&mut *worker.control.lock().await, intent.tenant.id).await?;
        self.placement.store.fence(&Owner { mark: Plan::mark(self, &intent.tenant), fence }).await?;
        self.drive(worker, Intent { fence, ..intent }, "repair", opened, progress, stop).await?;
        Ok(Some((operation, amiss)))
    }

    async fn intend_repair(
        &self,
        worker: &Worker,
        caller: &Caller,
        intent: &Intent,
        amiss: &[&str],
    ) -> Result<i64, ProvisioningError> {
        let (operation, tenant) = (intent.operation, intent.tenant.id);
        let facts = json!({ "slug": intent.tenant.slug, "amiss": amiss });
        let mut control = worker.control.lock().await;
        let mut tx = durable_transaction(&mut control).await?;
        let fence = store::insert(&mut tx, (operation, tenant, "repair"), caller, &facts).await?;
        let fence = fence.ok_or_else(|| ProvisioningError::InProgress {
            slug: intent.tenant.slug.clone(),
            operation,
            running: false,
        })?;
        Journal::plan(&mut tx, operation, &steps::outline(&steps::repair())).await?;
        let entry = audit::Entry {
            caller,
            action: "tenant.repair",
            tenant: Some(tenant),
            operation: Some(operation),
            detail: facts,
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(fence)
    }

    /// The tenants that a repair of all looks at: those with an unfinished operation, then those in
    /// use.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn to_repair(&self, worker: &Worker) -> Result<Vec<TenantRef>, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let mut ids: Vec<TenantId> =
            store::all_unfinished(&mut control).await?.into_iter().map(|row| row.tenant_id).collect();
        for id in store::active_tenants(&mut control).await? {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids.into_iter().map(TenantRef::Id).collect())
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
        control: &mut sqlx::PgConnection,
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

fn steps_of(kind: &str) -> Vec<TenantStep> {
    match kind {
        "purge" => steps::purge(),
        "repair" => steps::repair(),
        _ => steps::create(),
    }
}

fn kind_of(kind: &str) -> &'static str {
    match kind {
        "purge" => "purge",
        "repair" => "repair",
        _ => "create",
    }
}

fn stopped(
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
