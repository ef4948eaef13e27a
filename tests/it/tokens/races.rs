//! A token that is asked for while something is revoked: the asker is held at one of its messages to
//! PostgreSQL, the revocation runs whole, and the asker goes on. What it gets is not good.
//!
//! By default a sample of all the points, chosen by a seed; `NEXUS_TEST_ALL=1` tries every one, which
//! takes some minutes.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use super::{ANN, BOB, Company};
use crate::support::hold::Held;

/// What takes something from bob, and what gives it back.
struct Loss {
    take: &'static [&'static str],
    input: &'static str,
    back: &'static [&'static str],
    /// Whether bob may have tokens afterwards that are asked for anew.
    goes_on: bool,
}

const NEW_PASSWORD: &str = "nine horses in the rain\n";

const LOSSES: [Loss; 8] = [
    Loss {
        take: &["user", "disable", BOB, "--tenant", "acme"],
        input: "",
        back: &["user", "enable", BOB, "--tenant", "acme"],
        goes_on: false,
    },
    Loss {
        take: &["user", "delete", BOB, "--tenant", "acme", "--yes", "--confirm", BOB],
        input: "",
        back: &["user", "undelete", BOB, "--tenant", "acme"],
        goes_on: false,
    },
    Loss {
        take: &["tenant", "suspend", "acme", "--reason", "test"],
        input: "",
        back: &["tenant", "resume", "acme"],
        goes_on: false,
    },
    Loss {
        take: &["role", "revoke", "Viewer", "--user", BOB, "--tenant", "acme"],
        input: "",
        back: &["role", "grant", "Viewer", "--user", BOB, "--tenant", "acme"],
        goes_on: true,
    },
    Loss {
        take: &["user", "password", "set", BOB, "--password-stdin", "--tenant", "acme"],
        input: NEW_PASSWORD,
        back: &[],
        goes_on: true,
    },
    Loss {
        take: &["user", "sessions", "revoke", BOB, "--tenant", "acme"],
        input: "",
        back: &[],
        goes_on: true,
    },
    Loss {
        take: &["token", "revoke", "--user", BOB, "--tenant", "acme"],
        input: "",
        back: &[],
        goes_on: true,
    },
    Loss { take: &["token", "revoke", "--tenant", "acme", "--yes"], input: "", back: &[], goes_on: true },
];

impl Loss {
    fn is_of_a_role(&self) -> bool {
        self.take[0] == "role"
    }

    /// Whether a session that was begun before it is over.
    fn ends_sessions(&self) -> bool {
        !self.is_of_a_role()
    }

    /// Happens while a program is held, and gives what comes of that program. One that holds a lock
    /// which is needed goes on before the loss is acknowledged.
    fn during(&self, company: &Company, held: Held) -> Output {
        let mut command = company.world.command(self.take);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        let until = Instant::now() + Duration::from_secs(3);
        while child.try_wait().unwrap().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let other = held.go_on();
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{:?}: {said}", self.take);
        other
    }

    fn give_back(&self, company: &Company) {
        if !self.back.is_empty() {
            company.world.ok(self.back);
        }
    }
}

/// Every pair of a loss and a message, or some that look random (xorshift64*, Vigna 2016).
fn points(messages: u32, some: usize, seed: u64) -> Vec<(&'static Loss, u32)> {
    let all: Vec<_> = LOSSES.iter().flat_map(|loss| (1..=messages).map(move |at| (loss, at))).collect();
    if std::env::var_os("NEXUS_TEST_ALL").is_some() {
        return all;
    }
    let mut state = seed;
    let mut roll = |sides: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    };
    (0..some).map(|_| all[roll(all.len())]).collect()
}

/// A company in which bob has a password, so that he is active again when he is let in again.
fn company() -> Company {
    let company = Company::new();
    let set = ["user", "password", "set", BOB, "--password-stdin", "--tenant", "acme"];
    assert!(company.run(&set, NEW_PASSWORD).status.success());
    company
}

fn token(output: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    // 130 and 1 are never right, whatever was revoked.
    assert!(!matches!(output.status.code(), None | Some(1 | 130)), "{output:?}");
    output.status.success().then_some(text)
}

#[test]
fn a_token_that_is_asked_for_while_its_user_is_shut_out_is_not_good() {
    let company = company();
    let mint = ["token", "mint", "--tenant", "acme", "--user", BOB];
    company.mint_for(BOB, &[]);
    let messages = Held::count(&company.world, &mint);
    for (loss, at) in points(messages, 8, 0x9E37_79B9_7F4A_7C15) {
        let Ok(held) = Held::at(&company.world, at, &mint) else { continue };
        let minted = token(&loss.during(&company, held));
        if let Some(minted) = minted.filter(|token| company.accepts(token)) {
            let said = super::claims(&minted);
            let seen = loss.goes_on && (!loss.is_of_a_role() || said["roles"] == serde_json::json!([]));
            assert!(seen, "{:?} at message {at} of {messages}: {said}", loss.take);
            // It was asked for before and dated after: nothing that was revoked lives on in it.
            assert!(issued_after_the_last_revocation(&company, &said), "{:?} at {at}", loss.take);
        }
        loss.give_back(&company);
    }
    assert!(company.accepts(&company.mint_for(BOB, &[])) && company.accepts(&company.mint_for(ANN, &[])));
}

fn issued_after_the_last_revocation(company: &Company, said: &serde_json::Value) -> bool {
    let jti = said["jti"].as_str().unwrap();
    let later = format!(
        "select issued_at > (select max(issued_until) from control.token_revocations)
         from control.issued_tokens where jti = '{jti}'"
    );
    company.world.control_sql(&later) == ["t"]
}

#[test]
fn a_session_that_is_gone_on_with_while_it_is_ended_gives_no_good_token() {
    let company = company();
    let file = company.world.machine().path("session").display().to_string();
    let begin = || {
        let _ = std::fs::remove_file(&file);
        company.mint_for(BOB, &["--refresh-file", &file]);
    };
    let refresh = ["token", "refresh", "--file", &file];
    begin();
    let messages = Held::count(&company.world, &refresh);
    for (loss, at) in points(messages, 8, 0xD1B5_4A32_D192_ED03) {
        begin();
        let Ok(held) = Held::at(&company.world, at, &refresh) else { continue };
        let good = token(&loss.during(&company, held)).filter(|token| company.accepts(token));
        if loss.ends_sessions() {
            assert_eq!(good, None, "{:?} at message {at} of {messages}", loss.take);
            let again = company.world.run(&refresh);
            assert!(!again.status.success(), "{:?} at {at}: the session goes on", loss.take);
        } else if let Some(good) = good {
            let said = super::claims(&good);
            assert_eq!(said["roles"], serde_json::json!([]), "{:?} at message {at}", loss.take);
        }
        loss.give_back(&company);
    }
}

#[test]
fn a_session_that_is_begun_while_its_user_is_shut_out_gives_no_good_token() {
    let company = company();
    let file = company.world.machine().path("session").display().to_string();
    let mint = ["token", "mint", "--tenant", "acme", "--user", BOB, "--refresh-file", &file];
    let messages = Held::count(&company.world, &mint);
    for (loss, at) in points(messages, 5, 0xA076_1D64_78BD_642F) {
        let _ = std::fs::remove_file(&file);
        let Ok(held) = Held::at(&company.world, at, &mint) else { continue };
        token(&loss.during(&company, held));
        if !loss.goes_on && std::path::Path::new(&file).exists() {
            let used = company.world.run(&["token", "refresh", "--file", &file]);
            assert!(!used.status.success(), "{:?} at message {at} of {messages}", loss.take);
        }
        loss.give_back(&company);
        // What began while its user was shut out is not good when they are let in again.
        if matches!(loss.take[1], "disable" | "delete") && std::path::Path::new(&file).exists() {
            let used = company.world.run(&["token", "refresh", "--file", &file]);
            assert!(!used.status.success(), "{:?} at message {at} of {messages}", loss.take);
        }
    }
}

#[test]
fn an_api_key_that_is_shown_while_it_or_its_user_is_shut_out_is_not_good() {
    let company = company();
    let world = &company.world;
    let verify = ["api-key", "verify", "--file", "bot.key"];
    let make = |name: &str| {
        let _ = std::fs::remove_file(world.machine().path("work/bot.key"));
        let args =
            ["api-key", "create", "--tenant", "acme", "--user", BOB, "--name", name, "--file", "bot.key"];
        world.json(&args)["id"].as_str().unwrap().to_owned()
    };
    make("first");
    let messages = Held::count(world, &verify);
    let all: Vec<u32> = if std::env::var_os("NEXUS_TEST_ALL").is_some() {
        (1..messages).collect()
    } else {
        vec![messages / 2, messages - 4]
    };
    for at in all {
        let id = make(&format!("key-{at}"));
        let Ok(held) = Held::at(world, at, &verify) else { continue };
        world.ok(&["api-key", "revoke", "--tenant", "acme", &id]);
        // The key is looked at near the end; only the messages that end the reading come after it.
        let good = token(&held.go_on()).is_some();
        assert!(!good || at > messages - 4, "revoked, at message {at} of {messages}");
        make(&format!("again-{at}"));
        let Ok(held) = Held::at(world, at, &verify) else { continue };
        world.ok(&["tenant", "suspend", "acme", "--reason", "test"]);
        assert_eq!(token(&held.go_on()), None, "suspended, at message {at} of {messages}");
        world.ok(&["tenant", "resume", "acme"]);
    }
}

/// The change is made and the tokens of that moment are not taken back yet when the process dies: who
/// asks for it again has them taken back.
#[test]
fn a_change_that_was_cut_short_takes_its_tokens_when_it_is_asked_for_again() {
    let company = company();
    let disable = ["user", "disable", BOB, "--tenant", "acme"];
    let state = || company.realm_sql(&format!("select state from nexus.users where email = '{BOB}'"));
    let messages = Held::count(&company.world, &disable);
    company.world.ok(&["user", "enable", BOB, "--tenant", "acme"]);
    let held_at =
        |message| Held::at(&company.world, message, &disable).unwrap_or_else(|_| panic!("it ended"));
    // The message that commits: after it bob is seen as disabled.
    let mut commits = messages - 9;
    let mut held = held_at(commits);
    while held.step() && state() != ["disabled"] {
        commits += 1;
    }
    held.go_on();
    company.world.ok(&["user", "enable", BOB, "--tenant", "acme"]);
    let mut held = held_at(commits);
    let token = company.mint_for(BOB, &[]);
    assert!(held.step() && state() == ["disabled"]);
    held.kill();
    assert!(company.accepts(&token), "nothing took it back");
    assert_eq!(company.world.json(&disable)["outcome"], "unchanged");
    assert!(!company.accepts(&token));
}
