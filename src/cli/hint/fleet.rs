//! Actions on sets of migrations and their runs, and questions to the fleet.

use super::line::Line;
use crate::kernel::hint::{MigrateAction, RunAction, SetAction};

pub(super) fn set(action: &SetAction) -> Line {
    match action {
        SetAction::List => Line::new("migrate set list"),
        SetAction::Show(name) => Line::new("migrate set show").arg(name),
        SetAction::Add => Line::new("migrate set add NAME --source DIR"),
        SetAction::SetSource(name) => Line::new("migrate set update").arg(name).and("--source DIR"),
        SetAction::SetOrder(name) => Line::new("migrate set update").arg(name).and("--depends-on SET"),
        SetAction::MakeIndependent(name) => Line::new("migrate set update").arg(name).and("--independent"),
        SetAction::Forget(name) => Line::new("migrate set remove").arg(name).and("--forget"),
    }
}

pub(super) fn run(action: &RunAction) -> Line {
    match action {
        RunAction::List => Line::new("migrate runs list"),
        RunAction::Show(id) => Line::new("migrate runs show").arg(id),
        RunAction::Resume(id) => Line::new("migrate runs resume").arg(id),
        RunAction::Cancel(id) => Line::new("migrate runs cancel").arg(id),
    }
}

pub(super) fn migrate(action: &MigrateAction) -> Line {
    match action {
        MigrateAction::All => Line::new("migrate tenants --all"),
        MigrateAction::Plan => Line::new("migrate plan --all --out FILE"),
        MigrateAction::Status => Line::new("migrate status"),
        MigrateAction::Verify(slug) => Line::new("migrate verify").arg_or(slug.as_ref(), "SLUG"),
        MigrateAction::VerifyAll => Line::new("migrate verify"),
        MigrateAction::Lint => Line::new("migrate lint"),
        MigrateAction::LintSet => Line::new("migrate lint SET"),
        MigrateAction::ShowRules => Line::new("migrate lint --help"),
        MigrateAction::NewFile(set) => Line::new("migrate new").arg_or(set.as_ref(), "SET").and("NAME"),
        MigrateAction::NewFileExample => Line::new("migrate new shop 'add orders'"),
        MigrateAction::Rehearse => Line::new("migrate rehearse"),
        MigrateAction::AskExample => Line::new("exec --all -- 'select count(*) from invoices'"),
    }
}
