//! Refresh tokens: one use each, and nobody loses a session to a lost answer.

use std::time::Duration;

use nexus::features::tokens::{MintRequest, NewToken, Realm, Refreshed, SignOut, TokenError};
use nexus::kernel::{Caller, ExposeSecret, SecretString};

use super::{ANN, BOB, Company};

/// Long enough for a lost answer to count as lost.
const PATIENCE: Duration = Duration::from_millis(1100);

async fn begin(company: &Company) -> SecretString {
    let (mut control, mut realm) = (company.control().await, company.realm().await);
    let (user, token) = (ANN.parse().unwrap(), NewToken::default());
    let request = MintRequest { user: &user, token: &token, algorithm: None, session: Some("app") };
    let caller = Caller::Machine("test".to_owned());
    company.tokens().mint(&mut control, &caller, &mut realm, request).await.unwrap().refresh.unwrap()
}

async fn exchange(company: &Company, token: &SecretString) -> Result<Refreshed, TokenError> {
    let (mut control, mut realm) = (company.control().await, company.realm().await);
    company.tokens().refresh(&mut control, &Caller::System, &mut realm, token).await
}

fn ended(company: &Company) -> Vec<String> {
    tokio::task::block_in_place(|| {
        company.realm_sql("select coalesce(revoked_because, 'lives') from nexus.sessions order by created_at")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_uses_at_once_one_succeeds_and_the_session_lives() {
    let company = std::sync::Arc::new(tokio::task::block_in_place(Company::new));
    let token = begin(&company).await;
    let first = company.realm().await;
    let (control, inside) = (company.server(&company.world.control), company.server(&company.database()));
    let mut sessions = Vec::new();
    for _ in 0..50 {
        let (control, session) = tokio::join!(control.connect("test"), inside.connect("test"));
        let (name, as_of) = (first.name.clone(), first.as_of);
        let realm = Realm::new(name, session.unwrap().into(), as_of);
        sessions.push((control.unwrap(), realm));
    }
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(50));
    let uses: Vec<_> = sessions
        .into_iter()
        .map(|(mut control, mut realm)| {
            let (tokens, token, barrier) = (company.tokens(), token.clone(), barrier.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                tokens.refresh(&mut control, &Caller::System, &mut realm, &token).await
            })
        })
        .collect();
    let mut successors = Vec::new();
    for used in uses {
        match used.await.unwrap() {
            Ok(exchanged) => successors.push(exchanged.refresh),
            Err(TokenError::RefreshBusy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(successors.len(), 1);
    assert_eq!(ended(&company), ["lives"]);
    assert!(exchange(&company, &successors[0]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_given_again_and_then_never() {
    let company = tokio::task::block_in_place(Company::new);
    let token = begin(&company).await;
    let first = exchange(&company, &token).await.unwrap();
    tokio::time::sleep(PATIENCE).await;
    for _ in 0..3 {
        let again = exchange(&company, &token).await.unwrap();
        assert!(again.again && again.refresh.expose_secret() == first.refresh.expose_secret());
    }
    // The client has it: it uses it. From then on the first token is a stolen one.
    let second = exchange(&company, &first.refresh).await.unwrap();
    assert!(!second.again);
    assert!(matches!(exchange(&company, &token).await, Err(TokenError::RefreshInvalid)));
    assert_eq!(ended(&company), ["reuse"]);
    assert!(matches!(exchange(&company, &second.refresh).await, Err(TokenError::RefreshInvalid)));
    let noted = tokio::task::block_in_place(|| {
        company.realm_sql("select count(*) from nexus.audit_log where action = 'refresh.reuse'")
    });
    assert_eq!(noted, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_grace_a_used_token_ends_its_family_and_no_other() {
    let company = tokio::task::block_in_place(Company::new);
    let (token, other) = (begin(&company).await, begin(&company).await);
    let first = exchange(&company, &token).await.unwrap();
    tokio::task::block_in_place(|| {
        company.realm_sql("update nexus.refresh_tokens set used_at = used_at - interval '10.5 seconds' where used_at is not null")
    });
    assert!(matches!(exchange(&company, &token).await, Err(TokenError::RefreshInvalid)));
    assert!(matches!(exchange(&company, &first.refresh).await, Err(TokenError::RefreshInvalid)));
    assert_eq!(ended(&company), ["reuse", "lives"]);
    assert!(exchange(&company, &other).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_for_good_when_it_is_over_or_taken_back() {
    let company = tokio::task::block_in_place(Company::new);
    let sql = |statement: &str| tokio::task::block_in_place(|| company.realm_sql(statement));
    let refused = async |token: &SecretString| {
        matches!(exchange(&company, token).await, Err(TokenError::RefreshInvalid))
    };
    let token = begin(&company).await;
    sql("update nexus.sessions set expires_at = now()");
    assert!(refused(&token).await, "over");
    let token = begin(&company).await;
    sql("update nexus.refresh_tokens set created_at = now() - interval '15 days'");
    assert!(refused(&token).await, "idle");
    let token = begin(&company).await;
    let mut realm = company.realm().await;
    let mut control = company.control().await;
    company.tokens().sign_out(&mut control, &mut realm, &token, SignOut::This).await.unwrap();
    assert!(refused(&token).await, "signed out");
    let token = begin(&company).await;
    tokio::task::block_in_place(|| {
        company.world.ok(&["token", "revoke", "--tenant", "acme", "--user", ANN]);
    });
    assert!(refused(&token).await, "revoked with all of the user's tokens");
    let token = begin(&company).await;
    assert!(exchange(&company, &token).await.is_ok(), "a session that began after that");
    let token = begin(&company).await;
    sql(&format!("update nexus.users set state = 'disabled' where email = '{ANN}'"));
    assert!(refused(&token).await, "disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_hashes_are_kept_and_a_token_is_of_its_realm() {
    let company = tokio::task::block_in_place(Company::new);
    let token = begin(&company).await;
    let successor = exchange(&company, &token).await.unwrap().refresh;
    let dump = tokio::task::block_in_place(|| {
        company
            .realm_sql("select t.*::text, encode(successor_sealed, 'escape') from nexus.refresh_tokens t")
            .concat()
    });
    for secret in [&token, &successor] {
        assert!(!dump.contains(&secret.expose_secret()[30..]), "{dump}");
    }
    let as_of = company.realm().await.as_of;
    let mut platform = Realm::new(nexus::kernel::RealmRef::PLATFORM, company.control().await.into(), as_of);
    let mut control = company.control().await;
    let elsewhere = company.tokens().refresh(&mut control, &Caller::System, &mut platform, &successor).await;
    assert!(matches!(elsewhere, Err(TokenError::RefreshInvalid)));
    for wrong in ["", "nxr_", "rubbish", &successor.expose_secret().replace("nxr_", "nxk_")] {
        assert!(matches!(
            exchange(&company, &SecretString::from(wrong)).await,
            Err(TokenError::RefreshInvalid)
        ));
    }
}

/// A session in a file, as the command line keeps one.
fn session(company: &Company) -> std::path::PathBuf {
    company.mint_for(BOB, &["--refresh-file", "session"]);
    company.world.machine().path("work/session")
}

#[test]
fn a_crash_between_the_exchange_and_its_answer_loses_nobody_their_session() {
    let company = Company::new();
    let file = session(&company);
    for point in ["refresh.exchange.before", "refresh.exchange.after"] {
        let before = std::fs::read(&file).unwrap();
        company.world.killed_at(point, &["token", "refresh", "--file", "session"]);
        assert_eq!(std::fs::read(&file).unwrap(), before, "{point}: the client has not heard");
        std::thread::sleep(PATIENCE);
        let token = company.world.ok(&["token", "refresh", "--file", "session"]);
        assert!(company.accepts(token.trim_end()), "{point}");
        assert_ne!(std::fs::read(&file).unwrap(), before, "{point}");
    }
    company.world.ok(&["token", "refresh", "--file", "session"]);
    assert_eq!(company.realm_sql("select count(*) from nexus.sessions where revoked_at is null"), ["1"]);
}

#[test]
fn a_refresh_token_is_no_access_token_and_stays_in_its_file() {
    let company = Company::new();
    let file = session(&company);
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(!company.accepts(token.trim_end()));
    let output = company.world.run(&["-vv", "token", "refresh", "--file", "session"]);
    let seen = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let successor = std::fs::read_to_string(&file).unwrap();
    for secret in [&token, &successor] {
        assert!(!seen.contains(secret.trim_end()), "{seen}");
    }
    std::fs::write(&file, &token).unwrap();
    let (code, error) = company.world.error(&["token", "refresh", "--file", "session"]);
    assert!(matches!(code, 3 | 7), "{error}");
}
