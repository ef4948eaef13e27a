//! Which events a reader may see, and wants to.

use std::collections::BTreeSet;

use super::model::Patterns;
use crate::features::iam::RowsTx;
use crate::features::outbox::{EventType, INBOX_CHANGED, NOTIFICATION_RECEIVED, is_of_apps};
use crate::kernel::Caller;

/// What everybody may hear who is a user of the realm, of themselves alone: the key says whom it is about.
const OF_ONESELF: [&str; 2] = [NOTIFICATION_RECEIVED, INBOX_CHANGED];

/// Which events a reader may see, and wants to.
#[derive(Debug, Clone)]
pub struct EventFilter {
    wants: Patterns,
    /// What they hear of themselves: their id, where they are a user of the realm.
    user: Option<String>,
    others: OfOthers,
}

/// Which events a reader may see beside their own.
#[derive(Debug, Clone)]
enum OfOthers {
    All,
    /// Those of apps, and these of Nexus's own.
    Known(BTreeSet<&'static str>),
    None,
}

impl EventFilter {
    /// Of a caller.
    pub(super) fn of(work: &mut RowsTx<'_>, caller: &Caller, wants: Patterns) -> Self {
        let user = work.own_user().map(|user| user.to_string());
        let others = if !work.may("event:read") {
            OfOthers::None
        } else if matches!(caller, Caller::User { .. }) {
            let permissions: BTreeSet<&'static str> =
                EventType::all().iter().map(|known| known.permission).collect();
            let held: BTreeSet<_> = permissions.into_iter().filter(|name| work.may(name)).collect();
            let seen = EventType::all().iter().filter(|known| held.contains(known.permission));
            OfOthers::Known(seen.map(|known| known.name).collect())
        } else {
            OfOthers::All
        };
        Self { wants, user, others }
    }

    /// Whether nothing is asked for but what a user hears of themselves.
    pub(super) fn is_of_oneself(&self) -> bool {
        self.user.is_some() && self.wants.are_only(&OF_ONESELF)
    }

    /// Of who may see all, and wants to.
    #[cfg(test)]
    pub(super) fn everything() -> Self {
        Self { wants: Patterns::default(), user: None, others: OfOthers::All }
    }

    /// Whether the reader gets an event of a type and a key. Nexus's own types that are not known here, a newer
    /// version's, only those see who may see all.
    #[must_use]
    pub fn matches(&self, kind: &str, key: &str) -> bool {
        let is_own = OF_ONESELF.contains(&kind) && self.user.as_deref() == Some(key);
        let may = match &self.others {
            OfOthers::All => true,
            OfOthers::Known(known) => is_of_apps(kind) || known.contains(kind),
            OfOthers::None => false,
        };
        (may || is_own) && !kind.starts_with("mail.") && self.wants.matches(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wants: &str, others: OfOthers) -> EventFilter {
        EventFilter { wants: wants.parse().unwrap(), user: Some("bob".to_owned()), others }
    }

    #[test]
    fn a_reader_sees_apps_events_and_those_whose_permission_they_hold() {
        let known = || OfOthers::Known(BTreeSet::from(["user.disabled"]));
        let all = of("*", known());
        assert!(all.matches("invoice.paid", "k") && all.matches("user.disabled", "k"));
        for other in ["role.granted", "user.unheard_of", "mail.invitation"] {
            assert!(!all.matches(other, "k"), "{other}");
        }
        assert!(!of("invoice.*", known()).matches("user.disabled", "k"));
        let everything = EventFilter::everything();
        assert!(everything.matches("user.unheard_of", "k") && !everything.matches("mail.invitation", "k"));
    }

    #[test]
    fn a_user_without_permissions_hears_of_their_own_inbox_and_of_nothing_else() {
        let own = of("*", OfOthers::None);
        assert!(own.matches("notification.received", "bob"));
        for (kind, key) in
            [("notification.received", "ann"), ("invoice.paid", "bob"), ("user.disabled", "bob")]
        {
            assert!(!own.matches(kind, key), "{kind} {key}");
        }
    }
}
