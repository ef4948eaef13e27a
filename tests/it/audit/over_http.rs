//! The platform's log over HTTP: what the command line says of it, and nothing else.

use serde_json::{Value, json};

use super::{chain_anew, finding, tamper, verified, write_rows};
use crate::api::{PASSWORD, each, operated, operator, operator_token};
use crate::support::api::ApiServer;

/// What one request finds of the log.
fn asked(server: &ApiServer, token: &str, query: &str) -> Value {
    server.get(&format!("/audit/platform/verify{query}"), token).ok()
}

/// Behind the row that an answer came to.
fn behind(answer: &Value) -> String {
    format!("?after={}&hash={}", answer["position"], answer["hash"].as_str().unwrap())
}

/// The code and the row of what is wrong.
fn found(server: &ApiServer, token: &str, query: &str) -> (String, String) {
    let answer = asked(server, token, query);
    assert_eq!((&answer["outcome"], &answer["hash"]), (&json!("tampered"), &Value::Null), "{answer}");
    let finding = &answer["findings"][0];
    (finding["code"].as_str().unwrap().to_owned(), finding["object"].as_str().unwrap().to_owned())
}

#[test]
fn both_doors_list_the_same_rows() {
    let (world, server, token) = operated("Auditor");
    let made = world.json(&["tenant", "create", "acme"]);
    world.tenant("birch");
    let gone = world.json(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    write_rows(&world, 3);
    let (id, operation) = (made["id"].as_str().unwrap(), gone["operation"].as_str().unwrap());
    let of_id = format!("tenant={id}");
    let of_operation = format!("operation={operation}");
    let third = world.json(&["audit", "list"])[2]["at"].as_str().unwrap().to_owned();
    let (since, until) = (format!("since={third}"), format!("until={third}"));
    for (args, query, rows) in [
        (vec![], "", None),
        (vec!["--tenant", "acme"], "tenant=acme", Some(2)),
        (vec!["--tenant", id], &of_id, Some(2)),
        (vec!["--tenant", "birch", "--action", "tenant.purge"], "tenant=birch&action=tenant.purge", Some(0)),
        (vec!["--action", "test."], "action=test.", Some(3)),
        (vec!["--action", "%"], "action=%25", Some(0)),
        (vec!["--caller", "machine:ann"], "caller=machine:ann", Some(3)),
        (vec!["--operation", operation], &of_operation, Some(1)),
        (vec!["--since", &third], &since, Some(3)),
        (vec!["--until", &third, "--action", "test."], &format!("{until}&action=test."), Some(0)),
    ] {
        let typed = world.json(&[&["audit", "list"], &*args].concat());
        let sent = server.get(&format!("/audit/platform?{query}"), &token).ok();
        assert_eq!(typed, sent["data"], "{query}");
        if let Some(rows) = rows {
            assert_eq!(sent["data"].as_array().unwrap().len(), rows, "{query}");
        }
    }
    let (mut seen, mut path) = (Vec::new(), "/audit/platform?limit=2".to_owned());
    loop {
        let page = server.get(&path, &token).ok();
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["sequence"].clone()));
        let Some(next) = page["pagination"]["next"].as_str() else { break };
        path = format!("/audit/platform?limit=2&cursor={next}");
    }
    let all = world.json(&["audit", "list"]);
    let all: Vec<Value> = all.as_array().unwrap().iter().map(|row| row["sequence"].clone()).collect();
    assert_eq!(seen, all);
    let (_, error) = world.error(&["audit", "list", "--tenant", "nobody"]);
    let refused = server.get("/audit/platform?tenant=nobody", &token).problem();
    assert_eq!(refused, (404, error["code"].as_str().unwrap().to_owned()));
    // The realm's own log is another.
    let log = server.get("/audit?action=user.sign_in", &token).ok();
    assert_eq!(each(&log, "action"), ["user.sign_in"]);
}

#[test]
fn a_long_log_is_verified_part_by_part() {
    let (world, server, token) = operated("Auditor");
    write_rows(&world, 20_010);
    let first = asked(&server, &token, "");
    assert_eq!(
        (&first["outcome"], &first["rows"], &first["more"]),
        (&json!("intact"), &json!(20_000), &json!(true))
    );
    assert_eq!(first["position"], 20_000);
    let second = asked(&server, &token, &behind(&first));
    let whole = verified(&world, &[]);
    assert_eq!((&second["position"], &second["hash"]), (&whole["position"], &whole["hash"]));
    assert_eq!(second["more"], false);
    assert_eq!(
        first["rows"].as_i64().unwrap() + second["rows"].as_i64().unwrap(),
        whole["rows"].as_i64().unwrap()
    );
    // Behind the last row there is nothing, and nothing is missing.
    let none = asked(&server, &token, &behind(&second));
    assert_eq!((&none["rows"], &none["position"]), (&json!(0), &second["position"]));
    // What is missing right behind a part shows in the next.
    tamper(&world, "delete from control.audit_log where sequence = 20001");
    assert_eq!(asked(&server, &token, "")["outcome"], "intact");
    let missing = ("audit_rows_missing".to_owned(), "row 20001".to_owned());
    assert_eq!(found(&server, &token, &behind(&first)), missing);
}

#[test]
fn both_doors_find_the_same() {
    let (world, server, token) = operated("Auditor");
    write_rows(&world, 9);
    for (change, back) in [
        ("update control.audit_log set caller = caller || ' ' where sequence = 4", "caller = rtrim(caller)"),
        ("update control.audit_log set sequence = 99 where sequence = 5", "sequence = 5"),
    ] {
        tamper(&world, change);
        let (code, position) = finding(&world, &[]);
        assert_eq!(found(&server, &token, ""), (code, format!("row {position}")), "{change}");
        let row = if back.starts_with("seq") { "sequence = 99" } else { "sequence = 4" };
        tamper(&world, &format!("update control.audit_log set {back} where {row}"));
    }
    let last = asked(&server, &token, "");
    assert_eq!(last["outcome"], "intact", "{last}");
    for change in [
        "update control.audit_head set hash = sha256('x')",
        "delete from control.audit_log where sequence = 8",
        "delete from control.audit_log",
        "delete from control.audit_head",
    ] {
        tamper(&world, change);
        let (_, error) = world.error(&["audit", "verify"]);
        assert_eq!(json!(found(&server, &token, "").0), error["code"], "{change}");
    }
}

#[test]
fn whoever_kept_the_end_learns_that_rows_were_removed_after_it() {
    let (world, server, token) = operated("Auditor");
    write_rows(&world, 9);
    let kept = asked(&server, &token, "");
    let last = kept["position"].as_i64().unwrap();
    // A careful forger: the rest fits.
    tamper(
        &world,
        &format!("delete from control.audit_log where sequence > {}; {}", last - 2, chain_anew(last - 4)),
    );
    assert_eq!(asked(&server, &token, "")["outcome"], "intact");
    let cut = ("audit_tail_cut".to_owned(), format!("row {}", last - 1));
    assert_eq!(found(&server, &token, &behind(&kept)), cut);
    write_rows(&world, 4);
    assert_eq!(asked(&server, &token, "")["outcome"], "intact");
    assert_eq!(found(&server, &token, &behind(&kept)).0, "audit_rewritten");
}

#[test]
fn only_who_may_sees_and_verifies_the_log() {
    let (world, server, token) = operated("Auditor");
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    operator(&world, "sue@example.com", "Support");
    let others =
        [operator_token(&server, "sue@example.com"), server.token("acme", "ann@acme.example", PASSWORD)];
    for path in ["/audit/platform", "/audit/platform/verify"] {
        for other in &others {
            assert_eq!(server.get(path, other).problem(), (403, "permission_missing".to_owned()), "{path}");
        }
        server.get(path, &token).ok();
    }
    for query in
        ["after=1", &format!("hash={}", "0".repeat(64)), "after=0&hash=x", "after=1&hash=x", "aftr=1"]
    {
        let refused = server.get(&format!("/audit/platform/verify?{query}"), &token).problem();
        assert_eq!(refused, (400, "query_invalid".to_owned()), "{query}");
    }
    for query in ["tenant=A%20b", "operation=x", "since=monday", "total=exact", "callr=x"] {
        let refused = server.get(&format!("/audit/platform?{query}"), &token).problem();
        assert_eq!(refused, (400, "query_invalid".to_owned()), "{query}");
    }
}
