//! Fixing what an inspection found: what is a tenant's by a recorded repair of the tenant, the rest
//! by one change each, written to the audit log before it is made. Every change can be repeated.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::error::InspectionError;
use super::model::{Finding, Remedy};
use super::store;
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::placement::{drop_templates, template};
use crate::features::provisioning::{Provisioning, Worker};
use crate::features::tenants::{self, TenantRef};
use crate::infra::cluster::{self, Database, Mark};
use crate::infra::db::{AdvisoryLock, LockKey, PgConnection, durable_transaction};
use crate::infra::failpoint;
use crate::infra::objects::Owner;
use crate::kernel::{AnyFailure, Caller, Event, Failure, Location, Progress, Subject, TenantId};

/// One thing that would be done about findings, or was.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedFix {
    /// What is done, in words.
    pub action: String,
    pub codes: Vec<Cow<'static, str>>,
    /// For which tenant, by slug.
    pub tenant: Option<String>,
    /// Where.
    #[serde(flatten)]
    pub place: Location,
    /// Whether data goes with it.
    pub destroys: bool,
    #[serde(skip)]
    id: Option<TenantId>,
    #[serde(skip)]
    object: String,
    #[serde(skip)]
    remedy: Remedy,
}

/// What would be done about findings, in the order in which it would be done. What destroys data,
/// and what hangs on that, only where it is asked for.
#[must_use]
pub fn plan(findings: &[Finding], drop_orphans: bool) -> Vec<PlannedFix> {
    let mut planned: Vec<PlannedFix> = Vec::new();
    let faults = findings.iter().filter(|it| it.is_fault() && it.extra.remedy != Remedy::None);
    // A role may own a database that is kept, and a key open a bucket that is; each has the same mark.
    let kept: HashSet<&str> = findings.iter().filter_map(|it| it.extra.remedy.holds_data()).collect();
    let keeps = |it: &Remedy| it.destroys() || it.hangs_on().is_some_and(|it| kept.contains(it));
    for finding in faults.filter(|it| drop_orphans || !keeps(&it.extra.remedy)) {
        let (subject, remedy) = (&finding.subject, &finding.extra.remedy);
        let one_for_all = |it: &&mut PlannedFix| {
            let is_same = it.remedy == *remedy && it.id == subject.tenant_id;
            is_same && (it.place == subject.place || *remedy == Remedy::Repair)
        };
        match planned.iter_mut().find(one_for_all) {
            Some(known) if !known.codes.contains(&finding.code) => known.codes.push(finding.code.clone()),
            Some(_) => {}
            None => planned.push(PlannedFix {
                action: remedy.words(subject),
                codes: vec![finding.code.clone()],
                tenant: subject.tenant.clone(),
                place: subject.place.clone(),
                destroys: remedy.destroys(),
                id: subject.tenant_id,
                object: subject.object.clone(),
                remedy: remedy.clone(),
            }),
        }
    }
    planned.sort_by_key(|it| it.remedy.rank());
    planned
}

impl Remedy {
    fn holds_data(&self) -> Option<&str> {
        match self {
            Self::DropDatabase { mark, .. } | Self::DropBucket { mark, .. } => Some(mark),
            _ => None,
        }
    }

    fn hangs_on(&self) -> Option<&str> {
        match self {
            Self::DropRole { mark, .. } | Self::DropKey { mark, .. } => Some(mark),
            _ => None,
        }
    }

    /// A key is deleted before the repair that makes another, a database before its owner.
    fn rank(&self) -> u8 {
        match self {
            Self::Repair => 1,
            Self::DropDatabase { .. } | Self::DropBucket { .. } => 2,
            Self::DropRole { .. } | Self::DropKey { .. } => 3,
            _ => 0,
        }
    }

    fn words(&self, Subject { place, tenant, object, .. }: &Subject) -> String {
        match self {
            Self::None => String::new(),
            Self::Repair => format!("repair tenant {}", tenant.as_deref().unwrap_or_default()),
            Self::ReplaceKey(_) => format!("delete {object} and make another"),
            Self::DeleteKey(_) | Self::DropKey { .. } => format!("delete {object}"),
            Self::SwitchKey { enabled, .. } => {
                format!("turn {object} {}", if *enabled { "on" } else { "off" })
            }
            Self::Version(version) => format!("write version {version} into the tenant's row"),
            Self::CloseMaintenance => format!("revoke PUBLIC's rights at {object}"),
            Self::Revoke { role, .. } => format!("revoke the rights of {role} at {object}"),
            Self::RebuildTemplates => format!("rebuild the template of {place}"),
            Self::CloseTemplate(_) => format!("close template {object}"),
            Self::WeakenAppRole => format!("remove the powers of {object}"),
            Self::Erase(_) => format!("erase {object}"),
            Self::EndSession { .. } => format!("end {object}"),
            Self::DropDatabase { .. } => format!("drop {object} with everything in it"),
            Self::DropRole { .. } => format!("drop {object}"),
            Self::DropBucket { .. } => format!("delete {object} with everything in it"),
        }
    }

    /// The name that no row may claim, of something that nobody has.
    pub(super) fn orphan(&self) -> Option<&str> {
        match self {
            Self::DropDatabase { name, .. } | Self::DropRole { name, .. } | Self::DropBucket { name, .. } => {
                Some(name)
            }
            Self::DropKey { id, .. } => Some(id),
            _ => None,
        }
    }
}

/// Something was left as it was.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{0}")]
#[failure(Busy, "left_alone")]
struct LeftAlone(&'static str);

/// Does what was planned; of each that failed, why. Goes on with the others.
///
/// # Errors
/// When the control database does not answer.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn fix(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
    planned: &[PlannedFix],
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Vec<(String, AnyFailure)>, InspectionError> {
    let caller = &access::authorize(control, caller, &rights::DOCTOR_UPDATE, About::Platform).await?;
    let worker = on.another_worker().await?;
    let mut failed = Vec::new();
    progress.event(Event::Total(planned.len() as u64));
    for fix in planned {
        if stop.is_cancelled() {
            return Err(InspectionError::Interrupted);
        }
        let done = match &fix.remedy {
            Remedy::Repair => repair(on, &worker, caller, fix, progress, stop).await,
            Remedy::ReplaceKey(_) => match one(on, control, caller, fix).await {
                Ok(()) => repair(on, &worker, caller, fix, progress, stop).await,
                failed => failed,
            },
            _ => one(on, control, caller, fix).await,
        };
        progress.event(Event::Done { subject: fix.action.clone(), ok: done.is_ok() });
        failed.extend(done.err().map(|error| (fix.action.clone(), error)));
    }
    Ok(failed)
}

async fn repair(
    on: &Provisioning,
    worker: &Worker,
    caller: &Authorized<'_>,
    fix: &PlannedFix,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<(), AnyFailure> {
    let Some(id) = fix.id else { return Ok(()) };
    Box::pin(on.repair_for(worker, caller, &TenantRef::Id(id), progress, stop)).await?;
    Ok(())
}

/// One change, under the tenant's lock.
async fn one(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    fix: &PlannedFix,
) -> Result<(), AnyFailure> {
    let key = LockKey::of("tenant", fix.id.unwrap_or(TenantId::PLATFORM));
    let Some(lock) = AdvisoryLock::try_take(control, key).await? else {
        return Err(LeftAlone("another process is changing the tenant").into());
    };
    let done = locked(on, control, caller, fix).await;
    lock.release(control).await?;
    done
}

async fn locked(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    fix: &PlannedFix,
) -> Result<(), AnyFailure> {
    if let Some(name) = fix.remedy.orphan()
        && store::is_claimed(control, name).await?
    {
        return Err(LeftAlone("a row has it now").into());
    }
    // It may have been suspended, or resumed, since it was looked at.
    if let (Remedy::SwitchKey { enabled, .. }, Some(id)) = (&fix.remedy, fix.id)
        && tenants::by_id(control, id).await?.is_none_or(|row| row.is_closed() == *enabled)
    {
        return Err(LeftAlone("the tenant was opened or closed meanwhile").into());
    }
    let mut tx = durable_transaction(control).await?;
    let place = fix.place.to_string();
    let detail = json!({ "codes": fix.codes, "place": place, "object": fix.object, "action": fix.action });
    let entry = audit::Entry { caller, action: "fsck.fix", tenant: fix.id, operation: None, detail };
    audit::record(&mut tx, entry).await?;
    match (&fix.remedy, fix.id) {
        (Remedy::Version(version), Some(id)) => store::set_version(&mut tx, id, *version).await?,
        (Remedy::Erase(id), _) if !store::is_there(&mut tx, *id).await? => {
            on.secrets.erase(&mut tx, *id).await?;
        }
        _ => {}
    }
    tx.commit().await.map_err(crate::infra::db::DbError::from)?;
    failpoint::pass(|| "fsck.fix.before".to_owned()).await;
    match &fix.place {
        Location::Cluster(name) => at_server(on, control, name, &fix.remedy).await?,
        Location::Store(name) => at_store(on, control, name, fix).await?,
        Location::Control | Location::Machine => {}
    }
    failpoint::pass(|| "fsck.fix.after".to_owned()).await;
    Ok(())
}

async fn at_server(
    on: &Provisioning,
    control: &mut PgConnection,
    name: &str,
    remedy: &Remedy,
) -> Result<(), AnyFailure> {
    let at = on.placement.cluster(control, name).await?;
    let who = (on.installation.id, "nexus:fsck");
    let mut admin = on.placement.open_for_changes(control, &at, who).await?;
    match remedy {
        Remedy::CloseMaintenance => {
            let here = on.control.host == at.admin.host && on.control.port == at.admin.port;
            let ours = [on.control.database.as_str()];
            cluster::close_maintenance_databases(&mut admin, if here { &ours } else { &[] }).await?;
        }
        Remedy::Revoke { database, role } => {
            cluster::revoke_database(&mut admin, database, role).await?;
        }
        Remedy::RebuildTemplates => {
            drop_templates(control, &mut admin, name, on.installation.id).await?;
            template(control, &mut admin, &at, on.installation.id).await?;
        }
        Remedy::WeakenAppRole => cluster::weaken_app_role(&mut admin).await?,
        Remedy::CloseTemplate(name) => cluster::close_template(&mut admin, name).await?,
        Remedy::EndSession { pid, application } => {
            cluster::end_session(&mut admin, *pid, application).await?;
        }
        Remedy::DropDatabase { name, owner, mark, template } => {
            let database = Database { name, owner, app: "", mark: Mark::from(mark.as_str()) };
            if *template {
                cluster::drop_template(&mut admin, database).await?;
            } else {
                cluster::drop_database(&mut admin, database).await?;
            }
        }
        Remedy::DropRole { name, mark } => cluster::drop_role(&mut admin, &at.admin, name, mark).await?,
        _ => {}
    }
    Ok(())
}

async fn at_store(
    on: &Provisioning,
    control: &mut PgConnection,
    name: &str,
    fix: &PlannedFix,
) -> Result<(), AnyFailure> {
    let at = on.placement.store(control, name).await?;
    let fence = store::next_fence(control).await?;
    let owner = |mark: &str| Owner { mark: mark.to_owned(), fence };
    let tenants = fix.id.map(|id| on.installation.mark(id)).unwrap_or_default();
    match &fix.remedy {
        Remedy::DeleteKey(id) | Remedy::ReplaceKey(id) => at.driver.delete_key(id, &owner(&tenants)).await?,
        Remedy::SwitchKey { id, bucket, enabled } => {
            at.driver.set_key_enabled(id, bucket, &owner(&tenants), *enabled).await?;
        }
        Remedy::DropBucket { name, mark } => at.driver.purge_bucket(name, &owner(mark)).await?,
        Remedy::DropKey { id, mark } => at.driver.delete_key(id, &owner(mark)).await?,
        _ => {}
    }
    Ok(())
}
