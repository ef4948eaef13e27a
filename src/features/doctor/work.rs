//! Work that was left lying, and the head of the audit log.

use super::model::Group;
use super::store;
use crate::infra::db::PgConnection;
use crate::kernel::hint::{AuditAction, OperationAction, PlatformAction, TenantAction};
use crate::kernel::{ErrorKind, Finding};

/// Minutes after which an operation should be over.
const LONG: i32 = 15;

/// Operations that were begun a while ago and are not over.
pub(super) async fn operations(control: &mut PgConnection) -> Vec<Finding> {
    const NAME: &str = "operations";
    match store::old_operations(control, LONG).await {
        Err(error) => vec![Finding::failure((Group::Tenants, NAME), "operations", &error)],
        Ok(old) if old.is_empty() => {
            let found = format!("none is unfinished after {LONG} minutes");
            vec![Finding::ok(Group::Tenants, NAME, "operations", found)]
        }
        Ok(old) => old
            .into_iter()
            .map(|it| {
                let found =
                    format!("{} of tenant {} is {} after {} minutes", it.kind, it.slug, it.state, it.minutes);
                Finding::warning(Group::Tenants, NAME, it.id.to_string(), found)
                    .fix(OperationAction::Resume(it.id.into()))
            })
            .collect(),
    }
}

/// Jobs whose last attempt failed: somebody has to retry or cancel them. `dead`: how many, of those that were counted.
pub(super) fn jobs(dead: i64) -> Finding {
    const NAME: &str = "jobs";
    let found = match dead {
        0 => return Finding::ok(Group::Tenants, NAME, "jobs", "none is dead"),
        1 => "one job is dead: its last attempt failed".to_owned(),
        many if many > store::MOST_DEAD => {
            format!("more than {} jobs are dead: their last attempts failed", store::MOST_DEAD)
        }
        many => format!("{many} jobs are dead: their last attempts failed"),
    };
    Finding::warning(Group::Tenants, NAME, "jobs", found).fix(PlatformAction::ListDeadJobs)
}

/// Jobs that a process began that is gone, and nobody takes over.
pub(super) fn stuck_jobs(stuck: Vec<store::StuckJob>) -> Vec<Finding> {
    let warning = |job: store::StuckJob| {
        let found = format!(
            "{} was started {} minutes ago by a process that is gone, and no other takes it over: none runs jobs",
            job.kind, job.minutes
        );
        Finding::warning(Group::Tenants, "jobs", job.id.to_string(), found).fix(PlatformAction::ListJobs)
    };
    stuck.into_iter().map(warning).collect()
}

/// Schedules whose jobs nobody writes.
pub(super) fn schedules(late: &[String]) -> Finding {
    const NAME: &str = "schedules";
    if late.is_empty() {
        return Finding::ok(Group::Tenants, NAME, "schedules", "none is late");
    }
    let found = format!("late by more than two minutes, so no process runs jobs: {}", late.join(", "));
    Finding::warning(Group::Tenants, NAME, "schedules", found).fix(PlatformAction::ListSchedules)
}

/// Tenants in the trash whose time is over.
pub(super) async fn trash(control: &mut PgConnection) -> Finding {
    match store::overdue(control).await {
        Err(error) => Finding::failure((Group::Tenants, "trash"), "trash", &error),
        Ok(slugs) if slugs.is_empty() => {
            Finding::ok(Group::Tenants, "trash", "trash", "none is due to be purged")
        }
        Ok(slugs) => Finding::warning(
            Group::Tenants,
            "trash",
            "trash",
            format!("due to be purged: {}", slugs.join(", ")),
        )
        .fix(TenantAction::PurgeDue),
    }
}

/// The head of the audit log's chain: there, and the last row's. The whole chain takes longer to
/// check and has a command of its own.
pub(super) async fn audit(control: &mut PgConnection) -> Finding {
    const PLACE: (Group, &str) = (Group::Audit, "head");
    let head = match store::audit_head(control).await {
        Err(error) => return Finding::failure(PLACE, "audit log", &error),
        Ok(head) => head,
    };
    let broken = |found: String| {
        Finding::problem(PLACE, ErrorKind::Integrity, "audit log", found).fix(AuditAction::Verify)
    };
    match (head.head, head.last) {
        (None, _) => {
            broken("its head is missing: rows were removed, or the database was changed by hand".to_owned())
        }
        (Some(0), None) => Finding::ok(PLACE.0, PLACE.1, "audit log", "empty"),
        (Some(head), Some(last)) if head != last => {
            broken(format!("its head is at row {head}, but the last row is {last}"))
        }
        (Some(head), None) => broken(format!("its head is at row {head}, but there is no row")),
        (Some(_), Some(_)) if !head.same_hash => broken("its head does not match the last row".to_owned()),
        (Some(head), _) => {
            Finding::ok(PLACE.0, PLACE.1, "audit log", format!("{head} rows; the head matches the last"))
        }
    }
}
