//! Actions on servers and stores for tenants.

use super::line::Line;
use crate::kernel::hint::{PlaceAction, PlaceKind};

pub(super) fn place(action: &PlaceAction) -> Line {
    let of = |kind: &PlaceKind, verb: &str| Line::new(&kind.to_string()).and(verb);
    match action {
        PlaceAction::List(kind) => of(kind, "list"),
        PlaceAction::Show(kind, name) => of(kind, "show").arg_or(name.as_ref(), "NAME"),
        PlaceAction::Check(kind, name) => of(kind, "check").arg_or(name.as_ref(), "NAME"),
        PlaceAction::CheckAll(kind) => of(kind, "check"),
        PlaceAction::Drain(kind, name) => of(kind, "drain").arg(name),
        PlaceAction::SetCredentials(kind, name) => {
            let flag = match kind {
                PlaceKind::Cluster => "--password-stdin",
                PlaceKind::Store => "--secret-stdin",
            };
            of(kind, "update").arg_or(name.as_ref(), "NAME").and(flag)
        }
        PlaceAction::AddCluster => {
            Line::new("cluster add NAME --host HOST --port PORT --user ROLE --password-file PATH")
        }
        PlaceAction::AddClusterAgain(name) => {
            let line: String = Line::new("cluster add").arg(name).into();
            Line::bare(line + ", with the same settings")
        }
        PlaceAction::LimitConnections(name) => {
            Line::new("cluster update").arg_or(name.as_ref(), "NAME").and("--connections N")
        }
    }
}
