//! Fixes that several codes have, and longer ones.

use super::FixKind;
use crate::kernel::hint::{FsckAction, PlaceAction, PlaceKind, TenantAction};
use crate::kernel::{Hint, Location};

pub(super) const RESTORE: FixKind = FixKind::Hand(|subject| {
    Hint::new(
        "restore the data from a backup, or give the tenant up",
        TenantAction::Purge(subject.tenant.clone()),
    )
});
pub(super) const LOOK: FixKind =
    FixKind::Hand(|_| "find out who made it, then move it out of the way".into());
pub(super) const ROTATE: FixKind =
    FixKind::Hand(|_| "restore the control database's tables of secrets from a backup".into());
pub(super) const REVIEW: FixKind =
    FixKind::Hand(|_| "inspect it before an operator works in this database".into());
pub(super) const ACCEPT: FsckAction = FsckAction::AcceptRecord;
pub(super) const CREDENTIALS: FixKind = FixKind::Steps(|subject| {
    let give = |kind, name| Hint::new("give them again", PlaceAction::SetCredentials(kind, name));
    let cluster = give(PlaceKind::Cluster, subject.place.cluster());
    let store = give(PlaceKind::Store, subject.place.store());
    match subject.place {
        Location::Cluster(_) => vec![cluster],
        Location::Store(_) => vec![store],
        _ => vec![cluster, store],
    }
});
