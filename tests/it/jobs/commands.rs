//! `nexus job`.

use uuid::Uuid;

use super::queue::write;
use crate::support::world::World;

#[test]
fn jobs_are_listed_by_state_kind_and_tenant() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let acme: Uuid = world.control_sql("select id from control.tenants")[0].parse().unwrap();
    write(&world, 3, (acme, "now() + interval '1 hour'"));
    write(&world, 250, (Uuid::nil(), "now() + interval '1 hour'"));
    world.control_sql(&format!("update control.jobs set state = 'dead', due_at = null, attempts = 3,
        last_error = 'no' where id = (select min(id::text)::uuid from control.jobs where tenant_id = '{acme}')"));
    let count =
        |args: &[&str]| world.json(&[&["job", "list", "--all"], args].concat()).as_array().unwrap().len();
    assert_eq!(count(&[]), 253);
    assert_eq!((count(&["--tenant", "acme"]), count(&["--state", "dead"])), (3, 1));
    assert_eq!((count(&["--tenant", "acme", "--state", "queued"]), count(&["--state", "running"])), (2, 0));
    assert_eq!((count(&["--kind", "test.nothing"]), count(&["--kind", "test.other"])), (253, 0));
    let dead = &world.json(&["job", "list", "--state", "dead"])[0];
    assert_eq!((&dead["tenant"], &dead["last_error"]), (&"acme".into(), &"no".into()));
    let shown = world.json(&["job", "show", dead["id"].as_str().unwrap()]);
    assert_eq!(shown, *dead);
}

#[test]
fn a_job_is_retried_or_cancelled_by_a_person_and_that_is_in_the_log() {
    let world = World::new();
    write(&world, 2, (Uuid::nil(), "now() + interval '1 hour'"));
    world.control_sql("update control.jobs set state = 'dead', due_at = null, attempts = 3");
    let ids: Vec<String> = world.control_sql("select id from control.jobs order by id");
    let planned = world.json(&["--dry-run", "job", "retry", &ids[0]]);
    assert_eq!(planned[0]["state"], "dead");
    let retried = world.json(&["job", "retry", &ids[0]]);
    assert_eq!((&retried[0]["state"], &retried[0]["attempts"]), (&"queued".into(), &0.into()));
    world.ok(&["job", "cancel", &ids[1]]);
    let (code, error) = world.error(&["job", "cancel", &ids[1]]);
    assert_eq!((code, error["code"].as_str()), (4, Some("job_not_found")));
    world.control_sql(
        "update control.jobs set state = 'running', due_at = now() + interval '1 hour', lease_owner = gen_random_uuid()",
    );
    for verb in ["retry", "cancel"] {
        let (code, error) = world.error(&["job", verb, &ids[0]]);
        assert_eq!((code, error["code"].as_str()), (5, Some("job_running")), "{verb}");
    }
    let log = world.json(&["audit", "list"]);
    let actions: Vec<&str> =
        log.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..2], ["job.cancel", "job.retry"]);
    assert_eq!(log[0]["detail"]["job"], ids[1].as_str());
}

#[test]
fn several_jobs_are_cancelled_only_when_their_number_is_confirmed() {
    let world = World::new();
    write(&world, 3, (Uuid::nil(), "now() + interval '1 hour'"));
    let ids: Vec<String> = world.control_sql("select id from control.jobs order by id");
    let args: Vec<&str> = ["job", "cancel"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let (code, error) = world.error(&args);
    assert_eq!((code, error["code"].as_str()), (3, Some("confirmation_required")));
    assert!(error["hint"].as_str().unwrap().contains("--yes --confirm 3"), "{error}");
    let (code, error) = world.error(&[&args[..], &["--yes", "--confirm", "2"]].concat());
    assert_eq!((code, error["code"].as_str()), (3, Some("confirmation_mismatch")));
    assert_eq!(world.control_sql("select count(*) from control.jobs"), ["3"]);
    // The same one twice is one.
    world.ok(&[&args[..], &[&ids[0], "--yes", "--confirm", "3"]].concat());
    assert_eq!(world.control_sql("select count(*) from control.jobs"), ["0"]);
}

#[test]
fn each_job_that_was_not_changed_is_named_and_the_others_are_changed() {
    let world = World::new();
    write(&world, 2, (Uuid::nil(), "now() + interval '1 hour'"));
    let ids: Vec<String> = world.control_sql("select id from control.jobs order by id");
    world.control_sql(&format!(
        "update control.jobs set state = 'running', due_at = now() + interval '1 hour', lease_owner = gen_random_uuid()
         where id = '{}'",
        ids[0]
    ));
    let absent = Uuid::now_v7().to_string();
    let cancel = ["job", "cancel", &absent, &ids[0], &ids[1], "--yes", "--confirm", "3"];
    let said = |args: &[&str]| String::from_utf8(world.run(args).stderr).unwrap();
    let planned = said(&["--dry-run", "job", "cancel", &ids[0], &ids[1]]);
    assert!(planned.contains(&format!("job {} is running and cannot be cancelled", ids[0])), "{planned}");
    assert!(planned.contains("1 job would be cancelled; nothing was done"), "{planned}");
    assert_eq!(world.control_sql("select count(*) from control.jobs"), ["2"]);
    let seen = said(&cancel);
    for part in [
        format!("no job {absent}"),
        format!("job {} is running", ids[0]),
        "2 of 3 jobs could not be changed".to_owned(),
    ] {
        assert!(seen.contains(&part), "{part:?} is not in {seen}");
    }
    assert_eq!(world.control_sql("select id from control.jobs"), [ids[0].clone()]);
    let (code, error) = world.error(&["job", "retry", &absent, &ids[0]]);
    assert_eq!((code, error["code"].as_str()), (6, Some("some_not_changed")));
    assert_eq!(error["details"]["failed"][1]["code"], "job_running");
}

#[test]
fn the_word_of_other_tools_for_a_state_leads_to_the_one_here() {
    let world = World::new();
    let (code, error) = world.error(&["job", "list", "--state", "failed"]);
    assert_eq!(code, 2);
    assert!(error["hint"].as_str().unwrap().contains("did you mean dead?"), "{error}");
}
