//! The queue by its services: claims, leases, fences, attempts.

use std::collections::BTreeSet;
use std::time::Duration;

use nexus::app::{App, AppLimits, Session};
use nexus::features::jobs::{
    self, ClaimRequest, ClaimedJob, JobEnd, JobFilter, JobState, KindCapacity, Settlement,
};
use nexus::kernel::progress::Silent;
use nexus::kernel::{Caller, Page, TenantId};
use uuid::Uuid;

use crate::iam::inside::{machine, run};
use crate::support::world::World;

/// Jobs that are due now, as those are that waited for their moment.
pub fn write(world: &World, count: usize, (tenant, due): (Uuid, &str)) {
    world.control_sql(&format!(
        "insert into control.jobs (id, kind, tenant_id, priority, state, due_at, max_attempts)
         select gen_random_uuid(), 'test.nothing', '{tenant}', 5, 'scheduled', {due}, 3
         from generate_series(1, {count})"
    ));
}

pub async fn session(world: &World) -> Session {
    App::load(&world.settings(), AppLimits::default(), &machine(), &Silent).await.unwrap()
}

pub async fn claim(session: &mut Session, owner: Uuid, most: usize) -> Vec<ClaimedJob> {
    let room = KindCapacity { more: usize::MAX, of_tenant: usize::MAX };
    claim_some(session, owner, most, (&[("test.nothing", room), ("message.send", room)], &[])).await
}

/// How many jobs of a tenant are held of a kind.
type HeldJobs = (TenantId, String, usize);

/// Claims of these kinds, where so many jobs of tenants are held.
pub async fn claim_some(
    session: &mut Session,
    owner: Uuid,
    most: usize,
    (kinds, held): (&[(&'static str, KindCapacity)], &[HeldJobs]),
) -> Vec<ClaimedJob> {
    let of_tenant = if held.is_empty() { usize::MAX } else { 8 };
    let wanted = ClaimRequest { most, kinds, are_all_kinds: true, of_tenant, looks_deep: true, held };
    jobs::claim(&mut session.control, &Caller::System, owner, wanted).await.unwrap()
}

pub async fn wake(session: &mut Session) -> usize {
    jobs::wake(&mut session.control, &Caller::System).await.unwrap()
}

async fn settle(session: &mut Session, job: &ClaimedJob, end: JobEnd, pause: Duration) -> bool {
    let settlement = Settlement { id: job.id, fence: job.fence, end, pause };
    let settled = jobs::settle(&mut session.control, &Caller::System, &[settlement]).await.unwrap();
    settled == [job.id]
}

fn retry() -> JobEnd {
    JobEnd::Retry { why: "not now".to_owned() }
}

#[test]
fn two_workers_never_have_the_same_job() {
    let world = World::new();
    write(&world, 300, (Uuid::nil(), "now()"));
    run(async {
        let (mut one, mut two) = (session(&world).await, session(&world).await);
        assert_eq!(wake(&mut one).await, 300);
        let work = async |session: &mut Session| {
            let (owner, mut all) = (Uuid::now_v7(), Vec::new());
            loop {
                let claimed = claim(session, owner, 7).await;
                if claimed.is_empty() {
                    return all;
                }
                all.extend(claimed.into_iter().map(|job| job.id));
            }
        };
        let (a, b) = tokio::join!(work(&mut one), work(&mut two));
        let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.into_iter().collect(), b.into_iter().collect());
        assert_eq!((a.len() + b.len(), a.union(&b).count()), (300, 300));
        assert!(!a.is_empty() && !b.is_empty(), "both had some: {} and {}", a.len(), b.len());
    });
}

#[test]
fn a_job_whose_lease_ended_is_taken_over_and_its_first_holder_is_refused() {
    let world = World::new();
    write(&world, 1, (Uuid::nil(), "now()"));
    run(async {
        let mut session = session(&world).await;
        let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
        wake(&mut session).await;
        let first = claim(&mut session, one, 1).await.remove(0);
        assert_eq!((first.attempt, claim(&mut session, two, 1).await.len()), (1, 0));
        // A holder that renews keeps it.
        let held = [(first.id, first.fence)];
        let renewed = jobs::renew(&mut session.control, &Caller::System, (one, &held)).await.unwrap();
        assert_eq!((renewed, wake(&mut session).await), (vec![(first.id, first.fence)], 0));
        world.control_sql("update control.jobs set due_at = clock_timestamp()");
        assert_eq!(wake(&mut session).await, 1);
        let second = claim(&mut session, two, 1).await.remove(0);
        assert_eq!((second.id, second.attempt), (first.id, 2));
        assert!(second.fence > first.fence);
        let renewed = jobs::renew(&mut session.control, &Caller::System, (one, &held)).await.unwrap();
        assert!(renewed.is_empty(), "{renewed:?}");
        for end in [JobEnd::Done, retry()] {
            assert!(!settle(&mut session, &first, end, Duration::ZERO).await, "it is another's");
        }
        let shown = jobs::show(&mut session.control, &Caller::System, first.id).await.unwrap();
        assert_eq!((shown.state.as_str(), shown.attempts), ("running", 2));
        assert!(settle(&mut session, &second, JobEnd::Done, Duration::ZERO).await);
        assert!(!settle(&mut session, &second, JobEnd::Done, Duration::ZERO).await, "once");
        assert_eq!(world.control_sql("select count(*) from control.jobs"), ["0"]);
    });
}

#[test]
fn a_job_that_fails_waits_and_is_dead_after_its_last_attempt() {
    let world = World::new();
    write(&world, 1, (Uuid::nil(), "now()"));
    run(async {
        let mut session = session(&world).await;
        let owner = Uuid::now_v7();
        for attempt in 1..=3 {
            wake(&mut session).await;
            let job = claim(&mut session, owner, 1).await.remove(0);
            assert_eq!(job.attempt, attempt);
            assert!(settle(&mut session, &job, retry(), Duration::from_secs(1000)).await);
            assert_eq!((wake(&mut session).await, claim(&mut session, owner, 1).await.len()), (0, 0));
            let shown = jobs::show(&mut session.control, &Caller::System, job.id).await.unwrap();
            let (state, due) = if attempt < 3 { ("retrying", true) } else { ("dead", false) };
            assert_eq!((shown.state.as_str(), shown.due_at.is_some()), (state, due));
            assert_eq!(shown.last_error.as_deref(), Some("not now"));
            if let Some(due) = shown.due_at {
                let pause = (due - shown.updated_at).whole_seconds();
                assert!((990..=1010).contains(&pause), "{pause} s");
            }
            world.control_sql("update control.jobs set due_at = clock_timestamp() where state = 'scheduled'");
        }
        let job = world.json(&["job", "list", "--state", "dead"])[0]["id"].as_str().unwrap().to_owned();
        world.ok(&["job", "retry", &job]);
        wake(&mut session).await;
        let job = claim(&mut session, owner, 1).await.remove(0);
        assert_eq!(job.attempt, 1);
        let gave_up = JobEnd::GiveUp { why: "never".to_owned() };
        assert!(settle(&mut session, &job, gave_up, Duration::ZERO).await);
        let shown = jobs::show(&mut session.control, &Caller::System, job.id).await.unwrap();
        assert_eq!((shown.state.as_str(), shown.attempts), ("dead", 1));
    });
}

#[test]
fn what_could_not_be_tried_counts_as_no_attempt_and_a_job_that_kills_its_workers_ends_dead() {
    let world = World::new();
    write(&world, 1, (Uuid::nil(), "now()"));
    run(async {
        let mut session = session(&world).await;
        let owner = Uuid::now_v7();
        for _ in 0..5 {
            wake(&mut session).await;
            let job = claim(&mut session, owner, 1).await.remove(0);
            assert_eq!(job.attempt, 1);
            let end = JobEnd::Postpone { why: "busy".to_owned(), pause: Duration::ZERO };
            assert!(settle(&mut session, &job, end, Duration::from_secs(1000)).await);
        }
        for attempt in 1..=3 {
            wake(&mut session).await;
            assert_eq!(claim(&mut session, owner, 1).await[0].attempt, attempt);
            world.control_sql("update control.jobs set due_at = clock_timestamp()");
        }
        wake(&mut session).await;
        assert!(claim(&mut session, owner, 1).await.is_empty());
        let filter = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
        let page = Page { page: 1, limit: 10 };
        let dead = jobs::list(&mut session.control, &Caller::System, &filter, page).await.unwrap();
        assert_eq!(dead[0].last_error.as_deref(), Some("the process that ran it stopped"));
    });
}

#[test]
fn a_key_is_one_jobs_in_the_queue() {
    let world = World::new();
    let keyed =
        "insert into control.jobs (id, kind, tenant_id, priority, state, due_at, max_attempts, dedup_key)
                 values (gen_random_uuid(), 'test.nothing', gen_random_uuid(), 5, 'scheduled', now(), 3, 'k')
                 on conflict (dedup_key) where dedup_key is not null do nothing returning 1";
    let written = [world.control_sql(keyed).len(), world.control_sql(keyed).len()];
    assert_eq!(written, [1, 0]);
}
