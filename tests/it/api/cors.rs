//! Web pages of other origins.

use super::acme;
use crate::support::api::{Answer, ApiServer, bearer};

const APP: &str = "https://app.example.com";

fn preflight(server: &ApiServer, origin: &str) -> Answer {
    let headers = [
        &format!("Origin: {origin}"),
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: authorization,content-type,if-match,x-tenant-id",
    ];
    server.send("OPTIONS", "/users", &headers, &[])
}

/// The names in a header that lists some, in small letters.
fn names(answer: &Answer, header: &str) -> Vec<String> {
    let list = answer.header(header).unwrap_or_else(|| panic!("{header}: {answer:?}"));
    list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[test]
fn a_page_of_an_origin_that_is_named_may_call_and_no_other() {
    let (world, _) = acme();
    let server =
        ApiServer::start_with(&world, &[("cors_origins", "https://app.example.com, http://localhost:5173")]);
    let allowed = preflight(&server, APP);
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(APP));
    assert!(names(&allowed, "access-control-allow-methods").contains(&"patch".to_owned()));
    for name in ["authorization", "content-type", "if-match", "x-tenant-id", "idempotency-key"] {
        assert!(names(&allowed, "access-control-allow-headers").contains(&name.to_owned()), "{name}");
    }
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    assert!(names(&allowed, "vary").contains(&"origin".to_owned()));
    let other = preflight(&server, "https://app.example.com.evil.example");
    assert_eq!(other.header("access-control-allow-origin"), None);

    let token = server.token("acme", "ann@acme.example", super::PASSWORD);
    let local = "Origin: http://localhost:5173";
    let answer = server.send("GET", "/users", &[&bearer(&token), local], &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
    for name in ["etag", "location", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"] {
        assert!(names(&answer, "access-control-expose-headers").contains(&name.to_owned()), "{name}");
    }
    // A page can read why it was refused, too.
    let refused = server.send("GET", "/users", &[local], &[]);
    assert_eq!(refused.problem(), (401, "token_missing".to_owned()));
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://localhost:5173"));
}

#[test]
fn without_settings_no_page_of_another_origin_may_call() {
    let (_world, server) = acme();
    let answer = preflight(&server, APP);
    assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()));
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn an_origin_that_no_browser_writes_is_refused() {
    let (world, _) = acme();
    for wrong in ["*", "https://app.example.com/", "app.example.com", "https://App.example.com"] {
        let mut command = world.command(&["-o", "json", "serve", "--check"]);
        let output = command.env("NEXUS_CONTEXT_T_SERVE_CORS_ORIGINS", wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("settings_value_invalid"), "{wrong}");
    }
}
