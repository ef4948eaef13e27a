//! A control database that is older than the world: noticed, and accepted where a person says so.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::json;

use super::codes::{Subject, entry_of};
use super::error::InspectionError;
use super::model::{Finding, Fix, Location, Observed, RECORD_OLDER, Report, SWAPPED};
use super::store;
use crate::features::access::{self, About, rights};
use crate::features::audit;
use crate::features::placement::{compare_age, forget_systems};
use crate::features::provisioning::Provisioning;
use crate::features::record;
use crate::features::tenants::TenantState;
use crate::features::tokens;
use crate::infra::cluster::{CAN_LOG_IN, CANNOT_LOG_IN};
use crate::infra::db::{DbError, PgConnection, durable_transaction};
use crate::kernel::{Caller, TenantId};

/// What the reason of a suspension says that an acceptance found.
const REASON: &str = "it was closed when an older control database was accepted";

/// The same of one that was in the older control database's trash.
const REASON_TRASHED: &str = "it was in the trash of an older control database when that was accepted, and its login or its key was open";

/// Compares what a place has seen with the control database.
pub(super) async fn age(
    control: &mut PgConnection,
    place: &Location,
    world: i64,
    observed: &mut Observed,
) -> Result<(), InspectionError> {
    observed.world = world.max(observed.world);
    if let Some(older) = compare_age(control, &place.to_string(), world, 0).await? {
        observed.findings.push(Finding::new(RECORD_OLDER, None, place, place.to_string(), older.to_string()));
    }
    Ok(())
}

/// Compares the control database with what its own server has seen of it.
pub(super) async fn own_age(control: &mut PgConnection) -> Result<Option<Finding>, InspectionError> {
    let older = record::age(control).await?.require_current().err();
    let of = |older: record::RecordOlder| {
        Finding::new(RECORD_OLDER, None, &Location::Control, Location::Control.to_string(), older.to_string())
    };
    Ok(older.map(of))
}

/// Whether the rows that decide who gets whose credentials are as they were written.
///
/// # Errors
/// When the control database does not answer.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn examine_record(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
) -> Result<Vec<Finding>, InspectionError> {
    access::authorize(control, caller, &rights::DOCTOR_READ, About::Platform).await?;
    let (key, master) = (on.secrets.record_key(), on.secrets.master_id());
    let mut found = Vec::new();
    for flaw in record::examine(control, key, master).await? {
        let code = if flaw.missing { "record_row_unsealed" } else { "record_row_changed" };
        let how = if flaw.missing { "no checksum covers" } else { "the checksum does not fit" };
        let mut finding =
            Finding::new(code, None, &Location::Control, flaw.object, format!("{how} {}", flaw.what));
        if let Some((id, slug)) = flaw.tenant {
            (finding.tenant_id, finding.tenant) = (Some(id), Some(slug));
        }
        found.push(finding);
    }
    for flaw in tokens::examine(control, &on.secrets).await? {
        found.push(Finding::new(flaw.code, None, &Location::Control, flaw.object, flaw.detail));
    }
    Ok(found)
}

/// What was there when an older control database was accepted is not lost; it is nobody's.
pub(super) async fn spare_unmanaged(
    control: &mut PgConnection,
    place: &Location,
    observed: &mut Observed,
) -> Result<(), InspectionError> {
    if !observed.findings.iter().any(|it| it.remedy.orphan().is_some()) {
        return Ok(());
    }
    let names = store::left_alone(control, &place.to_string()).await?;
    for it in &mut observed.findings {
        if it.remedy.orphan().is_some_and(|name| names.iter().any(|it| it == name)) {
            let (object, detail) = (it.object.clone(), it.detail.clone());
            *it = Finding::new("unmanaged", None, place, object, detail).of(it.tenant_id);
        }
    }
    Ok(())
}

/// Takes out of the plan what must be left as it is.
pub(super) fn spare(report: Report) -> Report {
    keep_what_is_newer(keep_off_other_servers(leave_what_is_lost(report)))
}

/// A repair stops where data is gone, so what it would do after that is not fixed: everything
/// without the database, what is in the store without the bucket.
fn leave_what_is_lost(mut report: Report) -> Report {
    let without = |code: &str| -> HashSet<TenantId> {
        report.findings.iter().filter(|it| it.code == code).filter_map(|it| it.tenant_id).collect()
    };
    let (databases, buckets) = (without("database_missing"), without("bucket_missing"));
    for it in report.findings.iter_mut().filter(|it| it.remedy == Fix::Repair) {
        let Some(id) = it.tenant_id else { continue };
        if databases.contains(&id) || matches!(it.place, Location::Store(_)) && buckets.contains(&id) {
            it.remedy = Fix::None;
            it.fixable = false;
            let subject = Subject { tenant: it.tenant.as_deref(), place: Some(&it.place) };
            if let Some(entry) = entry_of("database_missing") {
                it.fix = entry.cure.hints(&subject);
            }
        }
    }
    report
}

/// What differs on a server that is another than was registered is not fixed.
fn keep_off_other_servers(mut report: Report) -> Report {
    let others: Vec<Location> =
        report.findings.iter().filter(|it| it.code == SWAPPED).map(|it| it.place.clone()).collect();
    for it in report.findings.iter_mut().filter(|it| others.contains(&it.place)) {
        it.remedy = Fix::None;
        it.fixable = false;
    }
    report
}

/// Where the control database is older, that comes first, what it does not know is not called lost,
/// and nothing of what differs is fixed: who is right is not known.
fn keep_what_is_newer(mut report: Report) -> Report {
    if report.older().is_none() {
        return report;
    }
    let newer = |it: &mut Finding| {
        if it.code.starts_with("orphan_") || it.code == "bucket_renamed" {
            let detail = std::mem::take(&mut it.detail);
            let id = it.tenant_id;
            let marked = std::mem::replace(&mut it.remedy, Fix::None);
            *it = Finding::new("newer_than_record", None, &it.place, std::mem::take(&mut it.object), detail);
            it.tenant_id = id;
            it.newer = marked.orphan().map(str::to_owned);
        }
        it.remedy = Fix::None;
        it.fixable = false;
    };
    report.findings.iter_mut().for_each(newer);
    report.findings.sort_by_key(|it| it.code != RECORD_OLDER);
    report
}

fn swapped(report: &Report) -> Vec<String> {
    let names = report.findings.iter().filter(|it| it.code == SWAPPED).filter_map(|it| match &it.place {
        Location::Cluster(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

fn tenants_of(report: &Report, tells: impl Fn(&Finding) -> bool) -> Vec<TenantId> {
    report.findings.iter().filter(|it| tells(it)).filter_map(|it| it.tenant_id).collect()
}

/// Tenants that the record has open and the world, in part at least, closed.
fn closed(report: &Report) -> Vec<TenantId> {
    tenants_of(report, |it| match it.code {
        "role_login" => it.detail == CANNOT_LOG_IN,
        code => matches!(code, "database_closed" | "key_disabled"),
    })
}

/// Tenants that the record has closed and the world, in part at least, open.
fn open(report: &Report) -> Vec<TenantId> {
    tenants_of(report, |it| match it.code {
        "role_login" => it.detail == CAN_LOG_IN,
        code => matches!(code, "database_open" | "key_enabled"),
    })
}

/// What an acceptance did, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct Accepted {
    /// The next change bears a higher number than this.
    pub fence: i64,
    /// Tenants that are closed in the world and active in the control database: suspended from now on.
    pub suspended: Vec<String>,
    /// Tenants that are in the trash of the control database and open in the world: suspended from now
    /// on, and not purged.
    pub untrashed: Vec<String>,
    /// Tenants that are suspended in the control database and open in the world: they stay suspended,
    /// and a repair closes them.
    pub open: Vec<String>,
    /// Tenants of a pool, which may have become somebody's since: no longer given away.
    pub unpooled: Vec<String>,
    /// What bears our mark and is not known: left alone from now on.
    pub unmanaged: Vec<String>,
    /// Servers that are others than were registered: taken for those that they are.
    pub servers: Vec<String>,
    /// Whether everybody's access tokens are revoked and sessions ended: which of them were, since the
    /// control database's backup, is not known.
    pub revoked_everything: bool,
    /// Whether revocations of tokens were deleted or changed, and those that are left count from now on.
    pub revocations: bool,
}

/// Takes the control database as it is for true, although the world is younger or somebody changed it
/// by hand: new changes are numbered above all that the world has seen, nothing that is closed is
/// opened, nothing that is not known is dropped. With `dry_run` only says so.
///
/// # Errors
/// [`InspectionError::NothingToAccept`]; [`InspectionError::Unasked`] when not everything was looked at.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn accept(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
    report: &Report,
    dry_run: bool,
) -> Result<Accepted, InspectionError> {
    let caller = &access::authorize(control, caller, &rights::DOCTOR_UPDATE, About::Platform).await?;
    if report.unseen > 0 {
        return Err(InspectionError::Unasked { unasked: report.unseen });
    }
    let revocations = report.findings.iter().any(|it| it.code == "revocations_changed");
    let forged = revocations || report.findings.iter().any(|it| it.code.starts_with("record_row_"));
    let servers: Vec<String> = swapped(report);
    if report.older().is_none() && !forged && servers.is_empty() {
        return Err(InspectionError::NothingToAccept);
    }
    let mut tx = durable_transaction(control).await?;
    record::accept_age(&mut tx).await?;
    // What it says must fit before anything is revoked below.
    if revocations {
        record::rebuild_revocations(&mut tx).await?;
    }
    let accepted = settle(&mut tx, report, &caller.to_string(), (servers, revocations)).await?;
    if dry_run {
        tx.rollback().await.map_err(DbError::from)?;
        return Ok(accepted);
    }
    forget_systems(&mut tx, &accepted.servers).await?;
    store::raise_fences(&mut tx, accepted.fence).await?;
    if accepted.revoked_everything {
        tokens::revoke_everything(&mut tx, caller).await?;
    }
    let entry = audit::Entry {
        caller,
        action: "record.accept",
        tenant: None,
        operation: None,
        detail: json!(accepted),
    };
    // Before the installation's row: every other change locks the end of the log first.
    audit::record(&mut tx, entry).await?;
    record::seal(&mut tx, on.secrets.record_key(), on.secrets.master_id()).await?;
    tx.commit().await.map_err(DbError::from)?;
    for name in &accepted.servers {
        on.placement.ask_cluster(control, name).await?;
    }
    Ok(accepted)
}

/// What the control database and the world do not agree on: nobody who is closed is opened, nobody who
/// lives is destroyed.
async fn settle(
    tx: &mut PgConnection,
    report: &Report,
    by: &str,
    (servers, revocations): (Vec<String>, bool),
) -> Result<Accepted, InspectionError> {
    let (closed, open) = (closed(report), open(report));
    let unknown: Vec<(String, String, String)> = report
        .findings
        .iter()
        .filter_map(|it| Some((it.place.to_string(), it.newer.clone()?, it.object.clone())))
        .collect();
    let older = report.older().is_some();
    let still_open = store::suspended_of(tx, &open).await?;
    let suspended = store::suspend(tx, (&closed, TenantState::Active), by, REASON).await?;
    let untrashed = store::suspend(tx, (&open, TenantState::Trashed), by, REASON_TRASHED).await?;
    let unpooled = if older { store::unpool(tx).await? } else { Vec::new() };
    store::leave_alone(tx, &unknown).await?;
    let fence = store::highest_fence(tx, report.world).await?;
    let unmanaged = unknown.into_iter().map(|(place, _, object)| format!("{object} on {place}")).collect();
    Ok(Accepted {
        fence,
        suspended,
        untrashed,
        open: still_open,
        unpooled,
        unmanaged,
        servers,
        revoked_everything: older,
        revocations,
    })
}
