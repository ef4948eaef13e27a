//! Signing in, and what stops those who should not.

use std::time::Instant;

use nexus::features::iam::signin::{self, Credentials, Entrance, Purpose};
use nexus::features::iam::{IamError, Realm, users};
use nexus::infra::crypto::TotpSecret;
use nexus::kernel::{Expected, ExposeSecret, Failure, SecretString};

use super::inside::{machine, realm, run, who};
use super::{acme, json, sql};

const PASSWORD: &str = "nine wet dogs on a hill";

fn credentials(email: &str, password: &str, code: Option<&str>) -> Credentials {
    Credentials {
        email: email.parse().unwrap(),
        password: password.into(),
        code: code.map(SecretString::from),
        client: "a test".to_owned(),
    }
}

async fn try_in(realm: &mut Realm, email: &str, password: &str) -> Result<(), IamError> {
    signin::sign_in(realm, &credentials(email, password, None)).await.map(drop)
}

#[test]
fn of_fifty_guesses_at_once_no_more_than_the_limit_are_tried_and_the_victim_recovers() {
    let world = acme();
    run(async {
        let mut guesses = tokio::task::JoinSet::new();
        let mut realms = Vec::new();
        for _ in 0..25 {
            realms.push(realm(&world, Some("acme")).await);
        }
        for mut realm in realms {
            guesses.spawn(async move {
                let first = try_in(&mut realm, "ann@acme.example", "wrong wrong wrong wrong").await;
                let second = try_in(&mut realm, "ann@acme.example", "wrong again, wrong again").await;
                [first.is_ok(), second.is_ok()]
            });
        }
        while let Some(in_) = guesses.join_next().await {
            assert_eq!(in_.unwrap(), [false, false]);
        }
    });
    assert_eq!(sql(&world, "select failed_total, failed_attempts from nexus.users"), ["10|10"]);
    assert_eq!(json(&world, &["user", "list", "--state", "locked"])[0]["email"], "ann@acme.example");
    let mut realm = run(realm(&world, Some("acme")));
    // Not even with the right password, until the wait is over or somebody unlocks it.
    assert!(run(try_in(&mut realm, "ann@acme.example", PASSWORD)).is_err());
    json(&world, &["user", "unlock", "ann@acme.example"]);
    drop(realm);
    run(async {
        let mut realm = super::inside::realm(&world, Some("acme")).await;
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap();
        for _ in 0..10 {
            try_in(&mut realm, "ann@acme.example", "wrong wrong wrong wrong").await.unwrap_err();
        }
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap_err();
        sql(&world, "update nexus.users set locked_until = now() - interval '1 second'");
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap();
    });
    assert_eq!(
        sql(&world, "select failed_total, failed_attempts, locked_until is null from nexus.users"),
        ["0|0|t"]
    );
}

#[test]
fn after_a_hundred_wrong_passwords_in_a_row_only_a_person_or_a_token_opens_the_account() {
    let world = acme();
    sql(&world, "update nexus.users set failed_total = 99");
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        try_in(&mut realm, "ann@acme.example", "wrong wrong wrong wrong").await.unwrap_err();
        sql(&world, "update nexus.users set locked_until = null");
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap_err();
        let issued = signin::issue_token(&mut realm, &machine(), &who("ann@acme.example"), Purpose::Reset)
            .await
            .unwrap();
        let fresh = SecretString::from("four more wet dogs on it");
        signin::redeem(&mut realm, &issued.token.unwrap(), &fresh).await.unwrap();
        try_in(&mut realm, "ann@acme.example", fresh.expose_secret()).await.unwrap();
    });
}

#[test]
fn unknown_wrong_disabled_invited_deleted_and_locked_are_one_answer_and_cost_the_same() {
    let world = acme();
    let password = SecretString::from(PASSWORD);
    for name in ["wrong", "disabled", "deleted", "locked", "invited"] {
        super::user(&world, &format!("{name}@acme.example"));
    }
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        for name in ["wrong", "disabled", "deleted", "locked"] {
            let user = who(&format!("{name}@acme.example"));
            signin::set_password(&mut realm, &machine(), &user, &password).await.unwrap();
        }
        users::disable(&mut realm, &machine(), &who("disabled@acme.example")).await.unwrap();
        users::delete(&mut realm, &machine(), &who("deleted@acme.example"), &Expected::Any).await.unwrap();
        sql(
            &world,
            "update nexus.users set locked_until = now() + interval '1 hour' where email like 'locked%'",
        );
        let names = ["unknown", "wrong", "disabled", "deleted", "locked", "invited"];
        let mut times = vec![Vec::new(); names.len()];
        let mut answers = std::collections::BTreeSet::new();
        // The least of each: what the machine does besides only adds. A busy one needs more rounds.
        let least = |times: &[Vec<std::time::Duration>]| -> Vec<f64> {
            times.iter().map(|times| times.iter().min().unwrap().as_secs_f64()).collect()
        };
        let spread = |least: &[f64]| {
            let (low, high) = least.iter().fold((f64::MAX, 0.0_f64), |(a, b), it| (a.min(*it), b.max(*it)));
            high / low
        };
        for round in 0..200 {
            if round > 12 && spread(&least(&times)) < 1.5 {
                break;
            }
            for (index, name) in names.iter().enumerate() {
                // Whose account is open has another password; the others know the right one.
                let tried = if *name == "wrong" { "something else entirely" } else { PASSWORD };
                sql(
                    &world,
                    "update nexus.users set failed_attempts = 0, failed_total = 0 where email like 'wrong%'",
                );
                let begun = Instant::now();
                let error = try_in(&mut realm, &format!("{name}@acme.example"), tried).await.unwrap_err();
                if round > 0 {
                    times[index].push(begun.elapsed());
                }
                answers.insert(format!(
                    "{error} {error:?} {} {:?} {:?}",
                    error.code(),
                    error.hints(),
                    error.kind()
                ));
            }
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        let least = least(&times);
        assert!(spread(&least) < 1.5, "{least:?}");
    });
}

#[test]
fn a_second_factor_is_needed_once_confirmed_and_no_code_is_good_twice() {
    let world = acme();
    let ann = who("ann@acme.example");
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let enrolment = signin::enrol_factor(&mut realm, &machine(), &ann).await.unwrap();
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap();
        let uri = enrolment.uri.expose_secret().to_owned();
        let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let totp = TotpSecret::from_text(secret.clone().into());
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let wrong = signin::confirm_factor(&mut realm, &machine(), &ann, &"000000x".into()).await;
        assert!(matches!(wrong, Err(IamError::Code)));
        // The code of the step before is good, too: so there are two for this test without waiting.
        let first = totp.code(now() - 30).unwrap();
        let recovery = signin::confirm_factor(&mut realm, &machine(), &ann, &first).await.unwrap();
        assert_eq!(recovery.len(), 10);
        let without = signin::sign_in(&mut realm, &credentials("ann@acme.example", PASSWORD, None)).await;
        assert!(matches!(without, Ok(Entrance::Challenge(_))));
        let with = |code: &str| credentials("ann@acme.example", PASSWORD, Some(code));
        let again = signin::sign_in(&mut realm, &with(first.expose_secret())).await;
        assert!(matches!(again, Err(IamError::SignIn)));
        let code = totp.code(now()).unwrap();
        let Ok(Entrance::In(signed_in)) = signin::sign_in(&mut realm, &with(code.expose_secret())).await
        else {
            panic!("a good code was refused")
        };
        assert!(signed_in.second_factor);
        assert!(matches!(
            signin::sign_in(&mut realm, &with(code.expose_secret())).await,
            Err(IamError::SignIn)
        ));
        for expected in [true, false] {
            let used = signin::sign_in(&mut realm, &with(recovery[0].expose_secret())).await;
            assert_eq!(used.is_ok(), expected);
        }
        // A short password is enough beside it, and only beside it.
        let short = SecretString::from("wet dogs");
        signin::set_password(&mut realm, &machine(), &ann, &short).await.unwrap();
        signin::remove_factor(&mut realm, &machine(), &ann).await.unwrap();
        assert!(signin::set_password(&mut realm, &machine(), &ann, &short).await.is_err());
        let dump = world.control_sql("select t::text from control.sealed_secrets as t").join("\n");
        assert!(!dump.contains(&secret) && !dump.contains("otpauth"), "{dump}");
    });
}

#[test]
fn a_token_sets_a_password_once_and_not_for_who_is_shut_out() {
    let world = acme();
    super::user(&world, "bob@acme.example");
    let file = |name: &str| world.machine().path(&format!("work/{name}"));
    json(&world, &["user", "invite", "bob@acme.example", "--invitation-file", "old"]);
    json(&world, &["user", "invite", "bob@acme.example", "--invitation-file", "new"]);
    let token = std::fs::read_to_string(file("new")).unwrap();
    assert!(
        sql(&world, "select t::text from nexus.invitations as t")
            .iter()
            .all(|row| !row.contains(token.trim()))
    );
    let set = |name: &str, password: &str| {
        let args = ["user", "password", "set", "--token-file", name, "--password-stdin", "--tenant", "acme"];
        world.machine().output(&args, &format!("{password}\n")).status.code()
    };
    // An older one is good no more, a refused password leaves the token good, and it is used up once.
    assert_eq!(set("old", "seven dry cats in a barn"), Some(3));
    assert_eq!(set("new", "password1234567"), Some(2));
    assert_eq!(set("new", "seven dry cats in a barn"), Some(0));
    assert_eq!(set("new", "seven dry cats in a barn"), Some(3));
    assert_eq!(json(&world, &["user", "show", "bob@acme.example"])["state"], "active");
    json(&world, &["user", "password", "reset", "bob@acme.example", "--invitation-file", "reset"]);
    json(&world, &["user", "disable", "bob@acme.example"]);
    assert_eq!(set("reset", "eight dry cats in a barn"), Some(3));
    json(&world, &["user", "enable", "bob@acme.example"]);
    assert_eq!(set("reset", "eight dry cats in a barn"), Some(3));
    json(&world, &["user", "password", "reset", "bob@acme.example", "--invitation-file", "late"]);
    sql(&world, "update nexus.invitations set expires_at = now()");
    assert_eq!(set("late", "eight dry cats in a barn"), Some(3));
}

#[test]
fn shutting_a_user_out_ends_its_sessions() {
    let world = acme();
    super::user(&world, "bob@acme.example");
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        let bob = who("bob@acme.example");
        signin::set_password(&mut realm, &machine(), &bob, &PASSWORD.into()).await.unwrap();
        try_in(&mut realm, "bob@acme.example", PASSWORD).await.unwrap();
        try_in(&mut realm, "BOB@acme.example", PASSWORD).await.unwrap();
    });
    let states = |world: &crate::support::world::World| {
        let list = json(world, &["user", "sessions", "list", "bob@acme.example"]);
        list.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&world), ["open", "open"]);
    let one =
        json(&world, &["user", "sessions", "list", "bob@acme.example"])[0]["id"].as_str().unwrap().to_owned();
    json(&world, &["user", "sessions", "revoke", "--session", &one]);
    assert_eq!(states(&world), ["revoked", "open"]);
    json(&world, &["user", "disable", "bob@acme.example"]);
    assert_eq!(states(&world), ["revoked", "revoked"]);
}

#[test]
fn a_hash_grows_with_the_settings_at_the_next_sign_in() {
    let world = acme();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap();
    });
    let before = sql(&world, "select password_hash from nexus.users");
    assert!(before[0].contains("m=19456,t=2,p=1"));
    let file = world.machine().path("work/nexus.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}[context.t.passwords]\nmemory_kib = 32768\npasses = 3\n")).unwrap();
    run(async {
        let mut realm = realm(&world, Some("acme")).await;
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap();
        try_in(&mut realm, "ann@acme.example", PASSWORD).await.unwrap();
    });
    assert!(sql(&world, "select password_hash from nexus.users")[0].contains("m=32768,t=3,p=1"));
}
