//! Which tenants ask most, and wait longest: for `/metrics`, in memory that is bounded however many there are.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::features::tenants::Tenant;
use crate::kernel::TenantId;

/// Most tenants that are counted; beyond, the half of them that asks least is forgotten.
const MOST: usize = 4_096;
/// How many are shown.
const SHOWN: usize = 10;

/// What tenants did since the process began.
#[derive(Default)]
pub(super) struct Busiest(Mutex<HashMap<TenantId, Counts>>);

#[derive(Default)]
struct Counts {
    slug: String,
    requests: u64,
    waited: Duration,
}

impl Busiest {
    /// A request of a tenant, and how long it waited for its realm.
    pub(super) fn note(&self, tenant: &Tenant, waited: Duration) {
        self.count(tenant.id, &tenant.slug, waited);
    }

    fn count(&self, tenant: TenantId, slug: &str, waited: Duration) {
        let mut all = self.all();
        if all.len() >= MOST && !all.contains_key(&tenant) {
            let mut by_requests: Vec<u64> = all.values().map(|counts| counts.requests).collect();
            let (_, middle, _) = by_requests.select_nth_unstable(MOST / 2);
            let middle = *middle;
            all.retain(|_, counts| counts.requests > middle);
        }
        let counts = all.entry(tenant).or_default();
        if counts.slug != slug {
            slug.clone_into(&mut counts.slug);
        }
        counts.requests += 1;
        counts.waited += waited;
    }

    /// The first of them, as Prometheus reads it.
    pub(super) fn render(&self, text: &mut String) {
        let all = self.all();
        let mut ranked: Vec<&Counts> = all.values().collect();
        ranked.sort_unstable_by_key(|counts| std::cmp::Reverse(counts.requests));
        text.push_str("# TYPE nexus_tenant_requests_total counter\n");
        for Counts { slug, requests, .. } in ranked.iter().take(SHOWN) {
            let _ = writeln!(text, "nexus_tenant_requests_total{{tenant=\"{slug}\"}} {requests}");
        }
        ranked.sort_unstable_by_key(|counts| std::cmp::Reverse(counts.waited));
        text.push_str("# TYPE nexus_tenant_wait_seconds_total counter\n");
        for Counts { slug, waited, .. } in ranked.iter().take(SHOWN) {
            let seconds = waited.as_secs_f64();
            let _ = writeln!(text, "nexus_tenant_wait_seconds_total{{tenant=\"{slug}\"}} {seconds}");
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<TenantId, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_ask_most_are_shown_and_no_more_are_kept_than_fit() {
        let busiest = Busiest::default();
        let (busy, slow) = (TenantId::new(), TenantId::new());
        for _ in 0..50 {
            busiest.count(busy, "busy", Duration::ZERO);
        }
        for _ in 0..2 {
            busiest.count(slow, "slow", Duration::from_secs(3));
        }
        for n in 0..MOST * 2 + SHOWN {
            busiest.count(TenantId::new(), &format!("t{n}"), Duration::from_millis(1));
        }
        assert!(busiest.all().len() <= MOST);
        let mut text = String::new();
        busiest.render(&mut text);
        assert!(text.contains("nexus_tenant_requests_total{tenant=\"busy\"} 50\n"), "{text}");
        assert!(text.contains("nexus_tenant_wait_seconds_total{tenant=\"slow\"} 6\n"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("nexus_")).count(), 2 * SHOWN, "{text}");
    }
}
