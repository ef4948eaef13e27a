//! Counts requests in memory, and says who has made all that they may make.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::UsageError;
use super::month::Month;
use crate::features::tenants::Tenant;
use crate::kernel::TenantId;

/// After so many settlements without a request a tenant is forgotten; its count is read again when it is needed.
const IDLE_ROUNDS: u8 = 60;
/// After so many settlements what other servers added is read again before a limit is applied.
const KNOWN_ROUNDS: u8 = 3;

/// Requests of a tenant in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub tenant: TenantId,
    pub month: Month,
    pub requests: i64,
}

/// What one server has counted. There are as many entries as tenants that it served in the last minutes.
#[derive(Debug, Default)]
pub struct Meter(Mutex<HashMap<(TenantId, Month), Entry>>);

#[derive(Debug, Default)]
struct Entry {
    /// What all servers had added when that was last read or written; `None` before.
    known: Option<i64>,
    /// Settlements since then.
    age: u8,
    /// Counted here since.
    new: i64,
    /// Counted here, and being added.
    under_way: i64,
    idle: u8,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counting {
    Counted,
    Reached,
    Unread,
}

impl Meter {
    /// Counts a request of a tenant. Whether it was: `false` where the tenant has a limit, and it is not known here
    /// how much it has used; then [`Meter::know`] is to be called first.
    ///
    /// # Errors
    /// [`UsageError::Requests`]: it is not counted then.
    pub fn count(&self, tenant: &Tenant, month: Month) -> Result<bool, UsageError> {
        let limit = tenant.profile.limits.max_requests_a_month;
        match self.count_one(tenant.id, month, limit) {
            Counting::Counted => Ok(true),
            Counting::Unread => Ok(false),
            Counting::Reached => {
                let (slug, limit) = (tenant.slug.clone(), limit.unwrap_or_default());
                Err(UsageError::Requests { slug, limit, month })
            }
        }
    }

    fn count_one(&self, tenant: TenantId, month: Month, limit: Option<i64>) -> Counting {
        let mut entries = self.entries();
        let entry = entries.entry((tenant, month)).or_default();
        entry.idle = 0;
        if let Some(limit) = limit {
            let Some(known) = entry.known.filter(|_| entry.age <= KNOWN_ROUNDS) else {
                return Counting::Unread;
            };
            if known + entry.under_way + entry.new >= limit {
                return Counting::Reached;
            }
        }
        entry.new += 1;
        Counting::Counted
    }

    /// Takes note of what all servers have added up.
    pub fn know(&self, Counted { tenant, month, requests }: Counted) {
        let mut entries = self.entries();
        let entry = entries.entry((tenant, month)).or_default();
        // What another task learned meanwhile may hold more.
        entry.known = Some(entry.known.unwrap_or_default().max(requests));
        entry.age = 0;
    }

    /// Begins to settle with the control database.
    pub fn settle(&self) -> Settling<'_> {
        let mut counts = Vec::new();
        self.entries().retain(|&(tenant, month), entry| {
            entry.idle = entry.idle.saturating_add(1);
            entry.age = entry.age.saturating_add(1);
            if entry.new > 0 && entry.under_way == 0 {
                entry.under_way = std::mem::take(&mut entry.new);
                counts.push(Counted { tenant, month, requests: entry.under_way });
            }
            entry.idle < IDLE_ROUNDS || entry.under_way > 0 || entry.new > 0
        });
        Settling { meter: self, counts }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<(TenantId, Month), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts on their way to the control database. Dropped before they are there, they are counted here again.
#[derive(Debug)]
#[must_use = "what is dropped is tried again"]
pub struct Settling<'a> {
    meter: &'a Meter,
    counts: Vec<Counted>,
}

impl Settling<'_> {
    /// What is to be added.
    #[must_use]
    pub fn counts(&self) -> &[Counted] {
        &self.counts
    }

    /// Ends without knowing whether it arrived: what was counted is given up, for counted twice nobody can take it
    /// back.
    pub fn lost(mut self) {
        let mut entries = self.meter.entries();
        for Counted { tenant, month, .. } in &self.counts {
            if let Some(entry) = entries.get_mut(&(*tenant, *month)) {
                (entry.known, entry.under_way) = (None, 0);
            }
        }
        self.counts.clear();
    }

    /// Ends with what there is now.
    pub fn done(mut self, now: &[Counted]) {
        let mut entries = self.meter.entries();
        for Counted { tenant, month, requests } in now {
            if let Some(entry) = entries.get_mut(&(*tenant, *month)) {
                (entry.known, entry.age) = (Some(*requests), 0);
                entry.under_way = 0;
            }
        }
        self.counts.clear();
    }
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        let mut entries = self.meter.entries();
        for Counted { tenant, month, .. } in &self.counts {
            if let Some(entry) = entries.get_mut(&(*tenant, *month)) {
                entry.new += std::mem::take(&mut entry.under_way);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn november() -> Month {
        Month::of(datetime!(2026-11-30 23:59:59 UTC))
    }

    #[test]
    fn a_limit_is_met_exactly_and_what_others_counted_counts() {
        let (meter, tenant, month) = (Meter::default(), TenantId::new(), november());
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Unread);
        meter.know(Counted { tenant, month, requests: 2 });
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Counted);
        let settling = meter.settle();
        assert_eq!(settling.counts(), [Counted { tenant, month, requests: 1 }]);
        // Another server added one, too.
        settling.done(&[Counted { tenant, month, requests: 4 }]);
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Counted);
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Reached);
        // A higher limit counts at once, and another month begins at nothing.
        assert_eq!(meter.count_one(tenant, month, Some(6)), Counting::Counted);
        let december = Month::of(datetime!(2026-12-01 00:00:00 UTC));
        assert_eq!(meter.count_one(tenant, december, Some(5)), Counting::Unread);
        assert_eq!((month.to_string(), december.to_string()), ("2026-11".into(), "2026-12".into()));
    }

    #[test]
    fn what_was_known_for_long_is_read_again_before_a_limit_is_applied() {
        let (meter, tenant, month) = (Meter::default(), TenantId::new(), november());
        meter.know(Counted { tenant, month, requests: 2 });
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Counted);
        for _ in 0..=KNOWN_ROUNDS {
            drop(meter.settle());
        }
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Unread);
        meter.know(Counted { tenant, month, requests: 5 });
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Reached);
        assert_eq!(meter.count_one(tenant, month, None), Counting::Counted);
    }

    #[test]
    fn what_did_not_arrive_is_tried_again() {
        let (meter, tenant, month) = (Meter::default(), TenantId::new(), november());
        for _ in 0..3 {
            assert_eq!(meter.count_one(tenant, month, None), Counting::Counted);
        }
        drop(meter.settle());
        assert_eq!(meter.count_one(tenant, month, None), Counting::Counted);
        assert_eq!(meter.settle().counts(), [Counted { tenant, month, requests: 4 }]);
    }

    #[test]
    fn what_may_have_arrived_is_not_counted_twice() {
        let (meter, tenant, month) = (Meter::default(), TenantId::new(), november());
        assert_eq!(meter.count_one(tenant, month, None), Counting::Counted);
        meter.settle().lost();
        assert_eq!(meter.count_one(tenant, month, Some(5)), Counting::Unread);
        assert_eq!(meter.count_one(tenant, month, None), Counting::Counted);
        assert_eq!(meter.settle().counts(), [Counted { tenant, month, requests: 1 }]);
    }

    #[test]
    fn who_asks_no_more_is_forgotten() {
        let (meter, tenant, month) = (Meter::default(), TenantId::new(), november());
        assert_eq!(meter.count_one(tenant, month, None), Counting::Counted);
        for _ in 0..IDLE_ROUNDS {
            let settling = meter.settle();
            let now: Vec<_> = settling.counts().to_vec();
            settling.done(&now);
        }
        assert!(meter.entries().is_empty());
    }
}
