//! Taking a database under Nexus that is there, with the login that its app uses: what is checked,
//! the intent in one transaction, then the steps. The database and its logins stay what they are.

use secrecy::ExposeSecret;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::create::{Intent, Neighbour};
use super::difference::Difference;
use super::error::ProvisioningError;
use super::examine::{AdoptRequest, Examined};
use super::locked::LockedTenant;
use super::plan::sealed;
use super::recovery::{Direction, Opened};
use super::steps;
use super::store::{self, OperationLine};
use super::worker::{Provisioning, Worker};
use crate::features::access::{About, Authorized, rights};
use crate::features::audit;
use crate::features::placement::{Placement, PlacementRequest};
use crate::features::tenants::{self, Resources, Tenant, TenantRef, TenantState, TenantView};
use crate::infra::crypto::random;
use crate::infra::db::{AdvisoryLock, DbError, LockKey, REALM, durable_transaction};
use crate::infra::saga::Journal;
use crate::kernel::{Caller, Hint, OperationId, Progress, TenantId};

/// SQLSTATE `unique_violation`.
const TAKEN: &str = "23505";

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptOutcome {
    /// It is a tenant now.
    Adopted,
    /// It was, by the same request.
    Unchanged,
    /// It was half adopted by an earlier process, and that was finished.
    Finished,
    /// It was; its login's new password is sealed now.
    PasswordSealed,
}

impl AdoptOutcome {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Unchanged => "unchanged",
            Self::Finished => "finished",
            Self::PasswordSealed => "password_sealed",
        }
    }
}

/// A tenant whose database was there before Nexus.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AdoptedTenant {
    pub outcome: AdoptOutcome,
    /// The operation that adopted it.
    pub operation: Option<OperationId>,
    /// What was found that a person should know, in words. Only of what is adopted now.
    pub findings: Vec<String>,
    /// The tenant.
    #[serde(flatten)]
    pub tenant: TenantView,
}

fn answer(outcome: AdoptOutcome, operation: Option<OperationId>, tenant: Tenant) -> AdoptedTenant {
    AdoptedTenant { outcome, operation, findings: Vec::new(), tenant: tenant.into() }
}

impl Provisioning {
    /// Takes a database under Nexus, or finds that the same request did so before.
    ///
    /// # Errors
    /// [`ProvisioningError::NotAdoptable`], [`ProvisioningError::SlugTaken`],
    /// [`ProvisioningError::InProgress`], or [`ProvisioningError::Stopped`] with the operation to
    /// resume.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn adopt(
        &self,
        worker: &Worker,
        caller: &Caller,
        request: &AdoptRequest,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<AdoptedTenant, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::TENANT_CREATE, About::Platform).await?;
        let name = TenantRef::Slug(request.tenant.slug.clone());
        loop {
            let found = tenants::look_up(&mut *worker.control.lock().await, &name).await?;
            if let Some(tenant) = found {
                match Box::pin(self.adopted_before(worker, caller, request, tenant, progress, stop)).await {
                    // It ended between two looks at it.
                    Err(ProvisioningError::Over { .. }) => continue,
                    other => return other,
                }
            }
            let examined = Box::pin(self.examine(worker, request)).await?;
            let reserved = self.reserve_adopted(worker, caller, request, &examined, progress).await?;
            let Some((intent, secrets)) = reserved else {
                continue;
            };
            let operation = intent.operation;
            let tenant = Box::pin(self.drive(worker, intent, "adopt", secrets, progress, stop)).await?;
            let adopted = answer(AdoptOutcome::Adopted, Some(operation), tenant);
            return Ok(AdoptedTenant { findings: examined.findings, ..adopted });
        }
    }

    /// Checks what [`Provisioning::adopt`] checks, and changes nothing. `None` where it is adopted
    /// already.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn look_at_adoption(
        &self,
        worker: &Worker,
        caller: &Caller,
        request: &AdoptRequest,
    ) -> Result<Option<Examined>, ProvisioningError> {
        worker.authorize(caller, &rights::TENANT_CREATE, About::Platform).await?;
        let name = TenantRef::Slug(request.tenant.slug.clone());
        let found = tenants::look_up(&mut *worker.control.lock().await, &name).await?;
        match found {
            Some(tenant) => same(request, &tenant).map(|()| None),
            None => Box::pin(self.examine(worker, request)).await.map(Some),
        }
    }

    /// The slug is taken: by the same request, by another tenant, or by an adoption under way.
    async fn adopted_before(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        request: &AdoptRequest,
        tenant: Tenant,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<AdoptedTenant, ProvisioningError> {
        same(request, &tenant)?;
        let mut control = worker.control.lock().await;
        if let Some(row) = store::unfinished(&mut control, tenant.id).await? {
            let running = store::is_locked(&mut control, &LockKey::of("tenant", tenant.id)).await?;
            if running || row.kind != "adopt" {
                let (slug, operation, kind) = (tenant.slug, Some(row.id), row.kind);
                return Err(ProvisioningError::InProgress { slug, operation, kind, running });
            }
            drop(control);
            let back = row.state == "rolling_back";
            let taken =
                self.take_up_for(worker, caller, row.id, Direction::AsRecorded, (progress, stop)).await?;
            if back {
                return Err(ProvisioningError::Over {
                    id: row.id,
                    state: "rolled_back".to_owned(),
                    verb: "resume",
                });
            }
            return Ok(answer(AdoptOutcome::Finished, Some(row.id), taken));
        }
        drop(control);
        if tenant.state != TenantState::Active {
            return Err(tenant.unusable().into());
        }
        // The login must work, or the request is not the same.
        self.server_of_login(worker, request).await?;
        let sealed_anew = self.seal_password(worker, caller, request, &tenant).await?;
        let outcome = if sealed_anew { AdoptOutcome::PasswordSealed } else { AdoptOutcome::Unchanged };
        Ok(answer(outcome, None, tenant))
    }

    /// Seals the login's password, where it is another one than before.
    async fn seal_password(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        request: &AdoptRequest,
        tenant: &Tenant,
    ) -> Result<bool, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let mut tx = durable_transaction(&mut control).await?;
        let old = self.secrets.get_all(&mut tx, tenant.id).await?;
        let new = &request.login.password;
        if old.get(sealed::PASSWORD).is_some_and(|old| old.expose_secret() == new.expose_secret()) {
            tx.rollback().await?;
            return Ok(false);
        }
        self.secrets.put(&mut tx, tenant.id, sealed::PASSWORD, new).await?;
        tenants::note_new_credentials(&mut tx, tenant.id).await?;
        let detail = json!({ "slug": tenant.slug, "role": tenant.resources.app_role });
        let (action, tenant, operation) = ("tenant.password.sealed", Some(tenant.id), None);
        audit::record(&mut tx, audit::Entry { caller, action, tenant, operation, detail }).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes the intent. `None` when the slug is taken.
    async fn reserve_adopted(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        request: &AdoptRequest,
        examined: &Examined,
        progress: &dyn Progress,
    ) -> Result<Option<(Intent, Opened)>, ProvisioningError> {
        let (id, operation) = (TenantId::new(), OperationId::new());
        let new = &request.tenant;
        let resources = Resources {
            database_name: request.login.database.clone(),
            owner_role: examined.owner.clone(),
            app_role: request.login.user.clone(),
            bucket: random::resource_name()?.bucket(),
        };
        let wish = PlacementRequest { store: request.store.clone(), ..PlacementRequest::default() };
        let stores = Placement::candidate_stores(&mut *worker.control.lock().await, &wish).await?;
        let place = self.first_store(worker, &stores, progress).await?;
        let mut control = worker.control.lock().await;
        let mut tx = durable_transaction(&mut control).await?;
        let placed = (examined.cluster.as_str(), place.as_str(), REALM.newest());
        match tenants::insert(&mut tx, id, new, &resources, placed, self.secrets.record_key()).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(error) if error.state() == Some(TAKEN) => {
                return Err(request.refused("another tenant took it a moment ago", None));
            }
            Err(error) => return Err(error.into()),
        }
        tenants::set_adopted(&mut tx, id, examined.adoption).await?;
        let secrets = [(sealed::PASSWORD, request.login.password.clone())];
        let borrowed: Vec<_> = secrets.iter().map(|(name, value)| (*name, value)).collect();
        self.secrets.seal_new_tenant(&mut tx, id, &borrowed).await?;
        let facts = json!({
            "slug": new.slug, "name": new.name(), "labels": new.labels, "cluster": examined.cluster,
            "database": resources.database_name, "role": resources.app_role, "adoption": examined.adoption,
        });
        let (kind, store, tenant) = ("adopt", Some(place.as_str()), id);
        let (batch, waits, attempt) = (None, None, None);
        let line = OperationLine { id: operation, tenant, kind, facts: &facts, batch, store, waits, attempt };
        let fence = store::insert(&mut tx, caller, &line).await?;
        let Some(fence) = fence else { return Ok(None) };
        Journal::plan(&mut tx, operation, &steps::outline(&steps::adopt())).await?;
        let (action, tenant) = ("tenant.adopt", Some(id));
        let entry = audit::Entry { caller, action, tenant, operation: Some(operation), detail: facts };
        audit::record(&mut tx, entry).await?;
        let tenant = tenants::by_id(&mut tx, id).await?;
        let lock = AdvisoryLock::try_take(&mut tx, LockKey::of("tenant", id)).await?;
        let (Some(tenant), Some(lock)) = (tenant, lock) else {
            return Err(DbError::Unexpected(sqlx::Error::RowNotFound).into());
        };
        tx.commit().await?;
        crate::infra::failpoint::pass(|| "adopt.reserve.after".to_owned()).await;
        let opened = Opened::of(secrets)?;
        let held = LockedTenant::written(tenant, lock);
        Ok(Some((
            Intent {
                operation,
                fence,
                held,
                fresh: true,
                named: false,
                neighbour: Neighbour::Unknown,
                entering: None,
            },
            opened,
        )))
    }
}

impl AdoptRequest {
    /// Why the database cannot be adopted, and the way on.
    pub(super) fn refused(&self, reason: impl Into<String>, hint: Option<Hint>) -> ProvisioningError {
        let (database, reason) = (self.login.database.clone(), reason.into());
        ProvisioningError::NotAdoptable { database, reason, hint }
    }
}

/// Whether a tenant came of the same request.
fn same(request: &AdoptRequest, tenant: &Tenant) -> Result<(), ProvisioningError> {
    let (new, names) = (&request.tenant, &tenant.resources);
    let made = if tenant.adopted { names.database_name.as_str() } else { "one that Nexus made" };
    let differences: Vec<Difference> = [
        Difference::of("database", Some(&request.login.database), made),
        Difference::of("login", Some(&request.login.user), &names.app_role),
        Difference::of("name", new.name.as_deref(), &tenant.name),
        Difference::of_labels(&new.labels, &tenant.labels.0),
        Difference::of("cluster", request.cluster.as_deref(), &tenant.cluster),
        Difference::of("store", request.store.as_deref(), &tenant.store),
    ]
    .into_iter()
    .flatten()
    .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(ProvisioningError::SlugTaken { slug: tenant.slug.clone(), differences })
}
