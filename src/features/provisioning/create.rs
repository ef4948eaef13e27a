//! Making a tenant: the intent in one transaction, then the steps.

use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::difference::Difference;
use super::error::ProvisioningError;
use super::locked::LockedTenant;
use super::plan::{Opening, sealed};
use super::queue::DrivenBy;
use super::recovery::Direction;
use super::store;
use super::worker::{Provisioning, Worker};
use crate::features::access::{About, Authorized, rights};
use crate::features::audit;
use crate::features::iam::{FirstPassword, FirstSignIn};
use crate::features::placement::{Candidates, Placement, PlacementRequest, Template};
use crate::features::tenants::{self, NewTenant, Tenant, TenantRef, TenantState, TenantView};
use crate::infra::db::{AdvisoryLock, LockKey, durable_transaction};
use crate::kernel::{Caller, OperationId, Progress, TenantId};

/// How long `--wait` waits for another process that makes the same tenant.
const WAIT_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(5);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    pub tenant: NewTenant,
    /// The first administrator's password; without one they are invited.
    pub admin_password: Option<SecretString>,
    /// Write the intent and return; somebody else resumes the operation.
    pub detach: bool,
    /// Wait for another process that makes the same tenant, instead of refusing.
    pub wait: bool,
    pub wish: PlacementRequest,
}

impl CreateRequest {
    /// Who is to take it up, where it is only recorded.
    pub(super) fn waits_for(&self, on: &Provisioning) -> Option<DrivenBy> {
        (self.detach || on.only_records()).then_some(on.driven_by)
    }
}

/// What the first administrator signs in with, by the name under which it is sealed.
pub(super) type SealedFirst = Option<(&'static str, SecretString)>;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CreateOutcome {
    /// It was made now.
    Created,
    /// It was there, made by the same request.
    Unchanged,
    /// It was half-made by an earlier process, and was finished.
    Finished,
    /// Its intent is written.
    Planned,
}

/// A tenant that was asked for.
#[derive(Debug, Clone, serde::Serialize, ToSchema)]
#[schema(as = CreatedTenant)]
pub struct Created {
    pub outcome: CreateOutcome,
    /// The operation that made it, or makes it.
    #[schema(value_type = uuid::Uuid)]
    pub operation: OperationId,
    /// The tenant.
    #[serde(flatten)]
    pub tenant: TenantView,
}

/// The bucket of another tenant at the same places.
pub(super) enum Neighbour {
    /// Nobody looked.
    Unknown,
    /// `None`: there is no other tenant.
    Known(Option<String>),
}

/// A written intent, and the tenant that it is about.
pub(super) struct Intent {
    pub(super) operation: OperationId,
    pub(super) fence: i64,
    pub(super) held: LockedTenant,
    /// Whether this process wrote it a moment ago.
    pub(super) fresh: bool,
    /// Whether the administrator's session bears the operation's name already.
    pub(super) named: bool,
    pub(super) neighbour: Neighbour,
    /// The administrator's session inside the tenant's database, where it is being opened already.
    pub(super) entering: Option<Opening>,
}

impl Provisioning {
    /// Makes a tenant, or finds the one that the same request made before.
    ///
    /// # Errors
    /// [`ProvisioningError::SlugTaken`], [`ProvisioningError::InProgress`], or
    /// [`ProvisioningError::Stopped`] with the operation to resume.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn create(
        &self,
        worker: &Worker,
        caller: &Caller,
        request: &CreateRequest,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Created, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::TENANT_CREATE, About::Platform).await?;
        let first = &self.seal_first(request).await?;
        let until = tokio::time::Instant::now() + WAIT_TIMEOUT;
        loop {
            let wanted = (request, first);
            let reserved = Box::pin(self.reserve_where_wanted(worker, caller, wanted, progress)).await?;
            if let Some((intent, secrets, kind)) = reserved {
                let operation = intent.operation;
                if request.waits_for(self).is_some() {
                    let tenant = intent.held.end(&mut *worker.control.lock().await, None).await?;
                    return Ok(Created { outcome: CreateOutcome::Planned, operation, tenant: tenant.into() });
                }
                let made = Box::pin(self.drive(worker, intent, kind, secrets, progress, stop));
                let tenant = made.await?;
                return Ok(Created { outcome: CreateOutcome::Created, operation, tenant: tenant.into() });
            }
            // Whoever had the slug may have given it back in the meantime.
            let name = TenantRef::Slug(request.tenant.slug.clone());
            let found = tenants::look_up(&mut *worker.control.lock().await, &name).await?;
            let Some(tenant) = found else { continue };
            match Box::pin(self.again(worker, caller, request, tenant, progress, stop)).await {
                // It ended between two looks at it.
                Err(ProvisioningError::Over { .. }) => {}
                // Somebody else took it up first.
                Err(ProvisioningError::InProgress { running: true, .. })
                    if request.wait && tokio::time::Instant::now() < until => {}
                other => return other,
            }
        }
    }

    /// Checks and hashes the first administrator's password, or makes their invitation. Nothing is locked
    /// yet: it takes long.
    async fn seal_first(&self, request: &CreateRequest) -> Result<SealedFirst, ProvisioningError> {
        let Some(email) = &request.tenant.admin_email else { return Ok(None) };
        let given = request.admin_password.clone();
        let first = given.map_or(FirstPassword::Invitation, FirstPassword::Given);
        Ok(self.rules.first_sign_in(email, &first, false).await?.map(|first| match first {
            FirstSignIn::PasswordHash(hash) => (sealed::ADMIN_HASH, hash),
            FirstSignIn::Invitation(token) => (sealed::INVITATION, token.text().clone()),
        }))
    }

    /// The slug is taken: by the same request, by a different one, or by one under way.
    async fn again(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        request: &CreateRequest,
        tenant: Tenant,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Created, ProvisioningError> {
        let slug = tenant.slug.clone();
        let differences = differences(&request.tenant, &request.wish, &tenant);
        if !differences.is_empty() {
            return Err(ProvisioningError::SlugTaken { slug, differences });
        }
        let key = LockKey::of("tenant", tenant.id);
        if request.wait {
            let mut control = worker.control.lock().await;
            if let Some(lock) = AdvisoryLock::wait(&mut control, key.clone(), WAIT_TIMEOUT).await? {
                lock.release(&mut control).await?;
            }
        }
        let mut control = worker.control.lock().await;
        let unfinished = store::unfinished(&mut control, tenant.id).await?;
        let Some(unfinished) = unfinished else {
            let tenant = tenants::by_id(&mut control, tenant.id).await?.unwrap_or(tenant);
            let operation = store::creation(&mut control, tenant.id).await?;
            return match (operation, tenant.state) {
                // Somebody else's, who was called so later.
                (Some((_, Some(made_as))), _) if made_as != tenant.slug => {
                    let renamed = Difference { what: "first slug", is: made_as, given: slug.clone() };
                    Err(ProvisioningError::SlugTaken { slug, differences: vec![renamed] })
                }
                (Some((operation, _)), TenantState::Active) => {
                    Ok(Created { outcome: CreateOutcome::Unchanged, operation, tenant: tenant.into() })
                }
                _ => Err(tenant.unusable().into()),
            };
        };
        let running = store::is_locked(&mut control, &key).await?;
        if running
            || !matches!(unfinished.kind.as_str(), "create" | "claim")
            || request.waits_for(self).is_some()
        {
            let (operation, kind) = (Some(unfinished.id), unfinished.kind);
            return Err(ProvisioningError::InProgress { slug, operation, kind, running });
        }
        drop(control);
        let resumed =
            self.take_up_for(worker, caller, unfinished.id, Direction::AsRecorded, (progress, stop)).await?;
        Ok(Created { outcome: CreateOutcome::Finished, operation: unfinished.id, tenant: resumed.into() })
    }

    /// Chooses a place, then writes the intent. A slug that is taken needs no place.
    async fn reserve_where_wanted(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        (request, first): (&CreateRequest, &SealedFirst),
        progress: &dyn Progress,
    ) -> Result<Option<(Intent, super::recovery::Opened, &'static str)>, ProvisioningError> {
        let found = Placement::candidates(&mut *worker.control.lock().await, &request.wish).await;
        if let Some(found) = found.as_ref().ok().filter(|found| found.pooled && !request.detach) {
            if let Some(cluster) = found.clusters.first() {
                self.open_first(worker, &cluster.name, None).await?;
            }
            let claimed = self.claim(worker, caller, (request, first)).await?;
            if claimed.is_some() {
                return Ok(claimed.map(|(intent, opened)| (intent, opened, "claim")));
            }
        }
        let chosen = match found {
            Ok(found) => self.first_that_answer(worker, &found, progress).await,
            Err(error) => Err(error.into()),
        };
        let (cluster, store, template) = match chosen {
            Ok(chosen) => chosen,
            Err(error) => {
                let name = TenantRef::Slug(request.tenant.slug.clone());
                let taken = tenants::look_up(&mut *worker.control.lock().await, &name).await?.is_some();
                return if taken { Ok(None) } else { Err(error) };
            }
        };
        let (wanted, place) = ((request, first), (&*cluster, &*store, &template));
        let reserved = self.reserve(worker, caller, wanted, place, "create").await?;
        Ok(reserved.map(|(intent, opened)| (intent, opened, "create")))
    }

    async fn first_that_answer(
        &self,
        worker: &Worker,
        found: &Candidates,
        progress: &dyn Progress,
    ) -> Result<(String, String, Template), ProvisioningError> {
        let (cluster, server) = self.first_server(worker, &found.clusters, progress).await?;
        let store = self.first_store(worker, &found.stores, progress).await?;
        let template = server.template(self, worker).await?.clone();
        Ok((cluster, store, template))
    }

    /// The first administrator's invitation, as long as it is sealed here. Being told is audited.
    ///
    /// # Errors
    /// When the value does not open.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn invitation(
        &self,
        worker: &Worker,
        caller: &Caller,
        tenant: TenantId,
    ) -> Result<Option<SecretString>, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::TENANT_CREATE, About::Tenant(tenant)).await?;
        let mut control = worker.control.lock().await;
        // Whoever is told of it is told after the audit row is on the disk.
        let mut tx = durable_transaction(&mut control).await?;
        let opened = self.secrets.get_all(&mut tx, tenant).await?;
        let invitation = opened.get(sealed::INVITATION).cloned();
        if invitation.is_some() {
            let entry = audit::Entry {
                caller,
                action: "tenant.invitation.reveal",
                tenant: Some(tenant),
                operation: None,
                detail: json!({}),
            };
            audit::record(&mut tx, entry).await?;
        }
        tx.commit().await?;
        Ok(invitation)
    }
}

/// How a tenant differs from what was given. What was not given is no difference.
pub(super) fn differences(new: &NewTenant, wish: &PlacementRequest, tenant: &Tenant) -> Vec<Difference> {
    let email = new.admin_email.as_ref().map(|email| email.as_str().to_owned());
    [
        Difference::of("name", new.name.as_deref(), &tenant.name),
        Difference::of("admin_email", email.as_deref(), tenant.admin_email.as_deref().unwrap_or_default()),
        Difference::of_labels(&new.labels, &tenant.labels.0),
        Difference::of("cluster", wish.cluster.as_deref(), &tenant.cluster),
        Difference::of("store", wish.store.as_deref(), &tenant.store),
    ]
    .into_iter()
    .flatten()
    .chain(Difference::of_profile(&new.profile, &tenant.profile))
    .collect()
}
