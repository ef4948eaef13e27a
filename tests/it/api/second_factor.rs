//! A second factor that is shown after the password.

use std::time::{SystemTime, UNIX_EPOCH};

use nexus::infra::crypto::TotpSecret;
use nexus::kernel::ExposeSecret;
use serde_json::{Value, json};

use super::PASSWORD;
use super::mail::Post;
use crate::support::api::Answer;

/// Ann's second factor.
struct Factor {
    secret: TotpSecret,
    recovery: Vec<String>,
}

impl Factor {
    /// Enrols one, with the code of the step before this one.
    fn of(post: &Post) -> Self {
        let ann = ["ann@acme.example", "--tenant", "acme", "--reveal"];
        let enrolled = post.world.json(&[&["user", "factor", "enrol"], &ann[..]].concat());
        let uri = enrolled["uri"].as_str().unwrap();
        let text = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let secret = TotpSecret::from_text(text.into());
        let code = secret.code(now() - 30).unwrap().expose_secret().to_owned();
        let confirm = [&["-o", "json", "user", "factor", "confirm"], &ann[..]].concat();
        let said = post.world.machine().output(&confirm, &format!("{code}\n"));
        let codes: Vec<Value> = serde_json::from_slice(&said.stdout).unwrap();
        let recovery = codes.iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect();
        Self { secret, recovery }
    }

    fn code(&self) -> String {
        self.secret.code(now()).unwrap().expose_secret().to_owned()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn challenge(post: &Post) -> Value {
    let answer = post.server.login(Some("acme"), "ann@acme.example", PASSWORD);
    assert_eq!(answer.problem(), (401, "mfa_required".to_owned()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let challenge = answer.json()["challenge"].clone();
    assert!(challenge.as_str().unwrap().starts_with("nxc_"), "{challenge}");
    challenge
}

fn show(post: &Post, challenge: &Value, code: &str) -> Answer {
    post.send("/auth/login/challenge", &json!({ "challenge": challenge, "code": code }))
}

#[test]
fn a_challenge_is_answered_once_and_by_a_code() {
    let post = Post::new();
    let factor = Factor::of(&post);
    let first = challenge(&post);
    assert_eq!(show(&post, &first, "000000").problem(), (401, "sign_in_refused".to_owned()));
    let code = factor.code();
    let pair = show(&post, &first, &code).ok();
    assert_eq!(post.server.get("/auth/me", pair["access_token"].as_str().unwrap()).status, 200);
    assert_eq!(post.sql("select client, second_factor from nexus.sessions"), ["api|t"]);
    assert_eq!(show(&post, &first, &factor.recovery[0]).problem(), (401, "challenge_invalid".to_owned()));
    // No code is good twice, whatever challenge it is shown with.
    assert_eq!(show(&post, &challenge(&post), &code).problem(), (401, "sign_in_refused".to_owned()));
    assert_eq!(show(&post, &json!("nonsense"), &code).problem(), (401, "challenge_invalid".to_owned()));
    // At once with the password, too.
    let with = json!({ "email": "ann@acme.example", "password": PASSWORD, "code": factor.recovery[0] });
    assert_eq!(post.send("/auth/login", &with).status, 200);
    let kept = post.sql("select t::text from nexus.sign_in_challenges as t");
    assert!(kept.iter().all(|row| !row.contains("nxc_")), "{kept:?}");
}

#[test]
fn of_twenty_answers_at_once_one_signs_in() {
    let post = Post::new();
    let factor = Factor::of(&post);
    assert_eq!(factor.recovery.len(), 10, "{:?}", factor.recovery);
    // The tries are counted as guesses; that is not what this is about.
    post.sql("update nexus.users set failed_attempts = -100, failed_total = -100");
    let challenge = challenge(&post);
    let code = factor.code();
    let statuses = std::thread::scope(|scope| {
        let codes = (0..20).map(|at| factor.recovery.get(at).unwrap_or(&code));
        let all: Vec<_> = codes.map(|code| scope.spawn(|| show(&post, &challenge, code).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(post.sql("select count(*) from nexus.sessions"), ["1"]);
    let left: usize = post.sql("select count(*) from nexus.recovery_codes")[0].parse().unwrap();
    assert!(left >= 9, "a code was used up by an answer that was refused: {left}");
}

#[test]
fn wrong_codes_lock_the_account_as_wrong_passwords_do() {
    let post = Post::new();
    let factor = Factor::of(&post);
    let challenge = challenge(&post);
    let statuses = std::thread::scope(|scope| {
        let guess = || show(&post, &challenge, "000000").status;
        let all: Vec<_> = (0..50).map(|_| scope.spawn(guess)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(statuses.iter().all(|status| [401, 503].contains(status)), "{statuses:?}");
    let counted: u32 = post.sql("select failed_total from nexus.users")[0].parse().unwrap();
    assert!((2..=10).contains(&counted), "{counted}");
    while post.sql("select locked_until is null from nexus.users") == ["t"] {
        show(&post, &challenge, "000000");
    }
    assert_eq!(show(&post, &challenge, &factor.code()).problem(), (401, "sign_in_refused".to_owned()));
    assert_eq!(
        post.server.login(Some("acme"), "ann@acme.example", PASSWORD).problem(),
        (401, "sign_in_refused".to_owned())
    );
}

#[test]
fn a_right_password_without_a_code_is_no_wrong_guess_and_takes_back_no_other() {
    let post = Post::new();
    let factor = Factor::of(&post);
    let counted =
        || post.sql("select failed_attempts, failed_total, locked_until is null, state from nexus.users");
    // More often than wrong ones are allowed.
    let challenges: Vec<Value> = (0..12).map(|_| challenge(&post)).collect();
    assert_eq!(counted(), ["0|0|t|active"]);
    for wrong in 1..=3 {
        assert_eq!(show(&post, &challenges[0], "000000").status, 401);
        challenge(&post);
        assert_eq!(counted(), [format!("{wrong}|{wrong}|t|active")]);
    }
    // The last guess but one, and the last of all: the right password opens what its own count has shut.
    post.sql("update nexus.users set failed_attempts = 9, failed_total = 99");
    let last = challenge(&post);
    assert_eq!(counted(), ["9|99|t|active"]);
    assert_eq!(show(&post, &last, &factor.code()).status, 200);
    assert_eq!(counted(), ["0|0|t|active"]);
    // Who guesses codes is shut out all the same, whatever they know of the password.
    let known = challenge(&post);
    for _ in 0..10 {
        show(&post, &known, "000000");
        post.server.login(Some("acme"), "ann@acme.example", PASSWORD);
    }
    assert_eq!(post.sql("select locked_until is null from nexus.users"), ["f"]);
    let login = post.server.login(Some("acme"), "ann@acme.example", PASSWORD);
    assert_eq!(login.problem(), (401, "sign_in_refused".to_owned()));
}

#[test]
fn a_challenge_ends_with_its_time_and_its_password_and_is_of_one_realm() {
    let post = Post::new();
    let factor = Factor::of(&post);
    post.world.tenant("other");
    let first = challenge(&post);
    let body = json!({ "challenge": first, "code": factor.recovery[0] });
    let elsewhere = post.server.send_json("POST", "/auth/login/challenge", &["X-Tenant-ID: other"], &body);
    assert_eq!(elsewhere.problem(), (401, "challenge_invalid".to_owned()));
    post.sql("update nexus.sign_in_challenges set expires_at = now()");
    assert_eq!(show(&post, &first, &factor.recovery[0]).problem(), (401, "challenge_invalid".to_owned()));
    let second = challenge(&post);
    let set = ["user", "password", "set", "ann@acme.example", "--tenant", "acme", "--password-stdin"];
    post.world.machine().run_with_input(&set, "eight wet dogs on a hill\n");
    assert_eq!(show(&post, &second, &factor.recovery[0]).problem(), (401, "challenge_invalid".to_owned()));
}
