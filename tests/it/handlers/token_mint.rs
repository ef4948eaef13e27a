//! Tokens, minted and refreshed.

use nexus::app::{App, Session};
use nexus::features::tenants::TenantRef;
use nexus::features::tokens::{
    Impersonation, MintRequest, Minted, NewToken, Presented, Refreshed, TokenError,
};
use nexus::kernel::progress::Silent;
use nexus::kernel::{AnyFailure, Caller, Email, ErrorKind, ExposeSecret, SecretString};

use crate::iam::inside::{caller, machine, realm, run};
use crate::tokens::{ANN, BOB, Company};

/// What a handler has beside its request.
struct Door {
    session: Session,
    caller: Caller,
}

impl Door {
    async fn open(company: &Company) -> Self {
        let (settings, caller) = (company.world.settings(), machine());
        Self { session: App::open(&settings, &caller, &Silent).await.unwrap(), caller }
    }

    /// As it is to one of the tenant's own users.
    async fn open_to(company: &Company, email: &str) -> Self {
        let mut realm = realm(&company.world, Some("acme")).await;
        Self { caller: caller(&mut realm, email).await, ..Self::open(company).await }
    }
}

async fn mint(
    door: &mut Door,
    (tenant, user): (&TenantRef, &Email),
    (token, session): (&NewToken, Option<&str>),
) -> Result<Minted, AnyFailure> {
    let tokens = door.session.tokens();
    let mut realm = door.session.open_token_realm(&door.caller, Some(tenant)).await?;
    let request = MintRequest { user, token, algorithm: None, session };
    Ok(tokens.mint(&mut door.session.control, &door.caller, &mut realm, request).await?)
}

async fn refresh(door: &mut Door, presented: &SecretString) -> Result<Refreshed, AnyFailure> {
    let tokens = door.session.tokens();
    let mut realm = door.session.open_presented_realm(&door.caller, Presented::Refresh, presented).await?;
    Ok(tokens.refresh(&mut door.session.control, &door.caller, &mut realm, presented).await?)
}

async fn mint_for_ann(
    company: &Company,
    token: &NewToken,
    session: Option<&str>,
) -> Result<Minted, AnyFailure> {
    let mut door = Door::open(company).await;
    mint(&mut door, (&"acme".parse().unwrap(), &ANN.parse().unwrap()), (token, session)).await
}

fn acting() -> NewToken {
    let reason = "ticket 4711".parse().unwrap();
    NewToken { act_as: Some(Impersonation { reason }), ..NewToken::default() }
}

const IMPERSONATED: &str = "select detail->>'reason' from nexus.audit_log where action = 'token.impersonate'";

#[test]
fn a_token_is_minted_by_one_call() {
    let company = Company::new();
    let minted = run(mint_for_ann(&company, &NewToken::default(), None)).unwrap();
    assert!(minted.refresh.is_none() && company.accepts(minted.token.expose_secret()));
    assert!(company.realm_sql(IMPERSONATED).is_empty());
}

#[test]
fn nobody_acts_as_somebody_without_a_row_in_the_tenants_log() {
    let company = Company::new();
    let minted = run(mint_for_ann(&company, &acting(), None)).unwrap();
    assert!(minted.claims.act.is_some() && company.accepts(minted.token.expose_secret()));
    assert_eq!(company.realm_sql(IMPERSONATED), ["ticket 4711"]);

    company.realm_sql(
        "alter table nexus.audit_log add constraint full_up check (action <> 'token.impersonate') not valid",
    );
    assert!(run(mint_for_ann(&company, &acting(), None)).is_err());
    assert_eq!(company.world.control_sql("select count(*) from control.issued_tokens"), ["1"]);
    let refused = run(mint_for_ann(&company, &acting(), Some("app"))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "a session goes on, acting as somebody does not");
    assert_eq!(company.realm_sql("select count(*) from nexus.sessions"), ["0"]);
}

#[test]
fn a_refresh_gives_both_tokens_or_uses_nothing_up() {
    let company = Company::new();
    let begun = run(mint_for_ann(&company, &NewToken::default(), Some("app"))).unwrap().refresh.unwrap();
    let used = |token: &SecretString| run(async { refresh(&mut Door::open(&company).await, token).await });
    company
        .world
        .control_sql("alter table control.issued_tokens add constraint full_up check (false) not valid");
    assert!(used(&begun).is_err());
    company.world.control_sql("alter table control.issued_tokens drop constraint full_up");
    let refreshed = used(&begun).unwrap();
    assert!(!refreshed.again, "the first use, because the other one came to nothing");
    assert!(company.accepts(refreshed.token.expose_secret()));
    assert_eq!(refreshed.claims.sub.to_string(), company.realm_sql("select user_id from nexus.sessions")[0]);
    assert!(used(&refreshed.refresh).is_ok());
}

#[test]
fn recorded_tokens_that_have_been_over_for_a_month_are_forgotten() {
    let company = Company::new();
    company.world.control_sql(
        "insert into control.issued_tokens (jti, tenant_id, user_id, email, kid, audience, caller, issued_at, expires_at)
         select gen_random_uuid(), tenants.id, gen_random_uuid(), 'a@x.example', 'k', 'a', 'machine:x',
                now() - make_interval(days => days), now() - make_interval(days => days, hours => -1)
         from control.tenants, generate_series(1, 60) as days",
    );
    let left = || {
        company.world.control_sql("select count(*) from control.issued_tokens where email = 'a@x.example'")
    };
    run(async {
        let mut door = Door::open(&company).await;
        let (acme, ann, token) = ("acme".parse().unwrap(), ANN.parse().unwrap(), NewToken::default());
        // With one of 128 on average: that none of so many is one, does not happen.
        for _ in 0..5000 {
            mint(&mut door, (&acme, &ann), (&token, None)).await.unwrap();
            if left() == ["30"] {
                return;
            }
        }
        panic!("{:?}", left());
    });
}

#[test]
fn there_is_one_answer_to_a_token_of_a_tenant_that_is_unknown_or_not_in_use() {
    let company = Company::new();
    let begun = run(mint_for_ann(&company, &NewToken::default(), Some("app"))).unwrap().refresh.unwrap();
    let elsewhere = SecretString::from(format!("nxr_AAAA{}", &begun.expose_secret()[8..]));
    company.world.ok(&["tenant", "suspend", "acme", "--reason", "a test"]);
    for token in [&elsewhere, &begun] {
        let refused = run(async { refresh(&mut Door::open(&company).await, token).await }).unwrap_err();
        assert_eq!(refused.to_string(), TokenError::RefreshInvalid.to_string());
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    }
}

#[test]
fn a_role_of_the_tenant_may_issue_tokens_for_those_who_hold_no_more() {
    let company = Company::new();
    let desk = "desk@acme.example";
    company.user(desk, "Viewer");
    let mint_for = |email: &str| {
        run(async {
            let mut door = Door::open_to(&company, desk).await;
            let whose = (&"acme".parse().unwrap(), &email.parse().unwrap());
            mint(&mut door, whose, (&acting(), None)).await
        })
    };
    assert_eq!(mint_for(BOB).unwrap_err().code(), "permission_missing");
    company.world.ok(&["role", "create", "Desk", "--tenant", "acme", "--allow", "token:create"]);
    company.world.ok(&["role", "grant", "Desk", "--tenant", "acme", "--user", desk]);
    assert!(company.accepts(mint_for(BOB).unwrap().token.expose_secret()));
    assert_eq!(mint_for(ANN).unwrap_err().kind(), ErrorKind::Forbidden);
    assert_eq!(company.realm_sql(IMPERSONATED), ["ticket 4711"]);
}
