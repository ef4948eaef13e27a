//! One clock decides, the control database's: a program whose own clock is an hour off writes and
//! checks the same as any other. Times of tokens are never in the future.

use std::process::{Command, Output, Stdio};

use nexus::features::tokens::{Before, IssueTime, Revocation, Verifier};
use nexus::kernel::{Caller, ExposeSecret};
use time::OffsetDateTime;

use super::{ANN, BOB, Company, claims};

/// An hour behind, and an hour ahead.
const SHIFTS: [&str; 2] = ["-3600", "+3600"];

/// The library that shifts a program's clock.
fn library() -> String {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/faketime");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Runs a command whose clock is so many seconds off.
fn shifted(company: &Company, by: &str, args: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut command = company.world.command(args);
    command.stdin(Stdio::piped());
    command.env("LD_PRELOAD", library()).env("FAKETIME", by).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn ok(company: &Company, by: &str, args: &[&str]) -> String {
    let output = shifted(company, by, args, "");
    assert!(output.status.success(), "{by} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[test]
fn the_library_shifts_the_clock_of_a_command() {
    let company = Company::new();
    for by in SHIFTS {
        // Whoever asks no database knows no other clock than its own.
        company.development_key();
        let mint = ["token", "mint", "--offline", "--key", "dev.key", "--tenant", "acme", "--user", ANN];
        let iat = claims(&ok(&company, by, &mint))["iat"].as_i64().unwrap();
        let shift: i64 = by.parse().unwrap();
        assert!((iat - now() - shift).abs() < 60, "{by}: {iat}");
        std::fs::remove_file(company.world.machine().path("work/dev.key")).unwrap();
    }
}

#[test]
fn a_program_whose_clock_is_off_mints_checks_and_revokes_as_any_other() {
    let company = Company::new();
    for by in SHIFTS {
        let mint = ["token", "mint", "--tenant", "acme", "--user", ANN];
        let before = now();
        let (theirs, usual) = (ok(&company, by, &mint), company.mint(&[]));
        let said = claims(&theirs);
        assert!((before - 1..=now()).contains(&said["iat"].as_i64().unwrap()), "{by}: {said}");
        for token in [&theirs, &usual] {
            assert!(company.accepts(token), "{by}");
            assert!(shifted(&company, by, &["token", "verify"], token).status.success(), "{by}");
        }
        // What is older than half an hour: nothing here.
        ok(&company, by, &["token", "revoke", "--before", "30m", "--yes"]);
        assert!(company.accepts(&theirs) && company.accepts(&usual), "{by}");
        ok(&company, by, &["token", "revoke", "--tenant", "acme", "--user", ANN]);
        assert!(!company.accepts(&theirs) && !company.accepts(&usual), "{by}");
        assert!(company.accepts(&company.mint(&[])), "{by}: what is minted after it");
        let later = company
            .world
            .control_sql("select count(*) from control.token_revocations where issued_until > now()");
        assert_eq!(later, ["0"], "{by}");
        let young = shifted(&company, by, &["-o", "json", "key", "rotate"], "");
        assert_eq!(super::error(&young)["code"], "signing_key_too_young", "{by}");
    }
}

#[test]
fn sessions_keys_and_invitations_of_a_program_whose_clock_is_off_are_as_any_others() {
    let company = Company::new();
    for (number, by) in SHIFTS.into_iter().enumerate() {
        let file = company.world.machine().path(&format!("session-{number}")).display().to_string();
        ok(&company, by, &["token", "mint", "--tenant", "acme", "--user", BOB, "--refresh-file", &file]);
        let refresh = ["token", "refresh", "--file", &file];
        assert!(company.accepts(company.world.ok(&refresh).trim_end()), "{by}");
        assert!(company.accepts(&ok(&company, by, &refresh)), "{by}");
        let (name, key) = (format!("bot{number}"), format!("bot{number}.key"));
        let more = ["--name", &name, "--file", &key, "--expires", "20m"];
        let make = [&["api-key", "create", "--tenant", "acme", "--user", BOB][..], &more].concat();
        ok(&company, by, &make);
        company.world.ok(&["api-key", "verify", "--file", &key]);
        ok(&company, by, &["api-key", "verify", "--file", &key]);
        let invited = format!("guest{number}@acme.example");
        let invite = ["user", "create", "--tenant", "acme", "--email", &invited, "--invite"];
        ok(&company, by, &invite);
        let again = ["-o", "json", "user", "invite", &invited, "--tenant", "acme", "--reveal"];
        let said: serde_json::Value = serde_json::from_str(&ok(&company, by, &again)).unwrap();
        let kept = company.realm_sql(&format!(
            "select extract(epoch from expires_at - timestamptz '{}') between -1 and 1,
                    expires_at - now() between interval '1 day' and interval '60 days'
             from nexus.invitations join nexus.users on users.id = user_id where email = '{invited}'",
            said["expires_at"].as_str().unwrap()
        ));
        assert_eq!(kept, ["t|t"], "{by}: {said}");
        // A session of before is over, whoever says so.
        ok(&company, by, &["token", "revoke", "--tenant", "acme", "--user", BOB]);
        assert!(!company.world.run(&refresh).status.success(), "{by}");
    }
}

#[test]
fn an_operator_is_let_in_for_as_long_as_was_said() {
    let company = Company::new();
    company.world.ok(&["user", "create", "--email", "op@example.com", "--invite"]);
    company.world.control_sql("update nexus.users set state = 'active'");
    for by in SHIFTS {
        let grant = ["operator", "grant", "op@example.com", "--tenant", "acme", "--role", "Viewer"];
        ok(&company, by, &[&grant[..], &["--for", "1h", "--reason", "test"]].concat());
        let left = company.realm_sql(
            "select bool_and(expires_at - now() between interval '59 minutes' and interval '61 minutes')
             from nexus.operator_grants where revoked_at is null",
        );
        assert_eq!(left, ["t"], "{by}");
    }
}

/// JSON Web Tokens have whole seconds: many changes within one must not push the next token into the
/// future, and not let an older one pass.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_issued_after_sixty_revocations_in_a_second_is_good_at_once_and_not_in_the_future() {
    let company = tokio::task::block_in_place(Company::new);
    let (tokens, caller) = (company.tokens(), Caller::Machine("test".to_owned()));
    let (mut control, mut realm) = (company.control().await, company.realm().await);
    let subject = super::subject(&company, &mut realm, ANN).await;
    let mut earlier = Vec::new();
    for _ in 0..60 {
        realm.as_of = IssueTime::read(&mut control).await.unwrap();
        earlier.push(super::mint_inside(&company, &mut control, &mut realm).await.unwrap());
        let all = Revocation::User(realm.name.id, subject.id, Before::Now);
        tokens.revoke(&mut control, &caller, all).await.unwrap();
    }
    realm.as_of = IssueTime::read(&mut control).await.unwrap();
    let minted = super::mint_inside(&company, &mut control, &mut realm).await.unwrap();
    assert!(minted.claims.iat <= now() && minted.claims.nbf <= now(), "{:?}", minted.claims);
    let verifier = Verifier::once(&tokens, &mut control, &caller).await.unwrap();
    assert!(verifier.verify(minted.token.expose_secret(), "nexus").is_ok());
    for old in &earlier {
        assert!(verifier.verify(old.token.expose_secret(), "nexus").is_err(), "{:?}", old.claims);
    }
    let future = "select count(*) from control.token_revocations where issued_until > now()";
    assert_eq!(tokio::task::block_in_place(|| company.world.control_sql(future)), ["0"]);
}
