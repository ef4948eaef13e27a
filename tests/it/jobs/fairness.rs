//! Whose turn it is: a tenant with many jobs holds back no other.

use std::collections::BTreeMap;

use nexus::features::jobs::KindCapacity;
use uuid::Uuid;

use super::queue::{claim, claim_some, session, wake, write};
use crate::iam::inside::run;
use crate::support::world::World;

#[test]
fn a_tenant_with_many_jobs_does_not_hold_back_one_that_comes_later() {
    let world = World::new();
    let (many, one) = (Uuid::now_v7(), Uuid::now_v7());
    write(&world, 2_000, (many, "now()"));
    run(async {
        let mut session = session(&world).await;
        while wake(&mut session).await > 0 {}
        // Some are done, so that the one that comes later does not begin with the first.
        assert_eq!(claim(&mut session, Uuid::now_v7(), 50).await.len(), 50);
        write(&world, 3, (one, "now()"));
        assert_eq!(wake(&mut session).await, 3);
        let next = claim(&mut session, Uuid::now_v7(), 8).await;
        let theirs = next.iter().filter(|job| job.tenant.uuid() == one).count();
        assert_eq!((next.len(), theirs), (8, 3), "{next:?}");
    });
}

#[test]
fn tenants_with_many_jobs_have_the_same_share_whoever_came_first() {
    let world = World::new();
    let tenants: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    run(async {
        let mut session = session(&world).await;
        // One after the other, the later with more.
        for (at, tenant) in tenants.iter().enumerate() {
            write(&world, 200 + at * 100, (*tenant, "now()"));
            while wake(&mut session).await > 0 {}
        }
        let mut shares = BTreeMap::<Uuid, usize>::new();
        for _ in 0..10 {
            for job in claim(&mut session, Uuid::now_v7(), 40).await {
                *shares.entry(job.tenant.uuid()).or_default() += 1;
            }
        }
        assert!(shares.len() == 4 && shares.values().all(|share| *share == 100), "{shares:?}");
    });
}

#[test]
fn what_is_urgent_is_first_and_what_waits_for_its_moment_or_is_dead_costs_a_claim_nothing() {
    let world = World::new();
    let later = "now() + interval '1 day'";
    write(&world, 50_000, (Uuid::now_v7(), later));
    write(&world, 20_000, (Uuid::now_v7(), later));
    world.control_sql(
        "update control.jobs set state = 'dead', due_at = null
         where tenant_id = (select tenant_id from control.jobs group by tenant_id order by count(*) limit 1)",
    );
    write(&world, 100, (Uuid::now_v7(), "now()"));
    let urgent = Uuid::now_v7();
    write(&world, 5, (urgent, "now()"));
    world.control_sql(&format!("update control.jobs set priority = 2 where tenant_id = '{urgent}'"));
    world.control_sql("analyze control.jobs");
    world.control_sql("select pg_stat_reset()");
    run(async {
        let mut session = session(&world).await;
        assert_eq!(wake(&mut session).await, 105);
        let first = claim(&mut session, Uuid::now_v7(), 50).await;
        assert_eq!(first.len(), 50);
        assert!(first.iter().filter(|job| job.tenant.uuid() == urgent).count() == 5);
        world.json(&["job", "list", "--state", "dead", "--limit", "20"]);
        world.json(&["job", "list", "--kind", "test.other"]);
    });
    // Sessions tell of their reading when they end.
    let read = "select relname || ' ' || seq_tup_read from pg_stat_user_tables
                where relname = 'jobs' and seq_tup_read > 20000";
    let end = format!(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{}' and pid <> pg_backend_pid()",
        world.control
    );
    world.sql("postgres", &end);
    assert_eq!(world.control_sql(read), Vec::<String>::new(), "a whole table was read");
}

#[test]
fn behind_many_jobs_of_tenants_that_have_their_share_others_are_found() {
    let world = World::new();
    let (hanging, other) = (Uuid::now_v7(), Uuid::now_v7());
    write(&world, 3_000, (hanging, "now()"));
    write(&world, 5, (other, "now()"));
    run(async {
        let mut session = session(&world).await;
        while wake(&mut session).await > 0 {}
        // Those of the other are the last of all.
        world.control_sql(&format!(
            "update control.jobs set fair_seq = fair_seq + (5000::bigint << 24) where tenant_id = '{other}'"
        ));
        let kinds = [("test.nothing", KindCapacity { more: 100, of_tenant: 100 })];
        let held = [(hanging.into(), "test.nothing".to_owned(), 5)];
        let next = claim_some(&mut session, Uuid::now_v7(), 10, (&kinds, &held)).await;
        let of = |tenant: Uuid, jobs: &[nexus::features::jobs::ClaimedJob]| {
            jobs.iter().filter(|job| job.tenant.uuid() == tenant).count()
        };
        assert_eq!((of(hanging, &next), of(other, &next)), (3, 0), "eight are its share");
        let held = [(hanging.into(), "test.nothing".to_owned(), 8)];
        let next = claim_some(&mut session, Uuid::now_v7(), 10, (&kinds, &held)).await;
        assert_eq!((of(hanging, &next), of(other, &next)), (0, 5));
        assert!(claim_some(&mut session, Uuid::now_v7(), 10, (&kinds, &held)).await.is_empty());
    });
}

#[test]
fn of_a_kind_no_more_are_claimed_than_there_is_room_for() {
    let world = World::new();
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    write(&world, 20, (one, "now()"));
    write(&world, 20, (other, "now()"));
    run(async {
        let mut session = session(&world).await;
        wake(&mut session).await;
        let owner = Uuid::now_v7();
        let room = |more, of_tenant| [("test.nothing", KindCapacity { more, of_tenant })];
        assert_eq!(claim_some(&mut session, owner, 20, (&room(3, 100), &[])).await.len(), 3);
        let next = claim_some(&mut session, owner, 20, (&room(100, 2), &[])).await;
        assert_eq!(next.len(), 4, "two of each tenant");
        // Who has as many as may be gets no more; the other does.
        let held = [(one.into(), "test.nothing".to_owned(), 2)];
        let next = claim_some(&mut session, owner, 20, (&room(100, 2), &held)).await;
        assert!(next.len() == 2 && next.iter().all(|job| job.tenant.uuid() == other), "{next:?}");
    });
}
