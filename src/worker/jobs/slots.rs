//! How many jobs a process holds, of whom, and how many more it may take.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::features::jobs::{ClaimedJob, JobKind, KindCapacity, MOST_CLAIMED};
use crate::kernel::TenantId;

/// Jobs that one process runs at once.
pub(super) const AT_ONCE: usize = 16;
/// How many of them may be one tenant's: the others' do not wait for jobs of it that take long, or hang.
const OF_TENANT: usize = 8;
/// Jobs are held ahead of their turn for as much work as this: where they are short, the next ones are there already.
const AHEAD: Duration = Duration::from_millis(20);
/// Most of them.
const MOST_AHEAD: usize = 2 * MOST_CLAIMED;
/// A job that has waited for so long for a slot is given back.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// The jobs that a process holds.
#[derive(Debug, Default)]
pub(super) struct Slots {
    running: BTreeMap<(TenantId, String), usize>,
    /// Kinds that have slots of their own.
    apart: BTreeSet<&'static str>,
    /// Claimed, and not begun yet.
    waiting: VecDeque<(Instant, ClaimedJob)>,
    /// Jobs that are held ahead.
    ahead: usize,
    /// Since that was counted: when, and how many jobs ended.
    counted: Option<(Instant, u32)>,
}

/// What may be claimed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) most: usize,
    pub(super) kinds: Vec<(&'static str, KindCapacity)>,
    pub(super) of_tenant: usize,
    pub(super) held: Vec<(TenantId, String, usize)>,
    /// Whether somebody's jobs are left although they may be there.
    pub(super) is_limited: bool,
}

impl Slots {
    pub(super) fn new(kinds: &[&'static JobKind]) -> Self {
        let apart = kinds.iter().filter(|kind| kind.limits.are_apart).map(|kind| kind.name).collect();
        Self { apart, ..Self::default() }
    }

    /// In the slots that all kinds share.
    pub(super) fn running(&self) -> usize {
        let shared = self.running.iter().filter(|((_, kind), _)| !self.is_apart(kind));
        shared.map(|(_, count)| count).sum()
    }

    fn is_apart(&self, kind: &str) -> bool {
        self.apart.contains(kind)
    }

    /// Those that are not begun.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &ClaimedJob> {
        self.waiting.iter().map(|(_, job)| job)
    }

    pub(super) fn add(&mut self, jobs: Vec<ClaimedJob>, now: Instant) {
        self.waiting.extend(jobs.into_iter().map(|job| (now, job)));
    }

    /// The next job that may begin; it counts as running from now on.
    pub(super) fn begin(&mut self) -> Option<ClaimedJob> {
        let is_full = self.running() >= AT_ONCE;
        // Of kinds that are apart no more are claimed than may run.
        let at = self.waiting.iter().position(|(_, job)| {
            self.is_apart(&job.kind) || !is_full && self.of_tenant(job.tenant) < OF_TENANT
        })?;
        let (_, job) = self.waiting.remove(at)?;
        *self.running.entry((job.tenant, job.kind.clone())).or_default() += 1;
        Some(job)
    }

    /// A job does not run any more.
    pub(super) fn end(&mut self, job: &ClaimedJob) {
        let key = (job.tenant, job.kind.clone());
        if let Some(count) = self.running.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&key);
            }
        }
        if let Some((_, ended)) = &mut self.counted
            && !self.apart.contains(job.kind.as_str())
        {
            *ended += 1;
        }
    }

    /// Takes those out that wait and are lost.
    pub(super) fn forget(&mut self, lost: impl Fn(&ClaimedJob) -> bool) {
        self.waiting.retain(|(_, job)| !lost(job));
    }

    /// Takes those out that have waited for too long.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<ClaimedJob> {
        let is_overdue = |since: Instant| now.duration_since(since) >= LONGEST_WAIT;
        let (overdue, waiting) = self.waiting.drain(..).partition(|(since, _)| is_overdue(*since));
        self.waiting = waiting;
        Vec::from(overdue).into_iter().map(|(_, job)| job).collect()
    }

    /// When the first one of them has waited for too long.
    pub(super) fn next_overdue(&self) -> Option<Instant> {
        self.waiting.iter().map(|(since, _)| *since + LONGEST_WAIT).min()
    }

    /// Takes all out that wait.
    pub(super) fn take_waiting(&mut self) -> Vec<ClaimedJob> {
        self.waiting.drain(..).map(|(_, job)| job).collect()
    }

    fn of_tenant(&self, tenant: TenantId) -> usize {
        let from = (tenant, String::new());
        let own = self.running.range(from..).take_while(|((of, _), _)| *of == tenant);
        own.filter(|((_, kind), _)| !self.is_apart(kind)).map(|(_, count)| count).sum()
    }

    /// What to claim now; nothing while there is enough. `asked`: so many are asked for already.
    pub(super) fn claim(
        &mut self,
        runnable: &[&'static JobKind],
        asked: usize,
        now: Instant,
    ) -> Option<Claim> {
        self.count(now);
        let room = (AT_ONCE + self.ahead).saturating_sub(self.running() + self.waiting.len() + asked);
        // While jobs that take long have all of the others, those with slots of their own are claimed alone.
        let are_apart_alone = room == 0 && self.ahead == 0 && asked == 0;
        // Not one statement for each job.
        if !are_apart_alone && (room == 0 || self.waiting.len() + asked > self.ahead / 2) {
            return None;
        }
        let room = if are_apart_alone { MOST_CLAIMED } else { room };
        let mut held = self.running.clone();
        for (_, job) in &self.waiting {
            *held.entry((job.tenant, job.kind.clone())).or_default() += 1;
        }
        let of_kind =
            |name: &str| held.iter().filter(|((_, kind), _)| kind == name).map(|it| it.1).sum::<usize>();
        let kinds: Vec<(&'static str, KindCapacity)> = runnable
            .iter()
            .filter(|kind| !are_apart_alone || kind.limits.are_apart)
            .map(|kind| {
                let more = kind.limits.at_once.saturating_sub(of_kind(kind.name));
                (kind.name, KindCapacity { more, of_tenant: kind.limits.of_tenant })
            })
            .filter(|(_, room)| room.more > 0)
            // Of what another claim gets is not known how many are of a kind.
            .filter(|(_, room)| asked == 0 || room.of_tenant == usize::MAX && room.more > MOST_AHEAD)
            .collect();
        if kinds.is_empty() {
            return None;
        }
        let of_tenant = OF_TENANT + self.ahead;
        let held: Vec<(TenantId, String, usize)> =
            held.into_iter().map(|((tenant, kind), count)| (tenant, kind, count)).collect();
        let is_limited = kinds.len() < runnable.len()
            || held.iter().any(|(tenant, kind, count)| {
                let limit = runnable.iter().find(|it| it.name == kind).map(|it| it.limits.of_tenant);
                limit.is_some_and(|most| *count >= most)
                    || held.iter().filter(|it| it.0 == *tenant).map(|it| it.2).sum::<usize>() >= of_tenant
            });
        Some(Claim { most: room.min(MOST_CLAIMED), kinds, of_tenant, held, is_limited })
    }

    /// How many claims may be under way at once.
    pub(super) fn claims(&self) -> usize {
        if self.ahead >= MOST_AHEAD { 2 } else { 1 }
    }

    /// Counts how fast jobs end, and how many are worth to be held ahead.
    fn count(&mut self, now: Instant) {
        let Some((since, ended)) = self.counted else {
            self.counted = Some((now, 0));
            return;
        };
        let passed = now.duration_since(since);
        // A shorter time says little.
        if passed < AHEAD / 10 {
            return;
        }
        let part = AHEAD.as_secs_f64() / passed.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "it is bounded"
        )]
        let ahead = (f64::from(ended) * part).min(MOST_AHEAD as f64) as usize;
        (self.ahead, self.counted) = (ahead, Some((now, 0)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::features::jobs::{Backoff, Limits, Priority};
    use crate::kernel::JobId;

    static FREE: JobKind = kind("test.free", Limits::NONE);
    static FEW: JobKind = kind("test.few", Limits { at_once: 6, of_tenant: 4, are_apart: false });
    static APART: JobKind = kind("test.apart", Limits { at_once: 64, of_tenant: 4, are_apart: true });

    const fn kind(name: &'static str, limits: Limits) -> JobKind {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(1) };
        let timeout = Duration::from_secs(1);
        JobKind { name, priority: Priority::Normal, max_attempts: 1, timeout, backoff, limits }
    }

    fn jobs(count: usize, tenant: TenantId, kind: &JobKind) -> Vec<ClaimedJob> {
        let job = || ClaimedJob {
            id: JobId::new(),
            kind: kind.name.to_owned(),
            tenant,
            payload: Value::Null,
            attempt: 1,
            fence: 1,
            asked_again: false,
        };
        (0..count).map(|_| job()).collect()
    }

    fn begun(slots: &mut Slots) -> Vec<ClaimedJob> {
        std::iter::from_fn(|| slots.begin()).collect()
    }

    #[test]
    fn a_tenant_whose_jobs_hang_has_half_of_the_slots_and_others_the_rest() {
        let (mut slots, now) = (Slots::default(), Instant::now());
        let (one, other) = (TenantId::new(), TenantId::new());
        slots.add(jobs(12, one, &FREE), now);
        slots.add(jobs(5, other, &FREE), now);
        let begun = begun(&mut slots);
        let of = |tenant| begun.iter().filter(|job| job.tenant == tenant).count();
        assert_eq!((of(one), of(other)), (OF_TENANT, 5));
        let overdue = slots.overdue(now + LONGEST_WAIT);
        assert!(overdue.len() == 4 && overdue.iter().all(|job| job.tenant == one));
        let claim = slots.claim(&[&FREE], 0, now).unwrap();
        assert!(claim.is_limited && claim.most == 3 && claim.of_tenant == OF_TENANT, "{claim:?}");
    }

    #[test]
    fn of_a_kind_with_limits_no_more_are_claimed_than_may_run() {
        let (mut slots, now) = (Slots::default(), Instant::now());
        slots.add(jobs(4, TenantId::new(), &FEW), now);
        assert_eq!(begun(&mut slots).len(), 4);
        let claim = slots.claim(&[&FREE, &FEW], 0, now).unwrap();
        assert_eq!(claim.kinds[1], ("test.few", KindCapacity { more: 2, of_tenant: 4 }));
        assert!(claim.is_limited, "that tenant has no more of them");
        slots.add(jobs(2, TenantId::new(), &FEW), now);
        begun(&mut slots);
        let claim = slots.claim(&[&FREE, &FEW], 0, now).unwrap();
        assert!(claim.is_limited && claim.kinds.iter().all(|(kind, _)| *kind == "test.free"), "{claim:?}");
        assert_eq!(slots.claim(&[&FEW], 0, now), None);
    }

    #[test]
    fn jobs_with_places_of_their_own_leave_the_others_free_and_are_claimed_where_those_are_taken() {
        let (mut slots, now) = (Slots::new(&[&FREE, &APART]), Instant::now());
        for _ in 0..16 {
            slots.add(jobs(4, TenantId::new(), &APART), now);
        }
        assert_eq!(begun(&mut slots).len(), 64);
        let claim = slots.claim(&[&FREE, &APART], 0, now).unwrap();
        assert_eq!((claim.most, claim.kinds.len(), claim.kinds[0].0), (AT_ONCE, 1, "test.free"));
        let (mut slots, one, other) = (Slots::new(&[&FREE, &APART]), TenantId::new(), TenantId::new());
        slots.add([jobs(8, one, &FREE), jobs(8, other, &FREE)].concat(), now);
        assert_eq!(begun(&mut slots).len(), AT_ONCE);
        let claim = slots.claim(&[&FREE, &APART], 0, now).unwrap();
        assert_eq!(claim.kinds, [("test.apart", KindCapacity { more: 64, of_tenant: 4 })]);
        assert!(claim.is_limited);
        slots.add(jobs(4, one, &APART), now);
        assert_eq!(begun(&mut slots).len(), 4);
    }

    #[test]
    fn jobs_are_held_ahead_only_where_they_are_short() {
        let (mut slots, mut now) = (Slots::default(), Instant::now());
        let mut work = |each: Duration| {
            for _ in 0..5 {
                let claim = slots.claim(&[&FREE], 0, now).unwrap();
                slots.add((0..claim.most).flat_map(|_| jobs(1, TenantId::new(), &FREE)).collect(), now);
                while !slots.waiting.is_empty() {
                    let begun = begun(&mut slots);
                    now += each;
                    for job in &begun {
                        slots.end(job);
                    }
                }
            }
            slots.ahead
        };
        assert_eq!(work(Duration::from_millis(1)), MOST_AHEAD);
        assert_eq!(work(Duration::from_secs(1)), 0);
    }
}
