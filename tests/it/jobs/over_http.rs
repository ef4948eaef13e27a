//! Jobs over HTTP: for operators, by their rights.

use serde_json::json;
use uuid::Uuid;

use super::write;
use crate::api::{acme_and_token, operator, operator_token};

#[test]
fn operators_see_retry_and_cancel_jobs_by_their_rights_and_a_tenants_people_do_not() {
    let (world, server, ann) = acme_and_token();
    let acme: Uuid = world.control_sql("select id from control.tenants")[0].parse().unwrap();
    write(&world, 30, (acme, "now() + interval '1 day'"));
    write(&world, 1, (Uuid::nil(), "now() + interval '1 day'"));
    world.control_sql(&format!(
        "update control.jobs set state = 'dead', due_at = null, attempts = 3 where tenant_id <> '{acme}'"
    ));
    operator(&world, "help@example.com", "Support");
    operator(&world, "audit@example.com", "Auditor");
    let (support, auditor) =
        (operator_token(&server, "help@example.com"), operator_token(&server, "audit@example.com"));
    let first = server.get("/jobs?tenant=acme&state=queued&kind=test.nothing", &support).ok();
    assert_eq!((first["data"].as_array().unwrap().len(), &first["pagination"]["total"]), (20, &json!(30)));
    let next = first["pagination"]["next"].as_str().unwrap();
    let rest = server.get(&format!("/jobs?tenant=acme&cursor={next}"), &support).ok();
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["pagination"]["next"]), (10, &json!(null)));
    let dead = server.get("/jobs?state=dead", &support).ok()["data"][0].clone();
    assert_eq!((&dead["tenant"], &dead["attempts"]), (&json!(null), &json!(3)));
    let path = format!("/jobs/{}", dead["id"].as_str().unwrap());
    assert_eq!(server.get(&path, &auditor).ok(), dead);
    let retry = format!("{path}/retry");
    for (token, method, path, permission) in [
        (&auditor, "POST", &retry, "job:retry"),
        (&auditor, "DELETE", &path, "job:cancel"),
        (&ann, "GET", &path, "job:read"),
    ] {
        let refused = server.send(method, path, &[&format!("Authorization: Bearer {token}")], &[]);
        assert_eq!(refused.problem(), (403, "permission_missing".to_owned()), "{method} {path}");
        assert!(refused.body.contains(permission), "{refused:?}");
    }
    let support = format!("Authorization: Bearer {support}");
    let retried = server.send("POST", &retry, &[&support], &[]).ok();
    assert_eq!((&retried["state"], &retried["attempts"]), (&json!("queued"), &json!(0)));
    // Held by a process that nobody else's word ends.
    world.control_sql(&format!(
        "update control.jobs set state = 'running', due_at = now() + interval '1 day', fair_seq = null,
             lease_owner = gen_random_uuid(), fence = fence + 1 where tenant_id <> '{acme}'"
    ));
    let running = server.send("DELETE", &path, &[&support], &[]);
    assert_eq!(running.problem(), (409, "job_running".to_owned()));
    let id = rest["data"][0]["id"].as_str().unwrap();
    assert_eq!(server.send("DELETE", &format!("/jobs/{id}"), &[&support], &[]).status, 204);
    assert_eq!(
        server.send("DELETE", &format!("/jobs/{id}"), &[&support], &[]).problem(),
        (404, "job_not_found".to_owned())
    );
    let wrong = server.send("GET", "/jobs?state=lost", &[&support], &[]);
    assert_eq!(wrong.status, 400, "{wrong:?}");
}
