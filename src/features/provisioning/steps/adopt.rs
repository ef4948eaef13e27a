//! Steps on a database that was there before Nexus. What they change can be put back; what they
//! make is schema `nexus`, and nothing else.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::{PROOF, Plan};
use crate::features::tenants::Adoption;
use crate::infra::cluster::{self, ClusterError, adopted};
use crate::infra::db::{DbError, REALM};
use crate::infra::saga::{Probe, Step};

/// PUBLIC's right to connect is taken away, where that was asked for.
pub(super) struct Isolate;

#[async_trait]
impl Step<Plan, ProvisioningError> for Isolate {
    fn name(&self) -> &'static str {
        "isolate"
    }

    fn after(&self) -> &'static [&'static str] {
        &["reserve"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        if !plan.adoption().isolated {
            return Ok(Probe::Done);
        }
        let open = adopted::lets_public_in(&mut *plan.server.admin.lock().await, plan.adopted()).await?;
        Ok(if open { Probe::Absent } else { Probe::Done })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let Adoption { isolated, login_by_public, .. } = plan.adoption();
        if isolated {
            let mut admin = plan.server.admin.lock().await;
            adopted::isolate(&mut admin, plan.adopted(), login_by_public).await?;
        }
        Ok(())
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let Adoption { isolated, login_by_public, .. } = plan.adoption();
        if isolated {
            let mut admin = plan.server.admin.lock().await;
            adopted::undo_isolation(&mut admin, plan.adopted(), login_by_public).await?;
        }
        Ok(())
    }
}

/// Schema `nexus`, at the newest version, owned by who owns the database.
pub(super) struct MakeRealm;

impl MakeRealm {
    /// The schema, where it is there; refuses one that is not this tenant's.
    async fn find(plan: &Plan) -> Result<Option<adopted::Realm>, ProvisioningError> {
        let found = plan.inside(async |inside| Ok(adopted::realm(inside).await?)).await?;
        match found {
            Some(realm)
                if realm.mark.as_deref() != Some(plan.owner.mark.as_str())
                    && !plan.adoption().realm_was_there =>
            {
                Err(ClusterError::Foreign { what: "schema nexus".to_owned() }.into())
            }
            found => Ok(found),
        }
    }
}

#[async_trait]
impl Step<Plan, ProvisioningError> for MakeRealm {
    fn name(&self) -> &'static str {
        "realm"
    }

    fn after(&self) -> &'static [&'static str] {
        &["reserve"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        if !is_open(plan).await? {
            return Ok(Probe::Done);
        }
        match Self::find(plan).await? {
            None if !plan.may_remake => Err(plan.lost("schema nexus")),
            Some(_) if !plan.may_remake => Ok(Probe::Done),
            Some(realm) if realm.has_history => {
                let current = plan.inside(async |inside| Ok(REALM.is_current(inside).await?)).await?;
                Ok(if current { Probe::Done } else { Probe::Absent })
            }
            _ => Ok(Probe::Absent),
        }
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let owner = if let Some(realm) = Self::find(plan).await? {
            realm.owner
        } else {
            let owner = plan.tenant.resources.owner_role.clone();
            let mark = plan.owner.mark.as_str();
            plan.inside(async |inside| Ok(adopted::make_realm(inside, &owner, mark).await?)).await?;
            owner
        };
        let server = plan.server.cluster.admin.database(&plan.tenant.resources.database_name);
        let application = plan.application();
        let how = (&*owner, &*application, plan.owner.mark.as_str());
        let mut admin = plan.server.admin.lock().await;
        Ok(adopted::fill_realm(&mut admin, &server, how, REALM).await?)
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        drop_realm(plan, false).await
    }
}

async fn drop_realm(plan: &Plan, only_try: bool) -> Result<(), ProvisioningError> {
    if !is_there(plan).await? {
        return Ok(());
    }
    let mark = plan.owner.mark.as_str();
    plan.inside(async |inside| Ok(adopted::drop_realm(inside, mark, only_try).await?)).await
}

async fn is_there(plan: &Plan) -> Result<bool, ProvisioningError> {
    Ok(adopted::is_there(&mut *plan.server.admin.lock().await, plan.adopted()).await?)
}

/// Whether anybody can look inside: not where the tenant is closed, nor where somebody shut the
/// database, which is another step's concern and mended before.
async fn is_open(plan: &Plan) -> Result<bool, ProvisioningError> {
    Ok(adopted::is_open(&mut *plan.server.admin.lock().await, plan.adopted()).await?)
}

/// What the login may do in the realm.
pub(super) struct GrantRealm;

#[async_trait]
impl Step<Plan, ProvisioningError> for GrantRealm {
    fn name(&self) -> &'static str {
        "privileges"
    }

    fn after(&self) -> &'static [&'static str] {
        &["realm"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        if !is_open(plan).await? {
            return Ok(Probe::Done);
        }
        let app = &plan.tenant.resources.app_role;
        let granted = plan.inside(async |inside| Ok(cluster::realm_granted(inside, app).await?)).await?;
        Ok(if granted { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let app = &plan.tenant.resources.app_role;
        plan.inside(async |inside| Ok(cluster::grant_adopted_realm(inside, app).await?)).await
    }

    /// The rights go with the schema.
    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let app = &plan.tenant.resources.app_role;
        Ok(cluster::leave_app_role(&mut *plan.server.admin.lock().await, app).await?)
    }
}

/// A step that waits for others than its own kind says.
pub(super) struct After<S> {
    pub(super) step: S,
    pub(super) after: &'static [&'static str],
}

#[async_trait]
impl<S: Step<Plan, ProvisioningError>> Step<Plan, ProvisioningError> for After<S> {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    fn after(&self) -> &'static [&'static str] {
        self.after
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        self.step.probe(plan).await
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        self.step.apply(plan).await
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        self.step.undo(plan).await
    }
}

/// Of a repair: the database and its login are there, and the sealed password is still the
/// login's. None of them is Nexus's to mend.
pub(super) struct Found;

#[async_trait]
impl Step<Plan, ProvisioningError> for Found {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let names = &plan.tenant.resources;
        if !is_there(plan).await? {
            return Err(plan.lost(format!("database {} or role {}", names.database_name, names.app_role)));
        }
        if !is_open(plan).await? {
            return Ok(Probe::Done);
        }
        match plan.login(&names.database_name)?.connect_plain(PROOF).await {
            Err(DbError::LoginRefused { .. }) => {
                Err(ProvisioningError::PasswordChanged { slug: plan.tenant.slug.clone() })
            }
            other => Ok(other.map(|_| Probe::Done)?),
        }
    }

    async fn apply(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(plan.only_forward())
    }
}

/// Of a repair: the login is let in where the tenant is open, and nobody where it is closed.
pub(super) struct Logins;

#[async_trait]
impl Step<Plan, ProvisioningError> for Logins {
    fn name(&self) -> &'static str {
        "logins"
    }

    fn after(&self) -> &'static [&'static str] {
        &["database"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let mut admin = plan.server.admin.lock().await;
        let fits = if plan.tenant.is_closed() {
            adopted::is_closed(&mut admin, plan.adopted()).await?
        } else {
            adopted::is_open(&mut admin, plan.adopted()).await?
        };
        Ok(if fits { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut admin = plan.server.admin.lock().await;
        if plan.tenant.is_closed() {
            Ok(adopted::close(&mut admin, plan.adopted()).await?)
        } else {
            Ok(adopted::open(&mut admin, plan.adopted()).await?)
        }
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(plan.only_forward())
    }
}

/// One step of handing a database back to its owner. What is gone already is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandBack {
    /// Finds what stands in the way, before anything is changed.
    Look,
    /// The login and the database take sessions again, where the tenant was closed.
    Logins,
    /// PUBLIC's right to connect.
    Public,
    /// Schema `nexus`, where Nexus made it.
    Realm,
}

#[async_trait]
impl Step<Plan, ProvisioningError> for HandBack {
    fn name(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Logins => "open-logins",
            Self::Public => "isolate",
            Self::Realm => "realm",
        }
    }

    fn after(&self) -> &'static [&'static str] {
        match self {
            Self::Look => &[],
            Self::Logins => &["look"],
            Self::Public | Self::Realm => &["open-logins"],
        }
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        match self {
            Self::Look => {
                plan.store.driver.has_bucket(plan.bucket(), &plan.owner).await?;
                if is_open(plan).await? { drop_realm(plan, true).await } else { Ok(()) }
            }
            Self::Logins => {
                if is_there(plan).await? {
                    adopted::open(&mut *plan.server.admin.lock().await, plan.adopted()).await?;
                }
                Ok(())
            }
            Self::Public => Isolate.undo(plan).await,
            Self::Realm => {
                drop_realm(plan, false).await?;
                GrantRealm.undo(plan).await
            }
        }
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(plan.only_forward())
    }
}
