//! Actions on tenants and their operations.

use super::line::Line;
use crate::kernel::hint::{OperationAction, TenantAction};

pub(super) fn tenant(action: &TenantAction) -> Line {
    let of = |verb: &str, slug: &Option<String>| Line::new("tenant").and(verb).arg_or(slug.as_ref(), "SLUG");
    match action {
        TenantAction::List => Line::new("tenant list"),
        TenantAction::ListOf(kind, name) => Line::new("tenant list --where").arg(format!("{kind}={name}")),
        TenantAction::Show(slug) => of("show", slug),
        TenantAction::CreateOn(cluster) => Line::new("tenant create SLUG --cluster").arg(cluster),
        TenantAction::CreateAndWait(slug) => {
            Line::new("tenant create").arg(slug).and("--wait, with the same settings")
        }
        TenantAction::SetName { slug, name } => Line::new("tenant update").arg(slug).and("--name").arg(name),
        TenantAction::Repair(slug) => of("repair", slug),
        TenantAction::RepairAll => Line::new("tenant repair --all"),
        TenantAction::Purge(slug) => of("delete", slug).and("--purge"),
        TenantAction::PurgeDue => Line::new("tenant purge --due"),
        TenantAction::Resume(slug) => Line::new("tenant resume").arg(slug),
        TenantAction::Undelete(slug) => Line::new("tenant undelete").arg(slug),
        TenantAction::Session(slug) => of("psql", slug),
        TenantAction::Adopt(slug) => of("adopt", slug).and("--dsn-file FILE"),
    }
}

pub(super) fn operation(action: &OperationAction) -> Line {
    match action {
        OperationAction::List => Line::new("operation list"),
        OperationAction::ListOpen => Line::new("operation list --open"),
        OperationAction::ListOf(slug) => Line::new("operation list --tenant").arg(slug),
        OperationAction::ListBatch(id) => Line::new("operation list --batch").arg(id),
        OperationAction::Show(Some(id)) => Line::new("operation show").arg(id),
        OperationAction::Show(None) => Line::new("operation show ID"),
        OperationAction::Resume(id) => Line::new("operation resume").arg(id),
        OperationAction::RollBack(id) => Line::new("operation rollback").arg(id),
        OperationAction::RollBackBatch(id) => Line::new("operation rollback --batch").arg(id),
    }
}
