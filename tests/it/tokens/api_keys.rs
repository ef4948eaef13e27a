//! API keys, for machines.

use serde_json::json;

use super::{ANN, BOB, Company, error};

fn create<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["api-key", "create", "--tenant", "acme"][..], more].concat()
}

#[test]
fn a_key_is_shown_once_kept_as_a_hash_and_stands_for_its_user() {
    let company = Company::new();
    let made =
        company.world.json(&create(&["--user", BOB, "--name", "ci", "--scope", "invoice:read", "--reveal"]));
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("nxk_") && key.ends_with(made["hint"].as_str().unwrap()), "{key}");
    let output = company.run(&["-o", "json", "api-key", "verify"], &key);
    let holder: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&holder["subject"]["email"], &holder["scopes"]), (&json!(BOB), &json!(["invoice:read"])));
    let dump = company.realm_sql("select k.*::text from nexus.api_keys k").concat();
    assert!(!dump.contains(&key[4..]), "{dump}");
    for log in [
        company
            .world
            .control_sql("select detail::text from control.audit_log where action = 'api_key.create'"),
        company.realm_sql("select detail::text from nexus.audit_log where action = 'api_key.create'"),
    ] {
        assert_eq!(log.len(), 1);
        assert!(!log[0].contains(&key[4..]));
    }
    let slip = ["api-key", "list", "--tenant", "acme", "--user", "bib@acme.example"];
    let (code, error) = company.world.error(&slip);
    assert_eq!((code, &error["hint"]), (4, &json!("did you mean bob@acme.example?")));
    let listed = company.world.json(&["api-key", "list", "-t", "acme", "--user", BOB]);
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("ci"), &json!("good")));
    assert!(listed[0]["last_used_at"].is_string() && !listed.to_string().contains(&key));
}

#[test]
fn no_key_is_made_that_has_expired_or_has_no_place() {
    let company = Company::new();
    std::fs::write(company.world.machine().path("work/taken"), "mine\n").unwrap();
    let new = create(&["--user", BOB, "--name", "ci"]);
    for (more, expected) in [
        (["--reveal", "--expires", "0d"].as_slice(), 2),
        (&["--reveal", "--expires", "0s"], 2),
        (&["--file", "taken"], 5),
        (&["--file", "nowhere/key"], 2),
    ] {
        let output = company.world.run(&[&new[..], more].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{said}");
        assert_eq!(more.contains(&"--expires"), said.contains("1s to 36600d"), "{said}");
    }
    assert_eq!(company.realm_sql("select count(*) from nexus.api_keys"), ["0"]);
}

#[test]
fn the_help_of_a_check_speaks_of_keys() {
    let help = crate::support::machine::Machine::new().run(&["api-key", "verify", "--help"]);
    assert!(help.contains("Read the key from this file"), "{help}");
}

#[test]
fn whatever_is_wrong_with_a_key_the_answer_is_the_same() {
    let company = Company::new();
    let key = |more: &[&str]| {
        let made = company.world.json(&[&create(&["--reveal"])[..], more].concat());
        (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
    };
    let (good, _) = key(&["--user", BOB, "--name", "good"]);
    let (revoked, id) = key(&["--user", ANN, "--name", "revoked"]);
    let (expired, _) = key(&["--user", ANN, "--name", "expired", "--expires", "1h"]);
    let verify = |key: &str| company.run(&["-o", "json", "api-key", "verify"], key);
    for key in [&good, &revoked, &expired] {
        assert_eq!(verify(key).status.code(), Some(0));
    }
    company.world.ok(&["api-key", "revoke", "--tenant", "acme", &id]);
    company.realm_sql("update nexus.api_keys set expires_at = now() where name = 'expired'");
    let mut other = good.clone().into_bytes();
    other[40] = if other[40] == b'A' { b'B' } else { b'A' };
    let other = String::from_utf8(other).unwrap();
    // The same random bits under the id of a tenant that is not there.
    let elsewhere = format!("nxk_AAAA{}", &good[8..]);
    let refused: Vec<_> =
        [revoked.as_str(), &expired, &other, &elsewhere, "nxk_", "rubbish"].map(verify).into();
    for output in &refused {
        assert_eq!((output.status.code(), &error(output)["code"]), (Some(3), &json!("api_key_invalid")));
        assert_eq!(output.stderr, refused[0].stderr);
    }
    company.realm_sql(&format!("update nexus.users set state = 'disabled' where email = '{BOB}'"));
    assert_eq!(verify(&good).stderr, refused[0].stderr);
}

#[test]
fn the_last_use_is_not_written_each_time() {
    let company = Company::new();
    let made = company.world.json(&create(&["--user", BOB, "--name", "ci", "--reveal"]));
    let key = made["key"].as_str().unwrap();
    let version = || company.realm_sql("select xmin from nexus.api_keys");
    company.run(&["api-key", "verify"], key);
    let first = version();
    company.run(&["api-key", "verify"], key);
    assert_eq!(version(), first);
    company.realm_sql("update nexus.api_keys set last_used_at = now() - interval '6 minutes'");
    let old = version();
    company.run(&["api-key", "verify"], key);
    assert_ne!(version(), old);
}

#[test]
fn nobody_gets_from_a_key_what_they_do_not_hold() {
    let company = Company::new();
    let (code, refused) = company.world.error(&create(&[
        "--user",
        BOB,
        "--name",
        "ci",
        "--scope",
        "invoice:update",
        "--reveal",
    ]));
    assert_eq!((code, &refused["code"]), (3, &json!("permission_not_held")));
    let (code, _) = company.world.error(&create(&["--user", BOB, "--name", "ci"]));
    assert_eq!(code, 2, "neither a file nor --reveal");
    company.world.ok(&create(&["--user", BOB, "--name", "ci", "--file", "ci.key"]));
    let (code, refused) = company.world.error(&create(&["--user", BOB, "--name", "ci", "--reveal"]));
    assert_eq!((code, &refused["code"]), (5, &json!("api_key_exists")));
    let (code, _) = company.world.error(&create(&["--user", BOB, "--name", "new", "--file", "ci.key"]));
    assert_eq!(code, 5, "the file is there");
    assert_eq!(company.realm_sql("select count(*) from nexus.api_keys"), ["1"]);
}

#[test]
fn a_tenants_own_login_sees_neither_keys_nor_sessions() {
    let company = Company::new();
    company.world.ok(&create(&["--user", BOB, "--name", "ci", "--file", "ci.key"]));
    let env = company.world.env("acme");
    let login = |name: &str| env[name].as_str().unwrap();
    for table in ["api_keys", "refresh_tokens", "sessions", "audit_log"] {
        for statement in [
            format!("select * from nexus.{table}"),
            format!("delete from nexus.{table}"),
            format!("insert into nexus.{table} default values"),
        ] {
            let said =
                company.world.sql_as(login("PGUSER"), login("PGPASSWORD"), login("PGDATABASE"), &statement);
            assert!(
                said.as_ref().is_err_and(|why| why.contains("permission denied")),
                "{statement}: {said:?}"
            );
        }
    }
}
