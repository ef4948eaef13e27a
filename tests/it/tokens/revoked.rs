//! Taking tokens back.

use std::time::{Duration, Instant};

use nexus::features::tokens::{TokenError, Verifier};

use super::{ANN, BOB, Company, claims};

/// Waits until a token is refused; how long that took.
async fn refused_after(verifier: &Verifier, token: &str) -> Duration {
    let began = Instant::now();
    while verifier.verify(token, "nexus").is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "still accepted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_refused_everywhere_within_two_seconds() {
    let company = tokio::task::block_in_place(Company::new);
    let mint = |email: &str| tokio::task::block_in_place(|| company.mint_for(email, &[]));
    let run = |args: &[&str]| tokio::task::block_in_place(|| company.world.ok(args));
    let (ann, bob, again) = (mint(ANN), mint(BOB), mint(ANN));
    let address = company.server(&company.world.control);
    let one = Verifier::start(&company.tokens(), &address, &nexus::kernel::Caller::System).await.unwrap();
    let two = Verifier::start(&company.tokens(), &address, &nexus::kernel::Caller::System).await.unwrap();
    for token in [&ann, &bob, &again] {
        assert!(one.verify(token, "nexus").is_ok() && two.verify(token, "nexus").is_ok());
    }
    let within = async |token: &str| {
        for verifier in [&one, &two] {
            let took = refused_after(verifier, token).await;
            assert!(took < Duration::from_secs(2), "{took:?}");
        }
    };
    run(&["token", "revoke", claims(&ann)["jti"].as_str().unwrap()]);
    within(&ann).await;
    assert!(one.verify(&again, "nexus").is_ok() && one.verify(&bob, "nexus").is_ok());
    run(&["token", "revoke", "--tenant", "acme", "--user", ANN]);
    within(&again).await;
    assert!(one.verify(&bob, "nexus").is_ok());
    let newer = mint(ANN);
    assert!(one.verify(&newer, "nexus").is_ok(), "a token that is minted after it is good");
    run(&["token", "revoke", "--tenant", "acme", "--yes"]);
    within(&bob).await;
    within(&newer).await;
    let newest = mint(BOB);
    assert!(two.verify(&newest, "nexus").is_ok());
    run(&["token", "revoke", "--before", "0s", "--yes"]);
    within(&newest).await;
    // A restart forgets nothing.
    let three = Verifier::start(&company.tokens(), &address, &nexus::kernel::Caller::System).await.unwrap();
    for token in [&ann, &bob, &again, &newer, &newest] {
        assert!(three.verify(token, "nexus").is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_learn_what_is_revoked_accepts_nothing_and_recovers() {
    let company = tokio::task::block_in_place(Company::new);
    let token = tokio::task::block_in_place(|| company.mint(&[]));
    let address = company.server(&company.world.control);
    let verifier =
        Verifier::start(&company.tokens(), &address, &nexus::kernel::Caller::System).await.unwrap();
    assert!(verifier.verify(&token, "nexus").is_ok());
    let control = company.world.control.clone();
    let cut = |allow: bool| {
        let statement = format!("alter database \"{control}\" allow_connections {allow}");
        tokio::task::block_in_place(|| company.world.sql("postgres", &statement));
    };
    cut(false);
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{control}'");
    tokio::task::block_in_place(|| company.world.sql("postgres", &end));
    let began = Instant::now();
    loop {
        match verifier.verify(&token, "nexus") {
            Ok(_) => assert!(began.elapsed() < Duration::from_millis(2500), "goes by old knowledge"),
            Err(TokenError::Stale { .. }) => break,
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cut(true);
    let began = Instant::now();
    while verifier.verify(&token, "nexus").is_err() {
        assert!(began.elapsed() < Duration::from_secs(5), "does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_token_that_is_minted_between_two_revocations_in_one_second_is_taken_back() {
    let company = Company::new();
    company.mint(&[]);
    for _ in 0..5 {
        company.world.ok(&["token", "revoke", "--tenant", "acme", "--user", ANN]);
        let token = company.mint(&[]);
        assert!(company.accepts(&token));
        company.world.ok(&["token", "revoke", "--tenant", "acme", "--yes"]);
        assert!(!company.accepts(&token));
    }
}

#[test]
fn a_tenant_that_goes_takes_its_tokens_with_it() {
    let company = Company::new();
    let token = company.mint(&[]);
    assert!(company.accepts(&token));
    company.world.ok(&["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"]);
    assert!(!company.accepts(&token));
}

#[test]
fn many_people_are_asked_about_and_a_dry_run_only_counts() {
    let company = Company::new();
    let token = company.mint(&[]);
    for args in [&["token", "revoke", "--tenant", "acme"][..], &["token", "revoke", "--before", "1s"]] {
        let (code, error) = company.world.error(args);
        assert_eq!((code, error["code"].as_str()), (3, Some("confirmation_required")));
    }
    let plan = company.world.json(&["--dry-run", "token", "revoke", "--tenant", "acme"]);
    assert_eq!(plan["recorded"], 1);
    assert!(company.accepts(&token));
    let (code, _) = company.world.error(&["token", "revoke", "--before", "2999-01-01T00:00:00Z", "--yes"]);
    assert_eq!(code, 2);
    company.world.ok(&["token", "revoke", "--before", "1h", "--yes"]);
    assert!(company.accepts(&token), "it is younger than an hour");
    let seen = company.world.run(&["token", "revoke", &token]);
    assert_eq!(seen.status.code(), Some(2));
}

#[test]
fn everybodys_tokens_are_taken_back_at_once_when_that_is_confirmed() {
    let company = Company::new();
    let (ann, bob) = (company.mint(&[]), company.mint_for(BOB, &[]));
    let code = |args: &[&str]| company.world.run(args).status.code();
    assert_eq!(code(&["token", "revoke", "--all"]), Some(3), "nobody to ask");
    assert_eq!(code(&["token", "revoke", "--all", "--tenant", "acme", "--yes"]), Some(2));
    assert!(company.accepts(&ann) && company.accepts(&bob));
    let revoked = company.world.json(&["token", "revoke", "--all", "--yes"]);
    assert_eq!((&revoked["kind"], &revoked["recorded"]), (&"all".into(), &2.into()));
    assert!(!company.accepts(&ann) && !company.accepts(&bob));
}

#[test]
fn a_jti_that_nobody_minted_here_is_told_of() {
    let company = Company::new();
    let output = company.world.run(&["token", "revoke", "0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d"]);
    assert_eq!(output.status.code(), Some(0));
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(note.contains("no valid token with that jti was minted here"), "{note}");
}
