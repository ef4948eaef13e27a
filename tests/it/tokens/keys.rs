//! The life of a signing key.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nexus::features::tokens::{IssueTime, Verifier};
use nexus::infra::crypto::signing::Algorithm;
use nexus::kernel::Caller;
use serde_json::{Value, json};

use super::{ANN, Company, error, kid};

fn states(company: &Company) -> Vec<(String, String)> {
    let listed = company.world.json(&["key", "list", "--all-states"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|key| (text(&key["kid"]), text(&key["state"]))).collect()
}

fn state_of(company: &Company, kid: &str) -> String {
    states(company).into_iter().find(|(id, _)| id == kid).unwrap().1
}

#[test]
fn the_first_key_is_made_once_however_many_ask_at_once() {
    let company = Company::new();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let minting: Vec<_> = (0..8).map(|_| scope.spawn(|| company.mint(&[]))).collect();
        minting.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(tokens.iter().map(|token| kid(token)).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(states(&company).iter().map(|(_, state)| &**state).collect::<Vec<_>>(), ["active", "next"]);
}

#[test]
fn a_rotation_refuses_no_good_token() {
    let company = Company::new();
    let old = company.mint(&[]);
    let (code, refused) = company.world.error(&["key", "rotate"]);
    assert_eq!((code, &refused["code"]), (5, &json!("signing_key_too_young")));
    let plan = company.world.json(&["--dry-run", "key", "rotate", "--now"]);
    let rotated = company.world.json(&["key", "rotate", "--now"]);
    assert_eq!((&plan["active"], &plan["retiring"]), (&rotated["active"], &rotated["retiring"]));
    assert_eq!(rotated["retiring"], json!(kid(&old)));
    let new = company.mint(&[]);
    assert_eq!(rotated["active"], json!(kid(&new)));
    assert!(company.accepts(&old) && company.accepts(&new));
    assert_eq!(state_of(&company, &kid(&old)), "retiring");
    // Its private half is gone: it will never sign again.
    let left =
        company.world.control_sql("select name from control.sealed_secrets where name like 'signing-key.%'");
    assert!(left.len() == 2 && !left.contains(&format!("signing-key.{}", kid(&old))), "{left:?}");
}

#[test]
fn an_emergency_refuses_all_tokens_of_a_key_and_others_go_on() {
    let company = Company::new();
    let old = company.mint(&[]);
    let leaked = kid(&old);
    let (code, refused) = company.world.error(&["key", "retire", &leaked]);
    assert_eq!((code, &refused["code"]), (5, &json!("signing_key_state")));
    let (code, refused) = company.world.error(&["key", "retire", &leaked, "--now"]);
    assert_eq!((code, &refused["code"]), (3, &json!("confirmation_required")));
    assert!(company.accepts(&old));
    company.world.ok(&["key", "retire", &leaked, "--now", "--yes", "--confirm", &leaked]);
    assert!(!company.accepts(&old));
    assert_eq!(state_of(&company, &leaked), "gone");
    assert!(company.accepts(&company.mint(&[])));
    let (code, _) = company.world.error(&["key", "retire", "0000", "--now", "--yes", "--confirm", "0000"]);
    assert_eq!(code, 4);
}

#[test]
fn a_next_key_that_is_retired_is_replaced() {
    let company = Company::new();
    company.mint(&[]);
    let next = states(&company)[1].0.clone();
    company.world.ok(&["key", "retire", &next]);
    assert_eq!(state_of(&company, &next), "gone");
    assert_eq!(states(&company).iter().filter(|(_, state)| state == "next").count(), 1);
}

#[test]
fn a_rotation_that_dies_has_changed_nothing() {
    let company = Company::new();
    let token = company.mint(&[]);
    let before = states(&company);
    company.world.killed_at("key.rotate.between", &["key", "rotate", "--now"]);
    assert_eq!(states(&company), before);
    assert!(company.accepts(&token));
    company.world.ok(&["key", "rotate", "--now"]);
    assert!(company.accepts(&token));
}

#[test]
fn a_key_that_is_put_back_after_its_end_is_refused() {
    let company = Company::new();
    let token = company.mint(&[]);
    company.world.ok(&["key", "rotate", "--now"]);
    company.world.control_sql(&format!(
        "update control.signing_keys set state = 'retiring', good_until = now() + interval '9 years' where kid = '{}'",
        kid(&token)
    ));
    // What was sealed still ends when it should.
    let listed = company.tokens();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ring =
        runtime.block_on(async { listed.ring(&mut company.control().await, &Caller::System).await.unwrap() });
    let ends = ring.key(&kid(&token)).unwrap().good_until.unwrap();
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    assert!((3600..3700).contains(&(ends - now)), "{}", ends - now);
    // And a state that contradicts it is an error.
    company.world.control_sql(&format!(
        "delete from control.signing_keys where state = 'active';
         update control.signing_keys set state = 'active' where kid = '{}'",
        kid(&token)
    ));
    let output = company.run(&["-o", "json", "token", "verify"], &token);
    assert_eq!((output.status.code(), &error(&output)["code"]), (Some(9), &json!("signing_key_damaged")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_under_load_refuse_no_token() {
    let company = tokio::task::block_in_place(Company::new);
    let (tokens, caller) = (company.tokens(), Caller::Machine("test".to_owned()));
    let address = company.server(&company.world.control);
    let mut realm = company.realm().await;
    let mut control = company.control().await;
    let mut mint = async |control: &mut _| {
        realm.as_of = IssueTime::read(control).await.unwrap();
        let minted = super::mint_inside(&company, control, &mut realm).await.unwrap();
        nexus::kernel::ExposeSecret::expose_secret(&minted.token).to_owned()
    };
    let mut all = vec![mint(&mut control).await];
    let verifier = Verifier::start(&tokens, &address, &Caller::System).await.unwrap();
    let rotating = {
        let (tokens, caller, mut control) = (tokens.clone(), caller.clone(), company.control().await);
        tokio::spawn(async move {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(1200)).await;
                tokens.rotate(&mut control, &caller, Algorithm::EdDsa, true).await.unwrap();
            }
        })
    };
    let mut checks = 0;
    let mut refused = Vec::new();
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        all.push(mint(&mut control).await);
        for token in all.iter().rev().step_by(all.len().div_ceil(20)) {
            checks += 1;
            if let Err(error) = verifier.verify(token, "nexus") {
                refused.push(format!("{:?}", error.flaw()));
            }
        }
    }
    rotating.await.unwrap();
    assert!(refused.is_empty(), "{} of {checks}: {:?}", refused.len(), &refused[..1]);
    let keys: BTreeSet<String> = all.iter().map(|token| kid(token)).collect();
    assert!(keys.len() >= 4, "{} keys, {} tokens", keys.len(), all.len());

    // Each old key in turn is dead within two seconds of an emergency.
    let old = kid(&all[0]);
    tokens.retire(&mut control, &caller, &old, true).await.unwrap();
    let began = Instant::now();
    while verifier.verify(&all[0], "nexus").is_ok() {
        assert!(began.elapsed() < Duration::from_secs(2), "still accepted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(verifier.verify(all.last().unwrap(), "nexus").is_ok());
}

/// Runs SQL on the control database past its triggers and foreign keys, as an attacker would.
fn past_all_rules(company: &Company, statement: &str) {
    company.world.control_sql(&format!("set session_replication_role to replica; {statement}"));
}

fn is_well(company: &Company) {
    let found = company.world.run(&["fsck"]);
    assert_eq!(found.status.code(), Some(0), "{}", String::from_utf8_lossy(&found.stdout));
}

/// That minting ends with exit code 9 and this hint.
fn cannot_mint(company: &Company, hint: &str) {
    let (code, error) = company.world.error(&["token", "mint", "--tenant", "acme", "--user", ANN]);
    assert_eq!((code, &error["hint"]), (9, &json!(hint)), "{error}");
}

#[test]
fn a_key_whose_row_was_deleted_is_replaced_and_what_is_left_of_it_erased() {
    let company = Company::new();
    for state in ["active", "next"] {
        company.mint(&[]);
        let all = states(&company);
        let kid = all.into_iter().find(|(_, is)| is == state).unwrap().0;
        past_all_rules(&company, &format!("delete from control.signing_keys where kid = '{kid}'"));
        if state == "active" {
            cannot_mint(&company, "nexus key rotate --algorithm EdDSA");
        }
        company.world.ok(&["key", "rotate", "--now"]);
        company.mint(&[]);
        assert_eq!(company.world.run(&["fsck"]).status.code(), Some(9), "{state}: what is sealed is left");
        company.world.ok(&["--dry-run", "key", "retire", &kid, "--now"]);
        company.world.ok(&["key", "retire", &kid, "--now", "--yes", "--confirm", &kid]);
        is_well(&company);
    }
}

#[test]
fn a_key_that_was_marked_gone_by_hand_can_be_retired() {
    let company = Company::new();
    let kid = kid(&company.mint(&[]));
    past_all_rules(
        &company,
        "update control.signing_keys set state = 'gone' where state = 'active';
         update control.signing_keys set state = 'active' where state = 'next'",
    );
    company.world.ok(&["key", "rotate", "--now"]);
    company.world.ok(&["key", "retire", &kid, "--now", "--yes", "--confirm", &kid]);
    is_well(&company);
}

#[test]
fn a_key_whose_private_half_was_deleted_is_replaced_by_a_rotation() {
    let company = Company::new();
    let token = company.mint(&[]);
    for left in [
        // Of the active key, and of all keys.
        format!("delete from control.sealed_secrets where name = 'signing-key.{}'", kid(&token)),
        "delete from control.sealed_secrets where name like 'signing-key.%'".to_owned(),
    ] {
        past_all_rules(&company, &left);
        cannot_mint(&company, "nexus key rotate --algorithm EdDSA --now");
        let found = company.world.run(&["fsck"]);
        let said = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(said.contains("signing_keys_changed") && !said.contains("00000000"), "{said}");
        company.world.ok(&["key", "rotate", "--now"]);
        company.mint(&[]);
        assert!(company.accepts(&token), "no good token is refused");
        is_well(&company);
    }
}

#[test]
fn keys_whose_data_key_was_deleted_are_replaced_by_a_rotation() {
    for also in
        ["", "delete from control.sealed_secrets where tenant_id = '00000000-0000-0000-0000-000000000000';"]
    {
        let company = Company::new();
        let token = company.mint(&[]);
        let deleted =
            "delete from control.data_keys where tenant_id = '00000000-0000-0000-0000-000000000000'";
        past_all_rules(&company, &format!("{also} {deleted}"));
        cannot_mint(&company, "nexus key rotate --algorithm EdDSA --now");
        company.world.ok(&["key", "rotate", "--now"]);
        company.mint(&[]);
        assert!(company.accepts(&token), "no good token is refused");
        is_well(&company);
    }
}
