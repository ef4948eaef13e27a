//! Which events a reader may see, and wants to.

use std::collections::BTreeSet;

use super::model::Patterns;
use crate::features::iam::RowsTx;
use crate::features::outbox::{EventType, is_of_apps};
use crate::kernel::Caller;

/// Which events a reader may see, and wants to.
#[derive(Debug, Clone)]
pub struct EventFilter {
    wants: Patterns,
    /// Nexus's own types that the reader may see; none: all.
    own: Option<BTreeSet<&'static str>>,
}

impl EventFilter {
    /// Of a caller who may read events at all.
    pub(super) fn of(work: &mut RowsTx<'_>, caller: &Caller, wants: Patterns) -> Self {
        let own = matches!(caller, Caller::User { .. }).then(|| {
            let permissions: BTreeSet<&'static str> =
                EventType::all().iter().map(|known| known.permission).collect();
            let held: BTreeSet<_> = permissions.into_iter().filter(|name| work.may(name)).collect();
            let seen = EventType::all().iter().filter(|known| held.contains(known.permission));
            seen.map(|known| known.name).collect()
        });
        Self { wants, own }
    }

    /// Of who may see all, and wants to.
    #[cfg(test)]
    pub(super) fn everything() -> Self {
        Self { wants: Patterns::default(), own: None }
    }

    /// Whether the reader gets events of a type. Nexus's own that are not known here, a newer version's, only
    /// those see who may see all.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        let may = is_of_apps(kind) || self.own.as_ref().is_none_or(|own| own.contains(kind));
        may && !kind.starts_with("mail.") && self.wants.matches(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_apps_events_and_those_whose_permission_they_hold() {
        let own = Some(BTreeSet::from(["user.disabled"]));
        let of = |wants: &str| EventFilter { wants: wants.parse().unwrap(), own: own.clone() };
        let all = of("*");
        assert!(all.matches("invoice.paid") && all.matches("user.disabled"));
        assert!(
            !all.matches("role.granted")
                && !all.matches("user.unheard_of")
                && !all.matches("mail.invitation")
        );
        assert!(!of("invoice.*").matches("user.disabled"));
        let everything = EventFilter::everything();
        assert!(everything.matches("user.unheard_of") && !everything.matches("mail.invitation"));
    }
}
