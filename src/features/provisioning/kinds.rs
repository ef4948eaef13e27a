//! The kinds of operations, and the steps of each.

use super::steps::{self, TenantStep};

/// Makes the steps of an operation.
type Outline = fn() -> Vec<TenantStep>;

/// The kinds of operations, their steps, and their steps where the database was there before Nexus.
const KINDS: [(&str, Outline, Outline); 10] = [
    ("create", steps::create, steps::create),
    ("adopt", steps::adopt, steps::adopt),
    ("pool", steps::pool, steps::pool),
    ("claim", steps::claim, steps::claim),
    ("suspend", steps::close, steps::close),
    ("resume", steps::open, steps::open),
    ("delete", steps::close, steps::close),
    ("undelete", steps::open, steps::open),
    ("purge", steps::purge, steps::hand_back),
    ("repair", steps::repair, steps::repair_adopted),
];

/// The kinds' names.
pub(super) const NAMES: [&str; 10] =
    ["create", "adopt", "pool", "claim", "suspend", "resume", "delete", "undelete", "purge", "repair"];

/// Whether an operation of this kind makes a tenant that nobody uses yet.
pub(super) fn is_making(kind: &str) -> bool {
    matches!(kind, "create" | "adopt" | "pool" | "claim")
}

pub(super) fn steps_of(kind: &str, adopted: bool) -> Vec<TenantStep> {
    KINDS
        .into_iter()
        .find(|(name, ..)| *name == kind)
        .map_or_else(Vec::new, |(_, made, found)| if adopted { found() } else { made() })
}

/// The kind as this version of Nexus knows it; a newer one may know more.
pub(super) fn kind_of(kind: &str) -> Option<&'static str> {
    KINDS.into_iter().map(|(name, ..)| name).find(|name| *name == kind)
}

/// Whether an operation of this kind shuts a tenant, and does nothing else.
pub(super) fn closes(kind: &str) -> bool {
    matches!(kind, "suspend" | "delete")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_name() {
        assert_eq!(KINDS.map(|(name, ..)| name), NAMES);
    }
}
