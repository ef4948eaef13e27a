//! Steps that let nobody in, or the tenant in again. What is closed and opened are switches that
//! hold nothing else, so that an opening finds everything as it was.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use super::super::worker::{Provisioning, Server};
use crate::features::tenants::{self, Tenant};
use crate::infra::cluster::adopted::{self, Adopted};
use crate::infra::cluster::{self, Database, Mark, Roles};
use crate::infra::objects::{BucketClient, Refusal};
use crate::infra::saga::{Probe, Step};

/// That the tenant is closed, as its row says: written with the operation's intent.
pub(super) struct Closed;

#[async_trait]
impl Step<Plan, ProvisioningError> for Closed {
    fn name(&self) -> &'static str {
        "record"
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Done)
    }

    async fn apply(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        Ok(tenants::set_state(&mut control, plan.tenant.id, plan.access.open).await?)
    }
}

/// No login, no new session, and an end to those that are open.
pub(super) struct Close {
    after: &'static [&'static str],
}

impl Close {
    /// With the record, which is written with the intent.
    pub(super) fn at_once() -> Self {
        Self { after: &[] }
    }

    /// Once it is known whose everything is.
    pub(super) fn after_a_look() -> Self {
        Self { after: &["look"] }
    }
}

#[async_trait]
impl Step<Plan, ProvisioningError> for Close {
    fn name(&self) -> &'static str {
        "close-logins"
    }

    fn after(&self) -> &'static [&'static str] {
        self.after
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        logins_closed(plan).await
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        close_logins(plan).await
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        if plan.access.lets_in() { open_logins(plan).await } else { Ok(()) }
    }
}

/// The tenant's key is refused.
pub(super) struct DisableKey;

#[async_trait]
impl Step<Plan, ProvisioningError> for DisableKey {
    fn name(&self) -> &'static str {
        "disable-key"
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        disable_keys(plan).await
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        if plan.access.lets_in() { enable_key(plan).await } else { Ok(()) }
    }
}

/// The tenant's login is let in again, with whatever limits and settings it has.
pub(super) struct OpenLogins;

#[async_trait]
impl Step<Plan, ProvisioningError> for OpenLogins {
    fn name(&self) -> &'static str {
        "open-logins"
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        if plan.access.lets_in() { open_logins(plan).await } else { Ok(()) }
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        close_logins(plan).await
    }
}

/// The tenant's key is let in again.
pub(super) struct EnableKey;

#[async_trait]
impl Step<Plan, ProvisioningError> for EnableKey {
    fn name(&self) -> &'static str {
        "enable-key"
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        if plan.access.lets_in() { enable_key(plan).await } else { Ok(()) }
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        disable_keys(plan).await
    }
}

/// That the tenant is open, as its row says.
pub(super) struct Opened;

#[async_trait]
impl Step<Plan, ProvisioningError> for Opened {
    fn name(&self) -> &'static str {
        "record"
    }

    fn after(&self) -> &'static [&'static str] {
        &["open-logins", "enable-key"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let row = tenants::by_id(&mut *plan.worker.control.lock().await, plan.tenant.id).await?;
        let open = row.is_some_and(|row| row.state == plan.access.open);
        Ok(if open { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        Ok(tenants::set_state(&mut control, plan.tenant.id, plan.access.open).await?)
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        Ok(tenants::set_state(&mut control, plan.tenant.id, plan.access.closed).await?)
    }
}

/// Of a repair: where the tenant is closed, so are its logins. Those of an open one are mended with
/// its roles and its privileges.
pub(super) struct Logins;

#[async_trait]
impl Step<Plan, ProvisioningError> for Logins {
    fn name(&self) -> &'static str {
        "logins"
    }

    fn after(&self) -> &'static [&'static str] {
        &["privileges"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        if plan.tenant.is_closed() { logins_closed(plan).await } else { Ok(Probe::Done) }
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        close_logins(plan).await
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(plan.only_forward())
    }
}

/// Of a repair: the key is let in where the tenant is open, and refused where it is closed.
pub(super) struct KeyUse;

#[async_trait]
impl Step<Plan, ProvisioningError> for KeyUse {
    fn name(&self) -> &'static str {
        "key-use"
    }

    fn after(&self) -> &'static [&'static str] {
        &["seal"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        // One that is not there is another step's concern.
        let Some(key) = plan.key.lock().await.clone() else { return Ok(Probe::Done) };
        let store = &plan.store.driver;
        if store.keys(&plan.owner).await? != [key.access_key_id.as_str()] {
            return Ok(Probe::Done);
        }
        let client = BucketClient::new(store.endpoint(), store.region(), &key);
        let refused = client.try_list(plan.bucket()).await? == Refusal::Refused;
        Ok(if refused == plan.tenant.is_closed() { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        if plan.tenant.is_closed() { disable_keys(plan).await } else { enable_key(plan).await }
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(plan.only_forward())
    }
}

async fn logins_closed(plan: &Plan) -> Result<Probe, ProvisioningError> {
    let mut admin = plan.server.admin.lock().await;
    let closed = if plan.tenant.adopted {
        adopted::is_closed(&mut admin, plan.adopted()).await?
    } else {
        cluster::logins_closed(&mut admin, plan.roles(), plan.database()).await?
    };
    Ok(if closed { Probe::Done } else { Probe::Absent })
}

/// Whether a tenant's login or its database is open on its server.
pub(in super::super) async fn lets_in(
    on: &Provisioning,
    server: &Server,
    tenant: &Tenant,
) -> Result<bool, ProvisioningError> {
    let (names, mut admin) = (&tenant.resources, server.admin.lock().await);
    if tenant.adopted {
        let it = Adopted { database: &names.database_name, app: &names.app_role };
        return Ok(adopted::lets_in(&mut admin, it).await?);
    }
    let (text, former) = (on.installation.server_mark(tenant.id), on.installation.mark(tenant.id));
    let mark = Mark { text: &text, former: &former };
    let (owner, app) = (&*names.owner_role, &*names.app_role);
    let roles = Roles { owner, app, mark };
    let database = Database { name: &names.database_name, owner, app, mark };
    Ok(cluster::lets_in(&mut admin, roles, database).await?)
}

async fn close_logins(plan: &Plan) -> Result<(), ProvisioningError> {
    let mut admin = plan.server.admin.lock().await;
    if plan.tenant.adopted {
        return Ok(adopted::close(&mut admin, plan.adopted()).await?);
    }
    let change = (plan.on.installation.id, plan.owner.fence);
    let named = (&*plan.application(), change);
    Ok(cluster::close_logins(&mut admin, named, plan.roles(), plan.database()).await?)
}

async fn open_logins(plan: &Plan) -> Result<(), ProvisioningError> {
    let mut admin = plan.server.admin.lock().await;
    if plan.tenant.adopted {
        return Ok(adopted::open(&mut admin, plan.adopted()).await?);
    }
    Ok(cluster::open_logins(&mut admin, plan.roles(), plan.database()).await?)
}

/// Turns all keys of the tenant off, one that was never sealed included. Nothing late of an earlier
/// operation turns one on again.
async fn disable_keys(plan: &Plan) -> Result<(), ProvisioningError> {
    let store = &plan.store.driver;
    store.fence(&plan.owner).await?;
    for id in store.keys(&plan.owner).await? {
        store.set_key_enabled(&id, plan.bucket(), &plan.owner, false).await?;
    }
    Ok(())
}

/// Turns the key on whose secret is sealed here.
async fn enable_key(plan: &Plan) -> Result<(), ProvisioningError> {
    let sealed = plan.key.lock().await.as_ref().map(|key| key.access_key_id.clone());
    let id = sealed.ok_or_else(|| plan.lost("its sealed key"))?;
    let store = &plan.store.driver;
    store.fence(&plan.owner).await?;
    Ok(store.set_key_enabled(&id, plan.bucket(), &plan.owner, true).await?)
}
