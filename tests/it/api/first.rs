//! The way of an app developer: sign in, list, page, read an error, sign on.

use serde_json::{Value, json};

use super::{PASSWORD, acme, acme_and_token};
use crate::support::api::{Answer, ApiServer, bearer};

fn emails(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect()
}

#[test]
fn a_user_signs_in_and_sees_who_there_is() {
    let (_world, server) = acme();
    let signed_in = server.login(Some("acme"), "ann@acme.example", PASSWORD);
    assert_eq!(signed_in.header("cache-control"), Some("no-store"));
    let pair = signed_in.ok();
    assert_eq!(pair["token_type"], "Bearer");
    assert_eq!(pair["expires_in"], 900);
    let token = pair["access_token"].as_str().unwrap();
    let me = server.get("/auth/me", token).ok();
    assert_eq!((&me["email"], &me["roles"]), (&json!("ann@acme.example"), &json!(["Admin"])));
    let list = server.get("/users", token).ok();
    assert_eq!(emails(&list), ["ann@acme.example"]);
    assert_eq!(
        list["pagination"],
        json!({ "page": 1, "limit": 20, "total": 1, "pages": 1, "total_exact": true, "next": null })
    );
    assert_eq!(server.get("/users", "nonsense").problem(), (401, "token_invalid".to_owned()));
    assert_eq!(server.send("GET", "/users", &[], &[]).problem(), (401, "token_missing".to_owned()));
}

#[test]
fn what_newcomers_get_wrong_first_is_answered_with_what_to_do() {
    let (_world, server, token) = acme_and_token();
    let hints = |answer: &Answer| answer.json()["hints"].clone();
    // The header was forgotten: said whatever else is wrong, and only there.
    let forgotten = server.login(None, "ann@acme.example", PASSWORD);
    assert_eq!(forgotten.problem(), (401, "sign_in_refused".to_owned()));
    assert!(hints(&forgotten)[0].as_str().unwrap().contains("X-Tenant-ID"), "{forgotten:?}");
    assert_eq!(hints(&server.login(None, "nobody@acme.example", PASSWORD)), hints(&forgotten));
    assert_eq!(hints(&server.login(Some("acme"), "nobody@acme.example", PASSWORD)), Value::Null);
    // What is sent is no JSON, or has something else in it.
    let send = |body: &str| {
        let headers = [&bearer(&token), "Content-Type: application/json"];
        server.send("POST", "/users", &headers, body.as_bytes())
    };
    for (body, detail) in [
        ("{bad", "the body is not what it should be at \"\": it is no JSON from line 1, column 2 on"),
        (
            "{\"email\":\n",
            "the body is not what it should be at \"\": it is no JSON from line 2, column 0 on",
        ),
        ("{\"email\":7}", "the body is not what it should be at \"/email\": expected a string"),
    ] {
        let answer = send(body);
        assert_eq!((answer.problem().1.as_str(), &answer.json()["detail"]), ("body_invalid", &json!(detail)));
    }
    let twice = send("{\"email\":\"ann@acme.example\"}");
    assert_eq!((twice.problem().1.as_str(), hints(&twice)), ("user_exists", json!(["see the existing one"])));
}

#[test]
fn a_refresh_token_is_exchanged_once() {
    let (_world, server) = acme();
    let pair = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let exchange = |token: &Value| {
        server.send_json("POST", "/auth/refresh-token", &[], &json!({ "refresh_token": token }))
    };
    let next = exchange(&pair["refresh_token"]).ok();
    assert_eq!(server.get("/users", next["access_token"].as_str().unwrap()).status, 200);
    let again = exchange(&pair["refresh_token"]);
    assert_eq!(again.problem(), (409, "refresh_in_progress".to_owned()));
    assert_eq!(again.header("retry-after"), Some("1"));
}

#[test]
fn requests_that_follow_each_other_log_in_to_no_database() {
    let (_world, server) = acme();
    let signed_in = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let (token, mut refresh) =
        (signed_in["access_token"].as_str().unwrap(), signed_in["refresh_token"].clone());
    let logins = || {
        let text = server.send("GET", "/metrics", &[], &[]).body;
        let mut all: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("nexus_pool_logins_total"))
            .map(str::to_owned)
            .collect();
        all.sort();
        all
    };
    let mut round = || {
        let pair = server.send_json("POST", "/auth/refresh-token", &[], &json!({ "refresh_token": refresh }));
        refresh = pair.ok()["refresh_token"].clone();
        for path in [
            "/users",
            "/users?search=a",
            "/roles",
            "/groups",
            "/audit",
            "/auth/sessions",
            "/api-keys",
            "/files",
            "/usage",
        ] {
            server.get(path, token).ok();
        }
        let wrong = server.login(Some("acme"), "ann@acme.example", "wrong");
        assert_eq!(wrong.status, 401);
    };
    round();
    let before = logins();
    assert_eq!(before.len(), 2);
    for _ in 0..5 {
        round();
    }
    assert_eq!(logins(), before);
}

#[test]
fn a_list_is_gone_through_by_cursor_in_any_order() {
    let (world, server) = acme();
    for name in ["bob", "cy", "di", "ed"] {
        let email = format!("{name}@acme.example");
        world.ok(&["user", "create", "--tenant", "acme", "--email", &email, "--invite"]);
    }
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    for sort in
        ["email", "-email", "created_at", "-created_at", "name", "last_sign_in_at", "-last_sign_in_at"]
    {
        let mut seen = Vec::new();
        let mut path = format!("/users?limit=2&sort={sort}");
        loop {
            let page = server.get(&path, &token).ok();
            seen.extend(emails(&page).into_iter().map(str::to_owned));
            let Some(next) = page["pagination"]["next"].as_str() else { break };
            path = format!("/users?limit=2&sort={sort}&cursor={next}");
        }
        let whole = server.get(&format!("/users?sort={sort}"), &token).ok();
        assert_eq!(seen, emails(&whole), "{sort}");
        assert_eq!(seen.len(), 5, "{sort}");
    }
    let cursor = server.get("/users?limit=2", &token).ok()["pagination"]["next"].as_str().unwrap().to_owned();
    let other = server.get(&format!("/users?limit=2&sort=-email&cursor={cursor}"), &token);
    assert_eq!(other.problem(), (400, "query_invalid".to_owned()));
}

#[test]
fn a_list_counts_its_rows_as_far_as_it_is_asked_to() {
    let (_world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let place = |query: &str| server.get(&format!("/users?{query}"), &token).ok()["pagination"].clone();
    assert_eq!(place("total=none")["total"], Value::Null);
    assert_eq!(place("total=exact")["total"], 1);
    assert_eq!(server.get("/users?page=501", &token).problem(), (400, "use_cursor".to_owned()));
}

#[test]
fn what_is_not_known_is_refused_with_the_nearest_name() {
    let (_world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    for (path, hint) in [
        ("/users?limt=1", "did you mean limit?"),
        ("/users?serach=x", "did you mean search?"),
        ("/users?total=exat", "did you mean exact?"),
        ("/users?sort=emial", "did you mean email?"),
        ("/users?state=activ", "did you mean active?"),
    ] {
        let answer = server.get(path, &token);
        assert_eq!(answer.problem(), (400, "query_invalid".to_owned()), "{path}");
        assert_eq!(answer.json()["hints"], json!([hint]), "{path}");
    }
    let typo = json!({ "email": "ann@acme.example", "pasword": PASSWORD });
    let answer = server.send_json("POST", "/auth/login", &["X-Tenant-ID: acme"], &typo);
    assert_eq!(answer.problem(), (400, "body_invalid".to_owned()));
    assert_eq!(answer.json()["errors"][0]["pointer"], "/pasword");
    assert!(!answer.body.contains(PASSWORD));
}

#[test]
fn every_code_has_its_page() {
    let (_world, server) = acme();
    let answer = server.send("GET", "/nothing", &[], &[]);
    assert_eq!(answer.problem(), (404, "path_not_found".to_owned()));
    let page = answer.json()["type"].as_str().unwrap().to_owned();
    assert_eq!(server.send("GET", &page, &[], &[]).status, 200);
    assert_eq!(server.send("DELETE", "/users", &[], &[]).problem().1, "method_not_allowed");
    assert_eq!(server.send("GET", "/docs/index.html", &[], &[]).status, 200);
    let api: Value = server.send("GET", "/openapi.json", &[], &[]).ok();
    assert_eq!(api["openapi"], "3.1.0");
}

#[test]
fn a_request_is_for_one_tenant_or_refused() {
    let (world, server) = acme();
    world.tenant("other");
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let acme_id = world.control_sql("select id from control.tenants where slug = 'acme'").remove(0);
    let other_id = world.control_sql("select id from control.tenants where slug = 'other'").remove(0);
    let asked = |headers: &[&str]| {
        let token = bearer(&token);
        let all: Vec<&str> = headers.iter().copied().chain([token.as_str()]).collect();
        server.send("GET", "/users", &all, &[])
    };
    for header in ["X-Tenant-ID", "X-Project-ID"] {
        for name in ["acme", &acme_id] {
            assert_eq!(asked(&[&format!("{header}: {name}")]).status, 200, "{header} {name}");
        }
        for name in ["other", &other_id, "nobody", "00000000-0000-7000-8000-000000000000"] {
            let answer = asked(&[&format!("{header}: {name}")]);
            assert_eq!(answer.problem(), (403, "tenant_mismatch".to_owned()), "{header} {name}");
            let twice = asked(&[&format!("{header}: acme"), &format!("{header}: {name}")]);
            assert_eq!(twice.problem(), (403, "tenant_mismatch".to_owned()), "{header} {name}");
        }
    }
}

#[test]
fn a_token_that_allows_less_than_its_user_holds_allows_no_more() {
    let (world, server) = acme();
    let mint = |permission: &str| {
        let args =
            ["token", "mint", "--tenant", "acme", "--user", "ann@acme.example", "--permission", permission];
        world.ok(&args).trim().to_owned()
    };
    assert_eq!(server.get("/users", &mint("user:read")).status, 200);
    assert_eq!(server.get("/users", &mint("role:read")).problem(), (403, "permission_missing".to_owned()));
}

#[test]
fn a_tenant_that_is_suspended_is_refused_within_two_seconds_by_each_server() {
    let (world, server) = acme();
    let second = ApiServer::start(&world);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    for one in [&server, &second] {
        assert_eq!(one.get("/users", &token).status, 200);
    }
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid", "--yes"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    for one in [&server, &second] {
        assert_eq!(one.get("/users", &token).problem(), (401, "token_invalid".to_owned()));
        assert_eq!(
            one.login(Some("acme"), "ann@acme.example", PASSWORD).problem(),
            (404, "tenant_not_found".to_owned())
        );
    }
}

#[test]
fn whoever_shows_a_token_of_a_tenant_that_was_suspended_just_now_learns_nothing_of_it() {
    let (world, server) = acme();
    let signed_in = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let refresh = signed_in["refresh_token"].as_str().unwrap();
    let access = signed_in["access_token"].as_str().unwrap();
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid", "--yes"]);
    // Whether the server has heard of it or not.
    let exchanged =
        server.send_json("POST", "/auth/refresh-token", &[], &json!({ "refresh_token": refresh }));
    assert_eq!(exchanged.problem(), (401, "refresh_token_invalid".to_owned()));
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let exchanged = server.send_form("/oauth/token", &[], &fields);
    assert_eq!((exchanged.status, &exchanged.json()["error"]), (400, &json!("invalid_grant")));
    assert_eq!(server.get("/api-keys", access).problem(), (401, "token_invalid".to_owned()));
    let signed_out = server.send_json("POST", "/auth/logout", &[], &json!({ "refresh_token": refresh }));
    assert_eq!(signed_out.status, 204);
}

#[test]
fn what_somebody_may_do_is_what_was_last_written_on_each_server() {
    let (world, server) = acme();
    let second = ApiServer::start(&world);
    let create = ["user", "create", "--tenant", "acme", "--email", "eve@acme.example", "--password-stdin"];
    world.machine().run_with_input(&create, &format!("{PASSWORD}\n"));
    let servers = [&server, &second];
    for _ in 0..3 {
        let token = server.token("acme", "eve@acme.example", PASSWORD);
        let asked = || servers.map(|one| one.get("/users", &token).status);
        assert_eq!(asked(), [403, 403]);
        world.ok(&["role", "grant", "Manager", "--user", "eve@acme.example", "--tenant", "acme"]);
        assert_eq!(asked(), [200, 200]);
        world.ok(&["role", "revoke", "Manager", "--user", "eve@acme.example", "--tenant", "acme"]);
        // Their tokens are revoked, too; whichever a server knows first refuses.
        assert!(asked().iter().all(|status| [401, 403].contains(status)));
    }
}

#[test]
fn whoever_runs_it_reads_what_it_does_and_nobody_else() {
    let (world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    for _ in 0..3 {
        server.get("/users?search=secret-name", &token).ok();
    }
    server.send("GET", "/nothing/secret-path", &[], &[]);
    let text = server.send("GET", "/metrics", &[], &[]).body;
    let counted = "nexus_http_requests_total{route=\"/users\",method=\"GET\",status=\"200\"} 3";
    assert!(text.contains(counted), "{text}");
    assert!(text.contains("nexus_pool_sessions_open{pool=\"realms\"} "), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let other = ApiServer::start_with(&world, &[("metrics_from", "192.0.2.0/24")]);
    assert_eq!(other.send("GET", "/metrics", &[], &[]).problem(), (404, "path_not_found".to_owned()));
}

#[test]
fn a_server_that_is_told_to_stop_ends_well() {
    let (_world, server) = acme();
    assert_eq!(server.send("GET", "/ready", &[], &[]).ok()["ready"], true);
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
}
