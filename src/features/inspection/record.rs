//! A control database that is older than the world: noticed, and accepted where a person says so.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::json;

use super::codes::entry_of;
use super::error::InspectionError;
use super::model::{Finding, Inspected, Observed, RECORD_OLDER, Remedy, Report, SWAPPED};
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
use crate::kernel::{Caller, Location, Subject, TenantId};

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
) -> Result<Report, InspectionError> {
    access::authorize(control, caller, &rights::DOCTOR_READ, About::Platform).await?;
    let (key, master) = (on.secrets.record_key(), on.secrets.master_id());
    let mut found = Vec::new();
    for flaw in record::examine(control, key, master).await? {
        let code = if flaw.missing { "record_row_unsealed" } else { "record_row_changed" };
        let how = if flaw.missing { "no checksum covers" } else { "the checksum does not fit" };
        let mut finding =
            Finding::new(code, None, &Location::Control, flaw.object, format!("{how} {}", flaw.what));
        if let Some((id, slug)) = flaw.tenant {
            (finding.subject.tenant_id, finding.subject.tenant) = (Some(id), Some(slug));
        }
        found.push(finding);
    }
    for flaw in tokens::examine(control, &on.secrets).await? {
        found.push(Finding::new(flaw.code, None, &Location::Control, flaw.object, flaw.detail));
    }
    Ok(found.into())
}

/// What was there when an older control database was accepted is not lost; it is nobody's.
pub(super) async fn spare_unmanaged(
    control: &mut PgConnection,
    place: &Location,
    observed: &mut Observed,
) -> Result<(), InspectionError> {
    if !observed.findings.iter().any(|it| it.extra.remedy.orphan().is_some()) {
        return Ok(());
    }
    let names = store::left_alone(control, &place.to_string()).await?;
    for it in &mut observed.findings {
        if it.extra.remedy.orphan().is_some_and(|name| names.iter().any(|it| it == name)) {
            let (object, detail) = (it.subject.object.clone(), it.detail.clone());
            *it = Finding::new("unmanaged", None, place, object, detail).of(it.subject.tenant_id);
        }
    }
    Ok(())
}

/// Takes out of the plan what must be left as it is.
pub(super) fn spare(report: &mut Report) {
    leave_what_is_lost(report);
    keep_off_other_servers(report);
    keep_what_is_newer(report);
}

/// A repair stops where data is gone, so what it would do after that is not fixed: everything
/// without the database, what is in the store without the bucket.
fn leave_what_is_lost(report: &mut Report) {
    let without =
        |code: &str| -> HashSet<TenantId> { tenants_of(report, |it| it.code == code).into_iter().collect() };
    let (databases, buckets) = (without("database_missing"), without("bucket_missing"));
    for it in report.findings.iter_mut().filter(|it| it.extra.remedy == Remedy::Repair) {
        let Some(id) = it.subject.tenant_id else { continue };
        let in_store = it.subject.place.store().is_some();
        if databases.contains(&id) || in_store && buckets.contains(&id) {
            it.extra.remedy = Remedy::None;
            if let Some(entry) = entry_of("database_missing") {
                it.fix = entry.cure.hints(&it.subject);
            }
        }
    }
}

/// What differs on a server that is another than was registered is not fixed.
fn keep_off_other_servers(report: &mut Report) {
    let others = swapped(report);
    let is_there = |it: &&mut Finding| it.subject.place.cluster().is_some_and(|it| others.contains(&it));
    for it in report.findings.iter_mut().filter(is_there) {
        it.extra.remedy = Remedy::None;
    }
}

/// Where the control database is older, that comes first, what it does not know is not called lost,
/// and nothing of what differs is fixed: who is right is not known.
fn keep_what_is_newer(report: &mut Report) {
    if report.older().is_none() {
        return;
    }
    let newer = |it: &mut Finding| {
        if it.code.starts_with("orphan_") || it.code == "bucket_renamed" {
            let Subject { place, tenant_id, object, .. } = std::mem::take(&mut it.subject);
            let newer = it.extra.remedy.orphan().map(str::to_owned);
            let detail = std::mem::take(&mut it.detail);
            *it = Finding::new("newer_than_record", None, &place, object, detail).of(tenant_id);
            it.extra.newer = newer;
        }
        it.extra.remedy = Remedy::None;
    };
    report.findings.iter_mut().for_each(newer);
    report.findings.sort_by_key(|it| it.code != RECORD_OLDER);
}

fn swapped(report: &Report) -> Vec<String> {
    let swapped = report.findings.iter().filter(|it| it.code == SWAPPED);
    swapped.filter_map(|it| it.subject.place.cluster()).collect()
}

fn tenants_of(report: &Report, tells: impl Fn(&Finding) -> bool) -> Vec<TenantId> {
    report.findings.iter().filter(|it| tells(it)).filter_map(|it| it.subject.tenant_id).collect()
}

/// Tenants that the record has open and the world, in part at least, closed.
fn closed(report: &Report) -> Vec<TenantId> {
    tenants_of(report, |it| match &*it.code {
        "role_login" => it.detail == CANNOT_LOG_IN,
        code => matches!(code, "database_closed" | "key_disabled"),
    })
}

/// Tenants that the record has closed and the world, in part at least, open.
fn open(report: &Report) -> Vec<TenantId> {
    tenants_of(report, |it| match &*it.code {
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
/// [`InspectionError::NothingToAccept`]; [`InspectionError::Unchecked`] when not everything was looked at.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn accept(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
    Inspected { report, world, .. }: &Inspected,
    dry_run: bool,
) -> Result<Accepted, InspectionError> {
    let caller = &access::authorize(control, caller, &rights::DOCTOR_UPDATE, About::Platform).await?;
    if let unchecked @ 1.. = report.findings.iter().filter(|it| it.is_unchecked()).count() {
        return Err(InspectionError::Unchecked { unchecked });
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
    let seen = (report, *world);
    let accepted = settle(&mut tx, seen, &caller.to_string(), (servers, revocations)).await?;
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
    (report, world): (&Report, i64),
    by: &str,
    (servers, revocations): (Vec<String>, bool),
) -> Result<Accepted, InspectionError> {
    let (closed, open) = (closed(report), open(report));
    let unknown: Vec<(String, String, String)> = report
        .findings
        .iter()
        .filter_map(|it| {
            Some((it.subject.place.to_string(), it.extra.newer.clone()?, it.subject.object.clone()))
        })
        .collect();
    let older = report.older().is_some();
    let still_open = store::suspended_of(tx, &open).await?;
    let suspended = store::suspend(tx, (&closed, TenantState::Active), by, REASON).await?;
    let untrashed = store::suspend(tx, (&open, TenantState::Trashed), by, REASON_TRASHED).await?;
    let unpooled = if older { store::unpool(tx).await? } else { Vec::new() };
    store::leave_alone(tx, &unknown).await?;
    let fence = store::highest_fence(tx, world).await?;
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
