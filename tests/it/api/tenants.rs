//! `/tenants`, as an operator uses it.

use serde_json::{Value, json};

use super::{PASSWORD, done, each, operated, operator, operator_token};
use crate::support::api::{ApiServer, bearer};

#[test]
fn a_tenant_is_created_by_a_worker_and_can_be_used_then() {
    let (world, server, token) = operated("Provisioner");
    let body = json!({
        "slug": "acme", "name": "Acme Ltd", "admin_email": "ann@acme.example", "admin_password": PASSWORD,
        "labels": { "plan": "gold" },
    });
    let answer = server.change("POST", "/tenants", &token, &body);
    let made = answer.ok();
    assert_eq!(
        (&made["outcome"], &made["slug"], &made["state"]),
        (&"planned".into(), &"acme".into(), &"provisioning".into())
    );
    assert_eq!(
        answer.header("location").unwrap(),
        format!("/operations/{}", made["operation"].as_str().unwrap())
    );
    let operation = done(&server, &token, &answer);
    assert_eq!((&operation["kind"], &operation["tenant"]), (&json!("create"), &json!("acme")));
    assert!(operation["steps"].as_array().unwrap().iter().all(|step| step["state"] == "done"), "{operation}");
    let shown = world.json(&["tenant", "show", "acme"]);
    assert_eq!((&shown["state"], &shown["labels"]), (&"active".into(), &json!({ "plan": "gold" })));
    server.token("acme", "ann@acme.example", PASSWORD);
    assert_eq!(world.there(), world.believed());
    // The same again finds it done; another by that slug is refused.
    assert_eq!(server.change("POST", "/tenants", &token, &body).ok()["outcome"], "unchanged");
    let other = json!({ "slug": "acme", "name": "Another" });
    assert_eq!(
        server.change("POST", "/tenants", &token, &other).problem(),
        (409, "tenant_exists".to_owned())
    );
    // Nothing of it says the password.
    let said = world.control_sql("select request::text from control.operations");
    assert!(!said.concat().contains(PASSWORD));
}

#[test]
fn a_plan_creates_nothing() {
    let (world, server, token) = operated("Provisioner");
    let plan = server.change("POST", "/tenants?dry_run=true", &token, &json!({ "slug": "acme" })).ok();
    let steps: Vec<&Value> = plan["data"].as_array().unwrap().iter().map(|step| &step["step"]).collect();
    assert_eq!(steps.first(), Some(&&json!("reserve")));
    let rows = "select (select count(*) from control.tenants), (select count(*) from control.operations)";
    assert_eq!(world.control_sql(rows), ["0|0"]);
}

#[test]
fn of_two_requests_for_one_slug_one_creates_it() {
    let (world, server, token) = operated("Provisioner");
    let second = ApiServer::start(&world);
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let post = |server, name: &str| {
            let (body, token) = (json!({ "slug": "acme", "name": name }), &token);
            scope.spawn(move || ApiServer::change(server, "POST", "/tenants", token, &body).status)
        };
        let both = [post(&server, "One"), post(&second, "Two")];
        both.map(|it| it.join().unwrap()).into_iter().collect()
    });
    let mut sorted = answers.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [202, 409], "{answers:?}");
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["1"]);
}

#[test]
fn only_operators_who_may_create_tenants() {
    let (world, server, token) = operated("Auditor");
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let body = json!({ "slug": "birch" });
    let refused = (403, "permission_missing".to_owned());
    assert_eq!(server.change("POST", "/tenants", &token, &body).problem(), refused);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    assert_eq!(server.change("POST", "/tenants", &ann, &body).problem(), refused);
    for path in ["/operations", "/operations/0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d"] {
        assert_eq!(server.get(path, &ann).problem(), refused, "{path}");
    }
    operator(&world, "eve@example.com", "Provisioner");
    let eve = operator_token(&server, "eve@example.com");
    done(&server, &eve, &server.change("POST", "/tenants", &eve, &body));
}

#[test]
fn a_tenant_is_suspended_resumed_deleted_and_undeleted() {
    let (world, server, token) = operated("Provisioner");
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let state = |wanted: &str| {
        let shown = server.get("/tenants/acme", &token).ok();
        assert_eq!(shown["state"], wanted);
        shown
    };
    let post = |path: &str, body: &Value| server.change("POST", path, &token, body);
    done(&server, &token, &post("/tenants/acme/suspend", &json!({ "reason": "unpaid" })));
    assert_eq!(state("suspended")["suspension"]["reason"], "unpaid");
    let again = post("/tenants/acme/suspend", &json!({ "reason": "unpaid" }));
    assert_eq!((again.status, &again.json()["outcome"]), (200, &json!("unchanged")));
    done(&server, &token, &post("/tenants/acme/resume", &json!({})));
    state("active");
    let delete =
        |confirm: &str| server.change("DELETE", &format!("/tenants/acme{confirm}"), &token, &json!({}));
    assert_eq!(delete("").problem(), (403, "confirmation_required".to_owned()));
    assert_eq!(delete("?confirm=birch").problem(), (403, "confirmation_mismatch".to_owned()));
    state("active");
    done(&server, &token, &delete("?confirm=acme"));
    assert!(state("trashed")["trash"]["purge_after"].is_string());
    assert_eq!(post("/tenants/acme/resume", &json!({})).problem(), (409, "tenant_trashed".to_owned()));
    done(&server, &token, &post("/tenants/acme/undelete", &json!({})));
    state("active");
    assert_eq!(world.there(), world.believed());
    assert_eq!(post("/tenants/nobody/resume", &json!({})).problem(), (404, "tenant_not_found".to_owned()));
    operator(&world, "eve@example.com", "Auditor");
    let eve = operator_token(&server, "eve@example.com");
    for (method, path, body) in [
        ("POST", "/tenants/acme/suspend", json!({ "reason": "x" })),
        ("POST", "/tenants/acme/resume", json!({})),
        ("DELETE", "/tenants/acme?confirm=acme", json!({})),
        ("POST", "/tenants/acme/undelete", json!({})),
        ("PATCH", "/tenants/acme", json!({ "name": "X" })),
    ] {
        let answer = server.change(method, path, &eve, &body);
        assert_eq!(answer.problem(), (403, "permission_missing".to_owned()), "{method} {path}");
    }
    state("active");
}

#[test]
fn a_tenant_is_changed_as_it_was_seen() {
    let (world, server, token) = operated("Provisioner");
    world.tenant("acme");
    world.tenant("birch");
    let seen = server.get("/tenants/acme", &token);
    let tag = seen.header("etag").unwrap();
    let patch = |body: &Value| {
        let if_match = format!("If-Match: {tag}");
        server.send_json("PATCH", "/tenants/acme", &[&bearer(&token), &if_match], body)
    };
    let changed = patch(&json!({ "name": "Acme Ltd", "labels": { "plan": "gold" } })).ok();
    assert_eq!((&changed["name"], &changed["labels"]), (&json!("Acme Ltd"), &json!({ "plan": "gold" })));
    for stale in [json!({ "name": "Acme" }), json!({ "slug": "apex" })] {
        assert_eq!(patch(&stale).problem(), (412, "precondition_failed".to_owned()), "{stale}");
    }
    let change = |path: &str, body: &Value| server.change("PATCH", path, &token, body);
    let off = change("/tenants/acme", &json!({ "labels": { "plan": null } })).ok();
    assert_eq!(off["labels"], json!({}));
    assert_eq!(
        change("/tenants/acme", &json!({ "slug": "birch" })).problem(),
        (409, "slug_taken".to_owned())
    );
    let both = change("/tenants/acme", &json!({ "slug": "apex", "name": "Apex" }));
    assert_eq!(
        (both.problem().1, &both.json()["errors"][0]["pointer"]),
        ("body_invalid".to_owned(), &json!("/slug"))
    );
    assert_eq!(change("/tenants/acme", &json!({ "slug": "apex" })).ok()["slug"], "apex");
    assert_eq!(server.get("/tenants/acme", &token).problem(), (404, "tenant_renamed".to_owned()));
    let id = changed["id"].as_str().unwrap();
    let known = server.get(&format!("/tenants/{id}"), &token);
    let if_none_match = format!("If-None-Match: {}", known.header("etag").unwrap());
    assert_eq!(server.send("GET", "/tenants/apex", &[&bearer(&token), &if_none_match], &[]).status, 304);
    let actions = "select action from control.audit_log where action ~ '^tenant.(update|rename)' order by id";
    assert_eq!(world.control_sql(actions), ["tenant.update", "tenant.update", "tenant.rename"]);
}

#[test]
fn tenants_are_listed_by_page_and_by_what_they_are() {
    let (world, server, token) = operated("Auditor");
    for slug in ["ash", "birch", "cedar", "date"] {
        world.tenant(slug);
    }
    world.ok(&["tenant", "update", "birch", "--name", "Ash Two", "--label", "plan=gold"]);
    world.ok(&["tenant", "suspend", "cedar", "--reason", "unpaid"]);
    world.ok(&["tenant", "delete", "date", "--yes", "--confirm", "date"]);
    let slugs = |query: &str| -> Vec<String> {
        let list = server.get(&format!("/tenants?{query}"), &token).ok();
        each(&list, "slug").into_iter().map(str::to_owned).collect()
    };
    for (query, wanted) in [
        ("", vec!["ash", "birch", "cedar"]),
        ("sort=-slug", vec!["cedar", "birch", "ash"]),
        ("sort=name", vec!["birch", "ash", "cedar"]),
        ("state=suspended", vec!["cedar"]),
        ("state=trashed", vec!["date"]),
        ("cluster=default&store=default&search=ASH", vec!["ash", "birch"]),
        ("where=label.plan%3Dgold", vec!["birch"]),
        ("cluster=elsewhere", vec![]),
    ] {
        assert_eq!(slugs(query), wanted, "{query}");
    }
    for sort in ["slug", "-slug", "name", "-name", "state", "created_at", "-created_at"] {
        let (mut seen, mut path) = (Vec::new(), format!("/tenants?limit=2&sort={sort}"));
        loop {
            let page = server.get(&path, &token).ok();
            seen.extend(each(&page, "slug").into_iter().map(str::to_owned));
            let Some(next) = page["pagination"]["next"].as_str() else { break };
            path = format!("/tenants?limit=2&sort={sort}&cursor={next}");
        }
        assert_eq!(seen, slugs(&format!("sort={sort}")), "{sort}");
    }
    let list = server.get("/tenants?limit=2", &token).ok();
    assert_eq!((&list["pagination"]["total"], &list["pagination"]["pages"]), (&json!(3), &json!(2)));
    assert_eq!(list["data"][0], without_more(world.json(&["tenant", "show", "ash"])));
    let cursor = list["pagination"]["next"].as_str().unwrap();
    let mixed = server.get(&format!("/tenants?sort=-slug&cursor={cursor}"), &token);
    assert_eq!(mixed.problem(), (400, "query_invalid".to_owned()));
    for (query, hint) in [("state=activ", "did you mean active?"), ("sort=slugg", "did you mean slug?")] {
        assert_eq!(server.get(&format!("/tenants?{query}"), &token).json()["hints"], json!([hint]));
    }
    assert_eq!(server.get("/tenants?where=label.%3Dx", &token).problem().1, "query_invalid");
}

/// What the command line shows of a tenant, without what has a path of its own in the API, or none.
fn without_more(mut shown: Value) -> Value {
    let fields = shown.as_object_mut().unwrap();
    fields.remove("former_slugs");
    fields.remove("usage");
    shown
}

#[test]
fn what_operators_look_at_is_what_the_command_line_shows() {
    let (world, server, token) = operated("Auditor");
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let cluster = world.json(&["cluster", "show", "default"]);
    let store = world.json(&["store", "show", "default"]);
    let status = world.json(&["migrate", "status"]);
    let before = world.control_sql("select count(*), max(id) from control.audit_log");
    for (path, wanted) in [
        ("/clusters/default", cluster.clone()),
        ("/stores/default", store.clone()),
        ("/migrations/status", status),
        ("/tenants/acme", without_more(world.json(&["tenant", "show", "acme"]))),
    ] {
        assert_eq!(server.get(path, &token).ok(), wanted, "{path}");
        assert_eq!(server.get(path, &ann).problem(), (403, "permission_missing".to_owned()), "{path}");
    }
    assert_eq!(server.get("/clusters", &token).ok()["data"], json!([cluster]));
    assert_eq!(server.get("/stores", &token).ok()["data"], json!([store]));
    for path in ["/clusters", "/stores", "/tenants"] {
        assert_eq!(server.get(path, &ann).problem(), (403, "permission_missing".to_owned()), "{path}");
    }
    assert_eq!(server.get("/clusters/nowhere", &token).problem(), (404, "cluster_not_found".to_owned()));
    assert_eq!(server.get("/stores/nowhere", &token).problem(), (404, "store_not_found".to_owned()));
    assert_eq!(world.control_sql("select count(*), max(id) from control.audit_log"), before);
}

/// The same by both doors leaves the same rows, and the same words in the audit log.
#[test]
fn both_doors_leave_the_same_behind() {
    let (world, server, token) = operated("Admin");
    let steps: [(&[&str], &str, &str, Value); 6] = [
        (
            &["tenant", "create", "typed", "--name", "One", "--label", "plan=gold"],
            "POST",
            "/tenants",
            json!({ "slug": "sent", "name": "One", "labels": { "plan": "gold" } }),
        ),
        (
            &["tenant", "update", "typed", "--name", "Two", "--unlabel", "plan"],
            "PATCH",
            "/tenants/sent",
            json!({ "name": "Two", "labels": { "plan": null } }),
        ),
        (
            &["tenant", "suspend", "typed", "--reason", "unpaid"],
            "POST",
            "/tenants/sent/suspend",
            json!({ "reason": "unpaid" }),
        ),
        (&["tenant", "resume", "typed"], "POST", "/tenants/sent/resume", json!({})),
        (
            &["tenant", "delete", "typed", "--yes", "--confirm", "typed"],
            "DELETE",
            "/tenants/sent?confirm=sent",
            json!({}),
        ),
        (&["tenant", "undelete", "typed"], "POST", "/tenants/sent/undelete", json!({})),
    ];
    let rows = |slug: &str| {
        let of = format!("(select id from control.tenants where slug = '{slug}')");
        let said = |statement: String| world.control_sql(&statement).join("\n").replace(slug, "SLUG");
        [
            said(format!(
                "select name, state, labels, cluster, store, suspension_reason, trashed_from, schema_version
                 from control.tenants where id = {of}"
            )),
            said(format!(
                "select kind, state, request, array(select name || state from control.operation_steps
                     where operation_id = operations.id order by position)
                 from control.operations where tenant_id = {of} order by created_at"
            )),
            said(format!(
                "select action, detail from control.audit_log
                 where tenant_id = {of} and action not like 'operation.%' order by id"
            )),
        ]
    };
    for (args, method, path, body) in steps {
        world.ok(args);
        let answer = server.change(method, path, &token, &body);
        if answer.status == 202 {
            done(&server, &token, &answer);
        }
        answer.ok();
        assert_eq!(rows("typed"), rows("sent"), "{method} {path}");
    }
    for (args, method, path, body, code) in [
        (
            vec!["tenant", "create", "typed", "--name", "X"],
            "POST",
            "/tenants",
            json!({ "slug": "sent", "name": "X" }),
            "tenant_exists",
        ),
        (
            vec!["tenant", "rename", "typed", "sent"],
            "PATCH",
            "/tenants/sent",
            json!({ "slug": "typed" }),
            "slug_taken",
        ),
        (
            vec!["tenant", "suspend", "nobody", "--reason", "x"],
            "POST",
            "/tenants/nobody/suspend",
            json!({ "reason": "x" }),
            "tenant_not_found",
        ),
        (
            vec!["tenant", "delete", "typed", "--yes", "--confirm", "sent"],
            "DELETE",
            "/tenants/sent?confirm=typed",
            json!({}),
            "confirmation_mismatch",
        ),
        (
            vec!["tenant", "create", "dill", "--cluster", "nowhere"],
            "POST",
            "/tenants",
            json!({ "slug": "dill", "cluster": "nowhere" }),
            "cluster_not_found",
        ),
        (vec!["cluster", "show", "nowhere"], "GET", "/clusters/nowhere", json!({}), "cluster_not_found"),
    ] {
        assert_eq!(world.error(&args).1["code"], code, "{args:?}");
        assert_eq!(server.change(method, path, &token, &body).problem().1, code, "{method} {path}");
    }
}
