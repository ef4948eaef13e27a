//! Tokens by the words of OAuth 2.0.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{PASSWORD, acme, user};
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::world::World;

const ANN: &str = "ann@acme.example";

/// An API key of a user of a tenant: its id and itself.
fn key(world: &World, tenant: &str, more: &[&str]) -> (String, String) {
    let args = ["api-key", "create", "--tenant", tenant, "--reveal"];
    let made = world.json(&[&args[..], more].concat());
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn basic(id: &str, key: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{id}:{key}")))
}

/// Asks for a token as a program that sends its key in the header.
fn grant(server: &ApiServer, (id, key): (&str, &str), fields: &[(&str, &str)]) -> Answer {
    let fields = [&[("grant_type", "client_credentials")][..], fields].concat();
    server.send_form("/oauth/token", &[&basic(id, key)], &fields)
}

/// The status and the word of an answer that refuses.
fn error(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let body = answer.json();
    assert!(body["error_description"].is_string(), "{answer:?}");
    (answer.status, body["error"].as_str().unwrap().to_owned())
}

fn is(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

/// Asks until a request with a token is answered so: what is revoked is known within two seconds.
fn until_refused(server: &ApiServer, token: &str) {
    for _ in 0..600 {
        if server.get("/auth/me", token).status == 401 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the token is good still");
}

#[test]
fn the_issuer_says_where_everything_is() {
    let (world, server) = acme();
    let base = "http://127.0.0.1:8420";
    let paths = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
    let [one, two] = paths.map(|path| server.send("GET", path, &[], &[]));
    assert_eq!(one.header("cache-control"), Some("max-age=600"));
    assert_eq!(one.body, two.body);
    assert_eq!(
        one.ok(),
        json!({
            "issuer": base,
            "jwks_uri": format!("{base}/.well-known/jwks.json"),
            "token_endpoint": format!("{base}/oauth/token"),
            "revocation_endpoint": format!("{base}/oauth/revoke"),
            "introspection_endpoint": format!("{base}/oauth/introspect"),
            "service_documentation": format!("{base}/docs"),
            "grant_types_supported": ["client_credentials", "refresh_token"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "introspection_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post", "Bearer"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        })
    );
    // What clients write is the public URL, whatever the issuer is called.
    let port = ApiServer::free_port();
    let public = format!("http://localhost:{port}");
    let settings =
        [("TOKENS_ISSUER", "https://api.example.com"), ("SERVE_PUBLIC_URL", &*format!("{public}/"))];
    let said = ApiServer::start_at(&world, port, &settings).send("GET", paths[0], &[], &[]).ok();
    assert_eq!(said["issuer"], "https://api.example.com");
    assert_eq!(said["token_endpoint"], format!("{public}/oauth/token"));
}

#[test]
fn a_program_gets_a_token_for_its_key_by_header_or_by_form() {
    let (world, server) = acme();
    let (id, key) = key(&world, "acme", &["--user", ANN, "--name", "till", "--scope", "user:read"]);
    let by_header = grant(&server, (&id, &key), &[]);
    assert_eq!(by_header.header("cache-control"), Some("no-store"));
    let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &key)];
    for given in [by_header.ok(), server.send_form("/oauth/token", &[], &form).ok()] {
        assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!((&given["scope"], &given["refresh_token"]), (&json!("user:read"), &Value::Null));
        let token = given["access_token"].as_str().unwrap();
        assert_eq!(server.get("/users", token).status, 200);
        // The key allows no more, although its user is an administrator.
        assert_eq!(server.get("/roles", token).problem().1, "permission_missing");
        assert_eq!(crate::tokens::claims(token)["client_id"], json!(id));
    }
    let noted = "select detail->>'client' from control.audit_log where action = 'token.mint' order by id desc limit 1";
    assert_eq!(world.control_sql(noted), [id]);
    assert_eq!(world.control_sql("select count(*) from control.issued_tokens"), ["2"]);
}

#[test]
fn what_is_wrong_with_a_request_is_said_by_the_words_of_oauth() {
    let (world, server) = acme();
    let (id, key) = key(&world, "acme", &["--user", ANN, "--name", "till"]);
    let (_, others) = self::key(&world, "acme", &["--user", ANN, "--name", "other"]);
    let header = basic(&id, &key);
    let send = |headers: &[&str], fields: &[(&str, &str)]| server.send_form("/oauth/token", headers, fields);
    let machine = ("grant_type", "client_credentials");
    for (headers, fields, expected) in [
        (&[&*header][..], &[machine, machine][..], is(400, "invalid_request")),
        (&[&*header], &[machine, ("scope", "a:b"), ("scope", "a:b")], is(400, "invalid_request")),
        (&[&*header], &[machine, ("client_secret", &key)], is(400, "invalid_request")),
        (&[&*header], &[machine, ("client_id", "another")], is(400, "invalid_request")),
        (&[&*header, &*header], &[machine], is(400, "invalid_request")),
        (&[], &[machine, ("client_secret", &key)], is(400, "invalid_request")),
        (&[&*header], &[], is(400, "invalid_request")),
        (&[&*header], &[("grant_type", "")], is(400, "invalid_request")),
        (
            &[&*header],
            &[("grant_type", "password"), ("username", ANN), ("password", PASSWORD)],
            is(400, "unsupported_grant_type"),
        ),
        (&[&*header], &[machine, ("scope", "not a scope")], is(400, "invalid_scope")),
        (&[], &[machine], is(401, "invalid_client")),
        (&["Authorization: Bearer x"], &[machine], is(401, "invalid_client")),
        (&[&*basic(&id, "nxk_wrong")], &[machine], is(401, "invalid_client")),
        (&[&*basic(&id, &others)], &[machine], is(401, "invalid_client")),
        (&[&*basic("till", &key)], &[machine], is(401, "invalid_client")),
        (&[], &[("grant_type", "refresh_token")], is(400, "invalid_request")),
        (&[], &[("grant_type", "refresh_token"), ("refresh_token", "nxr_wrong")], is(400, "invalid_grant")),
        (
            &[&*header],
            &[("grant_type", "refresh_token"), ("refresh_token", "x")],
            is(400, "unauthorized_client"),
        ),
    ] {
        let answer = send(headers, fields);
        assert_eq!(error(&answer), expected, "{headers:?} {fields:?}");
        let challenge = (answer.status == 401).then_some("Basic realm=\"nexus\"");
        assert_eq!(answer.header("www-authenticate"), challenge, "{answer:?}");
        assert!(!answer.body.contains(&key[4..]), "{answer:?}");
    }
    let json =
        server.send_json("POST", "/oauth/token", &[&header], &json!({ "grant_type": "client_credentials" }));
    assert_eq!(error(&json), is(400, "invalid_request"));
    // An unknown parameter is ignored, and one without a value is not there (RFC 6749, section 3.2).
    assert_eq!(send(&[&header], &[machine, ("resource", "x"), ("client_secret", "")]).status, 200);
    // A tenant that is named must be the key's.
    world.tenant("other");
    assert_eq!(
        send(&[&header, "X-Tenant-ID: other"], &[machine]).problem(),
        (403, "tenant_mismatch".to_owned())
    );
}

#[test]
fn a_scope_narrows_what_a_key_allows_and_never_widens_it() {
    let (world, server) = acme();
    let (id, key) =
        key(&world, "acme", &["--user", ANN, "--name", "till", "--scope", "user:*", "--scope", "role:read"]);
    let with = |scope: &str| grant(&server, (&id, &key), &[("scope", scope)]);
    assert_eq!(with("user:read role:read").ok()["scope"], "user:read role:read");
    let token = with("user:read").ok()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/users", &token).status, 200);
    assert_eq!(server.get("/roles", &token).problem().1, "permission_missing");
    for more in ["group:read", "user:read group:read", "*:*", "role:*"] {
        assert_eq!(error(&with(more)), is(400, "invalid_scope"), "{more}");
    }
    assert_eq!(grant(&server, (&id, &key), &[]).ok()["scope"], "user:* role:read");
}

#[test]
fn a_key_that_ends_takes_its_tokens_with_it() {
    let (world, server) = acme();
    let (id, key) = key(&world, "acme", &["--user", ANN, "--name", "till", "--expires", "5m"]);
    let given = grant(&server, (&id, &key), &[]).ok();
    let left = given["expires_in"].as_i64().unwrap();
    assert!((200..=300).contains(&left), "{left}");
    let token = given["access_token"].as_str().unwrap();
    let session = server.login(Some("acme"), ANN, PASSWORD).ok();
    assert_eq!(server.get("/users", token).status, 200);
    world.ok(&["api-key", "revoke", "--tenant", "acme", &id]);
    assert_eq!(error(&grant(&server, (&id, &key), &[])), is(401, "invalid_client"));
    until_refused(&server, token);
    // The user's sessions go on.
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", session["refresh_token"].as_str().unwrap())];
    let next = server.send_form("/oauth/token", &[], &form).ok();
    assert_eq!(server.get("/users", next["access_token"].as_str().unwrap()).status, 200);
}

#[test]
fn a_refresh_token_is_good_at_both_doors_once() {
    let (_world, server) = acme();
    user(&server, &server.token("acme", ANN, PASSWORD), "kim@acme.example", &["Manager"]);
    let pair = server.login(Some("acme"), "kim@acme.example", PASSWORD).ok();
    let exchange = |token: &Value, more: &[(&str, &str)]| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str().unwrap())];
        server.send_form("/oauth/token", &[], &[&form[..], more].concat())
    };
    // What is refused has used nothing up.
    assert_eq!(
        error(&exchange(&pair["refresh_token"], &[("scope", "user:read role:read")])),
        is(400, "invalid_scope")
    );
    let narrow = exchange(&pair["refresh_token"], &[("scope", "user:read"), ("client_id", "web")]).ok();
    assert_eq!(narrow["scope"], "user:read");
    let token = narrow["access_token"].as_str().unwrap();
    assert_eq!((server.get("/users", token).status, server.get("/groups", token).status), (200, 403));
    let again = exchange(&pair["refresh_token"], &[]);
    assert_eq!(again.problem(), (409, "refresh_in_progress".to_owned()));
    assert_eq!(again.header("retry-after"), Some("1"));
    // The next one is asked for as much as the session has.
    let body = json!({ "refresh_token": narrow["refresh_token"] });
    let whole = server.send_json("POST", "/auth/refresh-token", &[], &body).ok();
    assert_eq!(server.get("/groups", whole["access_token"].as_str().unwrap()).status, 200);
}

#[test]
fn whoever_holds_a_token_may_end_it_and_nobody_learns_whether_it_was_good() {
    let (world, server) = acme();
    let revoke =
        |headers: &[&str], token: &str| server.send_form("/oauth/revoke", headers, &[("token", token)]);
    let one = server.login(Some("acme"), ANN, PASSWORD).ok();
    let other = server.login(Some("acme"), ANN, PASSWORD).ok();
    let text = |pair: &Value, name: &str| pair[name].as_str().unwrap().to_owned();
    for token in [&text(&one, "refresh_token"), "nonsense", "nxr_x", ""] {
        let answer = revoke(&[], token);
        let expected = if token.is_empty() { 400 } else { 200 };
        assert_eq!(answer.status, expected, "{token}: {answer:?}");
    }
    let refresh = |pair: &Value| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &*text(pair, "refresh_token"))];
        server.send_form("/oauth/token", &[], &form).status
    };
    assert_eq!((refresh(&one), refresh(&other)), (400, 200));
    let access = text(&other, "access_token");
    assert_eq!(revoke(&[], &access).status, 200);
    until_refused(&server, &access);
    let noted = "select detail->>'presented' from control.audit_log where action = 'token.revoke'";
    assert_eq!(world.control_sql(noted), ["true"]);
    // A program that shows its key ends what is its user's, and no more.
    let anns = server.token("acme", ANN, PASSWORD);
    user(&server, &anns, "bob@acme.example", &["Viewer"]);
    let (id, key) = key(&world, "acme", &["--user", "bob@acme.example", "--name", "till"]);
    let header = basic(&id, &key);
    assert_eq!(error(&revoke(&[&header], &anns)), is(400, "unauthorized_client"));
    assert_eq!(error(&revoke(&[&header], &key)), is(400, "unsupported_token_type"));
    assert_eq!(error(&revoke(&[&basic(&id, "nxk_wrong")], &anns)), is(401, "invalid_client"));
    assert_eq!(server.get("/auth/me", &anns).status, 200);
    let own = grant(&server, (&id, &key), &[]).ok()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(revoke(&[&header], &own).status, 200);
    until_refused(&server, &own);
}

#[test]
fn a_service_is_told_what_a_token_says_and_of_all_others_the_same_nothing() {
    let (world, server) = acme();
    world.tenant_of("other", "eve@other.example", PASSWORD);
    let anns = server.token("acme", ANN, PASSWORD);
    user(&server, &anns, "bob@acme.example", &["Viewer"]);
    let ask =
        |header: &str, token: &str| server.send_form("/oauth/introspect", &[header], &[("token", token)]);
    let good = ask(&bearer(&anns), &anns);
    assert_eq!(good.header("cache-control"), Some("no-store"));
    let said = good.ok();
    let claims = crate::tokens::claims(&anns);
    for name in ["iss", "sub", "aud", "exp", "jti", "tenant", "tenant_id", "roles"] {
        assert_eq!(said[name], claims[name], "{name}");
    }
    assert_eq!((&said["active"], &said["token_type"]), (&json!(true), &json!("Bearer")));
    // A token for another audience is one that its service asks about.
    let billing = world.ok(&["token", "mint", "-t", "acme", "--user", ANN, "--aud", "billing"]);
    assert_eq!(ask(&bearer(&anns), billing.trim()).ok()["aud"], "billing");
    let foreign = server.token("other", "eve@other.example", PASSWORD);
    let revoked = server.token("acme", ANN, PASSWORD);
    server.send_form("/oauth/revoke", &[], &[("token", &revoked)]);
    until_refused(&server, &revoked);
    let refresh =
        server.login(Some("acme"), ANN, PASSWORD).ok()["refresh_token"].as_str().unwrap().to_owned();
    let (id, key) = key(&world, "acme", &["--user", ANN, "--name", "gate", "--scope", "token:introspect"]);
    for header in [bearer(&anns), basic(&id, &key)] {
        for token in [&*foreign, &revoked, &refresh, "nonsense", &format!("{anns}x")] {
            let answer = ask(&header, token);
            assert_eq!((answer.status, &*answer.body), (200, r#"{"active":false}"#), "{token}");
        }
        assert_eq!(ask(&header, &anns).ok()["active"], true);
    }
    // Who may not ask learns nothing, and neither does who says nothing.
    let bobs = server.token("acme", "bob@acme.example", PASSWORD);
    assert_eq!(error(&ask(&bearer(&bobs), &anns)), is(403, "insufficient_scope"));
    let (id, key) = self::key(&world, "acme", &["--user", ANN, "--name", "narrow", "--scope", "user:read"]);
    assert_eq!(error(&ask(&basic(&id, &key), &anns)), is(403, "insufficient_scope"));
    assert_eq!(error(&ask("X-Nothing: x", &anns)), is(401, "invalid_client"));
    assert_eq!(ask(&bearer("nonsense"), &anns).problem(), (401, "token_invalid".to_owned()));
    // Who runs the platform is told of all tenants'.
    let input = format!("{PASSWORD}\n");
    let args = ["user", "create", "--email", "ops@example.com", "--role", "Admin", "--password-stdin"];
    assert!(world.machine().output(&args, &input).status.success());
    let ops = server.login(None, "ops@example.com", PASSWORD).ok();
    let ops = bearer(ops["access_token"].as_str().unwrap());
    assert_eq!(ask(&ops, &foreign).ok()["tenant"], "other");
}

#[test]
fn wrong_secrets_are_counted_like_passwords_and_right_ones_are_not() {
    let (world, _) = acme();
    let server = ApiServer::start_with(&world, &[("passwords_a_minute", "2")]);
    let (id, key) = key(&world, "acme", &["--user", ANN, "--name", "till"]);
    let guess = || grant(&server, (&id, "nxk_wrong"), &[]);
    assert_eq!((guess().status, guess().status), (401, 401));
    let refused = guess();
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    assert!(refused.header("retry-after").is_some());
    for _ in 0..3 {
        assert_eq!(grant(&server, (&id, &key), &[]).status, 200);
    }
}
