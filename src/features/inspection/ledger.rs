//! What several looks come to. A finding counts when two looks have it; a look that saw its place and
//! did not have it drops it; a look that did not see its place says nothing about it. No I/O.

use std::collections::{HashMap, HashSet};

use super::model::{Finding, Inspected, Observed, Scope};
use crate::kernel::{Location, Report, Subject, TenantId};

/// How often what could not be looked at a second time is tried.
const TRIES: u32 = 2;

/// Which tenants of a place are looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside {
    All,
    Of(HashSet<TenantId>),
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    looks: u32,
    /// Found by two looks.
    sure: Vec<Finding>,
    /// Found by one, and how many looks since did not see its place.
    open: Vec<(Finding, u32)>,
    /// Seen by no look, and how many tried.
    unseen: Vec<(Finding, u32)>,
    tenants: HashMap<Location, usize>,
    world: i64,
}

impl Ledger {
    /// Takes in what another look came to. The first is at everything, each later one at
    /// [`Ledger::wanted`].
    pub(super) fn take(&mut self, observed: Observed) {
        self.looks += 1;
        let first = self.looks == 1;
        let (unseen, mut found): (Vec<_>, Vec<_>) =
            observed.findings.into_iter().partition(Finding::is_unchecked);
        let now = scopes(unseen.iter());
        let before = scopes(self.unseen.iter().map(|(finding, _)| finding));
        for (finding, tries) in std::mem::take(&mut self.open) {
            if let Some(at) = found.iter().position(|it| it.key() == finding.key()) {
                self.sure.push(found.swap_remove(at));
            } else if covers(&now, &finding.scope()) {
                self.open.push((finding, tries + 1));
            }
        }
        let known: HashSet<_> = self.sure.iter().map(Finding::key).collect();
        // What only the third look has came about meanwhile, unless nobody could see it before.
        let counts = |it: &Finding| self.looks <= 2 || covers(&before, &it.scope());
        let new = found.into_iter().filter(|it| !known.contains(&it.key()) && counts(it));
        self.open.extend(new.map(|it| (it, 0)));
        let tries: HashMap<Scope, u32> =
            self.unseen.iter().map(|(finding, tries)| (finding.scope(), *tries)).collect();
        let still = unseen.into_iter().filter(|it| first || covers(&before, &it.scope()));
        let mut unseen: Vec<(Finding, u32)> = still
            .map(|it| (tries.get(&it.scope()).map_or(1, |tries| tries + 1), it))
            .map(|(n, it)| (it, n))
            .collect();
        // What lies in a place that is out of sight now was not seen either.
        for (finding, tries) in std::mem::take(&mut self.unseen) {
            let scope = finding.scope();
            if covers(&now, &scope) && !unseen.iter().any(|(it, _)| covers(&scopes([it].into_iter()), &scope))
            {
                unseen.push((finding, tries + 1));
            }
        }
        self.unseen = unseen;
        self.world = observed.world.max(self.world);
        for (place, tenants) in observed.tenants {
            let most = self.tenants.entry(place).or_default();
            *most = tenants.max(*most);
        }
    }

    /// Where the next look goes; `None` when there is nothing left to find out.
    pub(super) fn wanted(&self) -> Option<HashMap<Location, Inside>> {
        let open = self.open.iter().filter(|(_, tries)| *tries < TRIES);
        let unseen = self.unseen.iter().filter(|(_, tries)| *tries < TRIES);
        let mut wanted: HashMap<Location, Inside> = HashMap::new();
        for (finding, _) in unseen.clone() {
            if let (place, None) = finding.scope() {
                wanted.insert(place, Inside::All);
            }
        }
        for (finding, _) in open.chain(unseen) {
            let (place, tenant) = finding.scope();
            let inside = wanted.entry(place).or_insert_with(|| Inside::Of(HashSet::new()));
            if let Inside::Of(tenants) = inside {
                tenants.extend(tenant);
            }
        }
        (!wanted.is_empty()).then_some(wanted)
    }

    /// What it all comes to. What one look found and none refuted is there.
    pub(super) fn end(self) -> Inspected {
        let unconfirmed = |(mut finding, _): (Finding, u32)| {
            finding.detail += if finding.detail.is_empty() { "" } else { "; " };
            finding.detail += "it could not be checked a second time";
            finding
        };
        let mut findings = self.sure;
        findings.extend(self.open.into_iter().map(unconfirmed));
        findings.extend(self.unseen.into_iter().map(|(finding, _)| finding));
        findings.sort_by_cached_key(|it| {
            let Subject { place, tenant, object, .. } = &it.subject;
            (place.to_string(), tenant.clone(), it.code.clone(), object.clone())
        });
        let (places, tenants) = (self.tenants.len(), self.tenants.values().sum());
        Inspected { report: Report { findings }, places, tenants, world: self.world }
    }
}

fn scopes<'a>(findings: impl Iterator<Item = &'a Finding>) -> HashSet<Scope> {
    findings.map(Finding::scope).collect()
}

/// Whether a scope is one of these, or within one of them.
fn covers(scopes: &HashSet<Scope>, (place, tenant): &Scope) -> bool {
    scopes.contains(&(place.clone(), None)) || tenant.is_some() && scopes.contains(&(place.clone(), *tenant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{ErrorKind, Verdict};

    fn place() -> Location {
        Location::Cluster("eu1".to_owned())
    }

    fn fault(tenant: TenantId) -> Finding {
        Finding::new("role_powers", None, &place(), "role nx1", "it has superuser").of(Some(tenant))
    }

    /// What a look sees of one tenant's fault: 0 all, 1 not the place, 2 not the tenant's database.
    fn look(tenant: TenantId, dark: u8, there: bool) -> Observed {
        let mut observed = Observed { tenants: HashMap::from([(place(), 1)]), ..Observed::default() };
        match dark {
            0 if there => observed.findings.push(fault(tenant)),
            0 => {}
            1 => {
                let findings = vec![Finding::new("cluster_unreachable", None, &place(), "it", "")];
                observed = Observed { findings, ..Observed::default() };
            }
            _ => observed.findings.push(
                Finding::new("inside_unreachable", None, &place(), "its database", "").of(Some(tenant)),
            ),
        }
        observed
    }

    fn inspect(mut observed: impl FnMut(usize) -> Observed) -> (Inspected, usize) {
        let mut ledger = Ledger::default();
        for number in 0..9 {
            ledger.take(observed(number));
            if ledger.wanted().is_none() {
                return (ledger.end(), number + 1);
            }
        }
        panic!("it does not end")
    }

    #[test]
    fn a_fault_is_never_called_well_whatever_looks_do_not_see_it() {
        let tenant = TenantId::new();
        for pattern in 0..3_u32.pow(6) {
            let dark = |number: usize| {
                let digits = pattern / 3_u32.pow(u32::try_from(number).unwrap().min(5));
                u8::try_from(digits % 3).unwrap()
            };
            let (seen, looks) = inspect(|number| look(tenant, dark(number), true));
            let verdict = seen.report.verdict();
            assert_ne!(verdict, Verdict::Well, "{pattern}");
            if (0..looks).any(|number| dark(number) == 0) {
                let is_seen =
                    matches!(verdict, Verdict::Faulty { faults: 1, kind: ErrorKind::Integrity, .. });
                assert!(is_seen, "{pattern}: {verdict:?}");
            }
        }
    }

    #[test]
    fn what_a_second_look_does_not_have_is_dropped() {
        let tenant = TenantId::new();
        let (seen, _) = inspect(|number| look(tenant, 0, number == 0));
        assert_eq!(seen.report.verdict(), Verdict::Well);
    }

    #[test]
    fn what_was_out_of_sight_for_a_moment_and_is_well_is_well() {
        let tenant = TenantId::new();
        for dark in [1, 2] {
            let (seen, _) = inspect(|number| look(tenant, if number == 0 { dark } else { 0 }, false));
            assert_eq!((seen.report.verdict(), seen.tenants), (Verdict::Well, 1));
        }
    }

    #[test]
    fn a_server_that_stays_down_is_asked_twice() {
        let (seen, looks) = inspect(|_| look(TenantId::PLATFORM, 1, false));
        assert_eq!((seen.report.verdict(), looks), (Verdict::Unchecked { unchecked: 1 }, 2));
    }
}
