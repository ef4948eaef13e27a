//! What an operation would do, for who asks before it is done.

use super::create::differences;
use super::error::ProvisioningError;
use super::kinds::steps_of;
use super::operations::{self, OperationFilter, OperationView};
use super::plan::Plan;
use super::repair::{RepairOutcome, Repaired};
use super::store;
use super::worker::{Provisioning, Worker};
use crate::features::access::{self, About, rights};
use crate::features::iam;
use crate::features::placement::PlacementRequest;
use crate::features::tenants::{self, NewTenant, Tenant, TenantRef};
use crate::infra::db::PgConnection;
use crate::infra::saga::Probe;
use crate::kernel::{Caller, OperationId, Page, SecretString};

/// One step that would be done.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct PlannedStep {
    pub step: &'static str,
    /// What it does, in words.
    pub effect: String,
}

/// The steps that would make a tenant. With a connection to the control database at hand it is
/// checked, too, that the slug is free.
///
/// # Errors
/// [`ProvisioningError::SlugTaken`] when it is not, and the settings differ; when the first
/// administrator's password is not accepted.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn plan_create(
    control: Option<&mut PgConnection>,
    caller: &Caller,
    (new, admin_password): (&NewTenant, Option<&SecretString>),
    wish: &PlacementRequest,
) -> Result<Vec<PlannedStep>, ProvisioningError> {
    if let Some(control) = control {
        access::authorize(control, caller, &rights::TENANT_CREATE, About::Platform).await?;
        let name = TenantRef::Slug(new.slug.clone());
        if let Some(tenant) = tenants::look_up(control, &name).await? {
            let differences = differences(new, wish, &tenant);
            if !differences.is_empty() {
                return Err(ProvisioningError::SlugTaken { slug: tenant.slug, differences });
            }
            return Ok(Vec::new());
        }
    }
    if let (Some(email), Some(password)) = (&new.admin_email, admin_password) {
        iam::check_first_password(email, password)?;
    }
    let admin = match &new.admin_email {
        Some(email) => format!("create the first admin {email}"),
        None => "create no admin: none was named".to_owned(),
    };
    let effects = [
        ("reserve", format!("reserve slug {} and opaque names, seal a new password", new.slug)),
        ("roles", "create an owner role that cannot log in, and the app's role".to_owned()),
        ("bucket", "create a bucket".to_owned()),
        ("key", "create a key for that bucket alone".to_owned()),
        ("seal", "seal the key's secret".to_owned()),
        ("database", "clone the template database".to_owned()),
        ("privileges", "let the app's role connect, and no other".to_owned()),
        ("seed", admin),
        (
            "prove-isolation",
            "check that the tenant's login may open no database of the server but its own".to_owned(),
        ),
        ("prove-database", "write and read a row as the tenant".to_owned()),
        ("prove-store", "write and read an object as the tenant".to_owned()),
        ("activate", "activate the tenant".to_owned()),
    ];
    Ok(effects.into_iter().map(|(step, effect)| PlannedStep { step, effect }).collect())
}

/// The steps that would take a tenant away.
#[must_use]
pub fn plan_purge(tenant: &Tenant) -> Vec<PlannedStep> {
    let names = &tenant.resources;
    let key = tenant.access_key_id.as_deref().unwrap_or("none");
    if tenant.adopted {
        return plan_hand_back(tenant, key);
    }
    [
        ("look", "check that all of it was made by this installation".to_owned()),
        ("close-logins", format!("end the sessions of role {} and refuse new ones", names.app_role)),
        ("key", format!("delete key {key}")),
        ("bucket", format!("delete bucket {} with everything in it", names.bucket)),
        ("database", format!("drop database {} with everything in it", names.database_name)),
        ("roles", format!("drop roles {} and {}", names.owner_role, names.app_role)),
        ("release", format!("erase the sealed secrets and free slug {}", tenant.slug)),
    ]
    .into_iter()
    .map(|(step, effect)| PlannedStep { step, effect })
    .collect()
}

/// The steps that would hand a database back that was there before Nexus.
fn plan_hand_back(tenant: &Tenant, key: &str) -> Vec<PlannedStep> {
    let names = &tenant.resources;
    let (database, app) = (&names.database_name, &names.app_role);
    let (isolated, realm_stays) =
        tenant.adoption.as_ref().map_or((false, false), |it| (it.0.isolated, it.0.realm_was_there));
    let public =
        if isolated { "let PUBLIC connect again, as it was" } else { "nothing: PUBLIC was left alone" };
    let realm = if realm_stays {
        "nothing: schema nexus existed before, and stays".to_owned()
    } else {
        format!("drop schema nexus in database {database}: the tenant's users, roles and settings")
    };
    [
        ("look", "check that nothing of the app's depends on schema nexus".to_owned()),
        (
            "open-logins",
            format!("release database {database}: it, role {app} and the app's data existed before Nexus, and stay"),
        ),
        ("isolate", public.to_owned()),
        ("realm", realm),
        ("key", format!("delete key {key}")),
        ("bucket", format!("delete bucket {} with everything in it", names.bucket)),
        ("release", format!("erase the sealed secrets and free slug {}", tenant.slug)),
    ]
    .into_iter()
    .map(|(step, effect)| PlannedStep { step, effect })
    .collect()
}

impl Provisioning {
    /// The steps that would put a tenant into the trash.
    #[must_use]
    pub fn plan_delete(&self, tenant: &Tenant) -> Vec<PlannedStep> {
        let (names, days) = (&tenant.resources, self.retention_days);
        let key = tenant.access_key_id.as_deref().unwrap_or("none");
        let adopted = "; the database existed before Nexus, and is kept after that, too";
        [
            (
                "record",
                format!(
                    "keep database {} and bucket {} for {days} days{}",
                    names.database_name,
                    names.bucket,
                    if tenant.adopted { adopted } else { "" },
                ),
            ),
            ("close-logins", format!("end the sessions of role {} and refuse new ones", names.app_role)),
            ("disable-key", format!("turn key {key} off")),
        ]
        .into_iter()
        .map(|(step, effect)| PlannedStep { step, effect })
        .collect()
    }

    /// What a repair would find, without doing anything.
    ///
    /// # Errors
    /// [`ProvisioningError::Lost`] when data is gone; others when it cannot be looked at now.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn look(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
    ) -> Result<Repaired, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::TENANT_REPAIR, name.about()).await?;
        let tenant = tenants::read(&mut *worker.control.lock().await, caller, name).await?;
        let unfinished = store::unfinished(&mut *worker.control.lock().await, tenant.id).await?;
        let slug = tenant.slug.clone();
        let answer =
            |outcome, operation, steps| Repaired { tenant: slug, outcome, operation, steps, error: None };
        if let Some(row) = unfinished {
            return Ok(answer(RepairOutcome::Needed, Some(row.id), Vec::new()));
        }
        let held = self.hold(worker, &TenantRef::Id(tenant.id)).await?.in_use(worker).await?;
        let drifted_steps = match self.find_drift(worker, &held, OperationId::new()).await {
            Ok(drifted_steps) => drifted_steps,
            Err(error) => return Err(held.refuse(worker, error).await),
        };
        held.end(&mut *worker.control.lock().await, None).await?;
        Ok(answer(
            if drifted_steps.is_empty() { RepairOutcome::Unchanged } else { RepairOutcome::Needed },
            None,
            drifted_steps,
        ))
    }

    /// One operation.
    ///
    /// # Errors
    /// [`ProvisioningError::NoOperation`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn operation(
        &self,
        worker: &Worker,
        caller: &Caller,
        id: OperationId,
    ) -> Result<OperationView, ProvisioningError> {
        worker.authorize(caller, &rights::OPERATION_READ, About::Platform).await?;
        let filter = OperationFilter { id: Some(id), ..OperationFilter::default() };
        let page = Page { page: 1, limit: 1 };
        let found = operations::store::list(&mut *worker.control.lock().await, &filter, page).await?;
        found.into_iter().next().ok_or(ProvisioningError::NoOperation { id })
    }
}

/// The steps of a tenant, open or closed, whose effect is not there, or not whole.
pub(super) async fn drifted_steps(plan: &Plan) -> Result<Vec<&'static str>, ProvisioningError> {
    let mut drifted_steps = Vec::new();
    for step in steps_of("repair", plan.tenant.adopted) {
        if step.probe(plan).await? == Probe::Absent {
            drifted_steps.push(step.name());
        }
    }
    Ok(drifted_steps)
}
