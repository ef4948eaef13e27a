//! Tokens as they are minted for people and scripts.

use nexus::features::tokens::{MintRequest, NewToken, Tokens};
use nexus::kernel::{Caller, ExposeSecret};
use serde_json::json;

use super::{ANN, BOB, Company, claims, error};

#[test]
fn a_token_stands_alone_on_standard_output_and_says_what_rfc_9068_wants() {
    let company = Company::new();
    let output = company.world.run(&["token", "mint", "--tenant", "acme", "--user", "ANN@ACME.example"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with('\n') && text.trim_end().split('.').count() == 3, "{text}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = text.trim_end();
    let header = base64::Engine::decode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        token.split('.').next().unwrap(),
    );
    let header: serde_json::Value = serde_json::from_slice(&header.unwrap()).unwrap();
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
    let said = claims(token);
    assert_eq!(said["iss"], "http://127.0.0.1:8420");
    assert_eq!(
        said["sub"],
        json!(company.realm_sql(&format!("select id from nexus.users where email = '{ANN}'"))[0])
    );
    assert_eq!((&said["aud"], &said["client_id"]), (&json!("nexus"), &json!("nexus-cli")));
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 900);
    assert_eq!((&said["tenant"], &said["roles"]), (&json!("acme"), &json!(["Admin"])));
    assert_eq!(said["tenant_id"], json!(company.world.control_sql("select id from control.tenants")[0]));
    assert!(said["jti"].is_string() && said["nbf"] == said["iat"]);
    assert!(company.accepts(token));
    let noted =
        company.world.control_sql("select count(*) from control.audit_log where action = 'token.mint'");
    assert_eq!(noted, ["1"]);
}

#[test]
fn a_token_of_an_earlier_release_is_good_until_it_ends() {
    let company = Company::new();
    let now = company.tokens();
    let minted = |issuer: &str| {
        let tokens = Tokens { issuer: issuer.to_owned(), ..now.clone() };
        crate::iam::inside::run(async {
            let (mut control, mut realm) = (company.control().await, company.realm().await);
            let (user, token) = (ANN.parse().unwrap(), NewToken::default());
            let request = MintRequest { user: &user, token: &token, algorithm: None, session: None };
            let caller = Caller::Machine("test".to_owned());
            let minted = tokens.mint(&mut control, &caller, &mut realm, request).await.unwrap();
            minted.token.expose_secret().to_owned()
        })
    };
    let former = minted(&now.former_issuer);
    assert_eq!(claims(&former)["iss"], format!("urn:uuid:{}", company.world.id));
    assert!(company.accepts(&former) && company.accepts(&minted(&now.issuer)));
    for other in ["urn:uuid:00000000-0000-7000-8000-000000000000", "https://api.example.com"] {
        assert!(!company.accepts(&minted(other)), "{other}");
    }
}

#[test]
fn every_kind_of_key_signs_tokens_that_verify() {
    let company = Company::new();
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        assert!(company.accepts(&company.mint(&["--algorithm", algorithm])), "{algorithm}");
    }
}

#[test]
fn a_token_allows_what_was_asked_for_and_nobody_gets_what_they_do_not_hold() {
    let company = Company::new();
    let asked = [
        "--permission",
        "invoice:read",
        "--permission",
        "*:read",
        "--scope",
        "order:read",
        "--aud",
        "billing",
    ];
    let said =
        claims(&company.mint_for(BOB, &[&asked[..], &["--claim", "plan=gold", "--ttl", "5m"]].concat()));
    assert_eq!(said["permissions"], json!(["invoice:read", "*:read"]));
    assert_eq!(
        (&said["scope"], &said["aud"], &said["plan"]),
        (&json!("order:read"), &json!("billing"), &json!("gold"))
    );
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 300);
    let mint = |more: &[&str]| {
        let args = [&["token", "mint", "--tenant", "acme", "--user", BOB][..], more].concat();
        let (code, error) = company.world.error(&args);
        (code, error["code"].as_str().unwrap().to_owned())
    };
    for wanted in ["invoice:update", "*:*", "invoice:*", "user:read", "role:update"] {
        for flag in ["--permission", "--scope"] {
            assert_eq!(mint(&[flag, wanted]), (3, "permission_not_held".to_owned()), "{flag} {wanted}");
        }
    }
    for name in
        ["sub", "exp", "iss", "aud", "roles", "permissions", "scope", "act", "tenant_id", "jti", "cnf"]
    {
        let claim = format!("{name}=x");
        assert_eq!(mint(&["--claim", &claim]), (2, "token_request_invalid".to_owned()), "{name}");
    }
    assert_eq!(mint(&["--ttl", "61m"]), (2, "token_request_invalid".to_owned()));
    assert_eq!(mint(&["--ttl", "0s"]), (2, "token_request_invalid".to_owned()));
}

#[test]
fn who_may_not_sign_in_gets_no_token() {
    let company = Company::new();
    for state in ["invited", "disabled", "locked"] {
        company.realm_sql(&format!("update nexus.users set state = '{state}' where email = '{BOB}'"));
        let (code, error) = company.world.error(&["token", "mint", "--tenant", "acme", "--user", BOB]);
        assert_eq!((code, &error["code"]), (5, &json!("user_not_active")), "{state}");
    }
    company.realm_sql(&format!(
        "update nexus.users set state = 'active', deleted_at = now() where email = '{BOB}'"
    ));
    let (code, error) = company.world.error(&["token", "mint", "--tenant", "acme", "--user", BOB]);
    assert_eq!((code, &error["details"]["state"]), (5, &json!("deleted")));
    let hint = "undelete them: nexus user undelete bob@acme.example --tenant acme";
    assert_eq!(error["hint"], json!(hint));
    let (code, error) =
        company.world.error(&["token", "mint", "--tenant", "acme", "--user", "anm@acme.example"]);
    assert_eq!((code, &error["hint"]), (4, &json!("did you mean ann@acme.example?")));
    let (code, _) = company.world.error(&["token", "mint", "--tenant", "nobody", "--user", ANN]);
    assert_eq!(code, 4);
    let (code, _) = company.world.error(&["token", "mint", "--user", ANN]);
    assert_eq!(code, 4, "a tenant's user is none of the platform");
}

#[test]
fn acting_as_somebody_is_short_names_both_and_is_in_both_logs() {
    let company = Company::new();
    let args = ["token", "mint", "--tenant", "acme", "--as", BOB];
    assert_eq!(company.world.run(&args).status.code(), Some(2), "a reason is missing");
    let args = [&args[..], &["--reason", "ticket 4711"]].concat();
    let token = company.world.ok(&args);
    let said = claims(token.trim_end());
    assert!(said["act"]["sub"].as_str().unwrap().starts_with("machine:"), "{said}");
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 900);
    assert!(company.accepts(token.trim_end()));
    let (code, _) = company.world.error(&[&args[..], &["--ttl", "16m"]].concat());
    assert_eq!(code, 2);
    let statement = "select detail->>'user', detail->>'reason' from";
    let both = [
        company
            .world
            .control_sql(&format!("{statement} control.audit_log where action = 'token.impersonate'")),
        company.realm_sql(&format!("{statement} nexus.audit_log where action = 'token.impersonate'")),
    ];
    // By the id: who is erased later is erased here, too.
    let id = said["sub"].as_str().unwrap();
    assert_eq!(both, [[format!("{id}|ticket 4711")], [format!("{id}|ticket 4711")]]);
}

#[test]
fn a_dry_run_signs_and_records_nothing() {
    let company = Company::new();
    let plan = company.world.json(&["--dry-run", "token", "mint", "--tenant", "acme", "--user", ANN]);
    assert_eq!(plan["tenant"], json!("acme"));
    let left =
        "select (select count(*) from control.issued_tokens) + (select count(*) from control.signing_keys)";
    assert_eq!(company.world.control_sql(left), ["0"]);
}

#[test]
fn what_was_minted_is_listed_without_the_token() {
    let company = Company::new();
    let token = company.mint(&[]);
    company.mint_for(BOB, &[]);
    let listed = company.world.json(&["token", "list", "--tenant", "acme", "--user", ANN]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["jti"], &listed[0]["state"]), (&claims(&token)["jti"], &json!("good")));
    let dump = company.world.control_sql("select t.*::text from control.issued_tokens t").concat();
    assert!(!dump.contains(&token) && !dump.contains(token.rsplit('.').next().unwrap()));
}

#[test]
fn a_slip_in_a_users_address_is_told_from_a_user_without_tokens() {
    let company = Company::new();
    company.mint(&[]);
    let list = |args: &[&str]| company.world.json(&[&["token", "list"][..], args].concat());
    assert_eq!(list(&["--tenant", "acme", "--user", BOB]), json!([]));
    // Without a realm nobody of another customer is suggested.
    let named = "name the tenant: nexus token list --tenant SLUG --user anm@acme.example";
    for (realm, hint) in [(&["--tenant", "acme"][..], "did you mean ann@acme.example?"), (&[], named)] {
        let args = [&["token", "list", "--user", "anm@acme.example"][..], realm].concat();
        let (code, error) = company.world.error(&args);
        assert_eq!((code, &error["hint"]), (4, &json!(hint)), "{realm:?}");
    }
    company.world.ok(&["token", "revoke", "--tenant", "acme", "--user", ANN]);
    assert_eq!(list(&["--user", ANN]), json!([]), "its tokens are over, and it is known");
}

#[test]
fn the_platforms_audit_log_knows_no_address_of_whom_a_token_is_for() {
    let company = Company::new();
    company.mint(&[]);
    company.world.ok(&["token", "mint", "--tenant", "acme", "--as", BOB, "--reason", "ticket 4711"]);
    let key = ["api-key", "create", "--tenant", "acme", "--user", BOB, "--name", "ci", "--reveal"];
    company.world.ok(&key);
    let log = company.world.control_sql(
        "select detail::text from control.audit_log
         where action in ('token.mint', 'token.impersonate', 'api_key.create')",
    );
    assert_eq!(log.len(), 3);
    assert!(!log.concat().contains('@'), "{log:?}");
}

#[test]
fn a_slip_in_a_permission_names_the_nearest_that_the_user_holds() {
    let company = Company::new();
    let mint = ["token", "mint", "--tenant", "acme", "--user", BOB, "--permission", "invoice:raed"];
    let (code, error) = company.world.error(&mint);
    assert_eq!((code, &error["hint"]), (3, &json!("did you mean invoice:read?")));
}

#[test]
fn a_secret_in_the_wrong_place_is_refused_and_not_repeated() {
    let company = Company::new();
    let token = company.mint(&[]);
    let key = format!("nxk_{}", "Ab-9".repeat(16));
    let (refresh, invitation) = (key.replace("nxk", "nxr"), key.replace("nxk", "nxi"));
    let wrong: [&[&str]; 8] = [
        &["token", "verify", "--file", &token],
        &["token", "revoke", &token],
        &["token", "inspect", "--jwks", &token],
        &["token", "refresh", &refresh],
        &["token", "refresh", "--file", &refresh],
        &["api-key", "revoke", &key],
        &["user", "password", "set", "--token-file", &invitation, "--password-stdin"],
        &["user", "show", &token],
    ];
    for args in wrong {
        for form in ["table", "json"] {
            let output = company.run(&[&["-o", form][..], args].concat(), "four old boots in the sea\n");
            let seen = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_ne!(output.status.code(), Some(0), "{args:?}");
            let repeated =
                [&token, &key, &refresh, &invitation].iter().any(|secret| seen.contains(&secret[8..40]));
            assert!(!repeated && seen.contains("error"), "{seen}");
        }
    }
}

#[test]
fn a_token_on_the_command_line_is_refused_and_not_repeated() {
    let company = Company::new();
    let token = company.mint(&[]);
    for verb in ["verify", "inspect"] {
        let output = company.world.run(&["token", verb, &token]);
        let seen = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(seen.contains("command line") && !seen.contains(&token), "{seen}");
    }
}

#[test]
fn a_person_sees_what_is_wrong_with_a_token() {
    let company = Company::new();
    let token = company.mint(&[]);
    let inspect = |token: &str, more: &[&str]| -> serde_json::Value {
        let output = company.run(&[&["-o", "json", "token", "inspect"][..], more].concat(), token);
        assert!(output.status.success());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let seen = inspect(&token, &[]);
    assert_eq!((&seen["verdict"], &seen["problems"]), (&json!("not_checked"), &json!([])));
    assert_eq!(seen["claims"], claims(&token));
    assert_eq!(inspect(&token, &["--check"])["verdict"], json!("good"));
    let seen = inspect(&token, &["--check", "--aud", "billing"]);
    assert_eq!((&seen["verdict"], &seen["problems"][0]["code"]), (&json!("refused"), &json!("audience")));
    let cut = &token[..token.len() - 8];
    assert_eq!(inspect(cut, &["--check"])["problems"][0]["code"], json!("signature"));
    assert_eq!(inspect("rubbish", &[])["problems"][0]["code"], json!("shape"));
    company.world.ok(&["token", "revoke", claims(&token)["jti"].as_str().unwrap()]);
    assert_eq!(inspect(&token, &["--check"])["problems"][0]["code"], json!("revoked"));
    let refused = company.run(&["-o", "json", "token", "verify"], &token);
    assert_eq!((refused.status.code(), &error(&refused)["code"]), (Some(3), &json!("token_invalid")));
}

#[test]
fn an_operators_token_is_the_platforms_and_names_no_tenant() {
    let company = Company::new();
    company.world.control_sql(
        "with made as (insert into nexus.users (id, email, email_key, state)
                       values (gen_random_uuid(), 'olga@example.com', 'olga@example.com', 'active') returning id)
         insert into nexus.user_roles (user_id, role_id)
         select made.id, roles.id from made, nexus.roles where name = 'Admin'",
    );
    let mint = || company.world.ok(&["token", "mint", "--user", "olga@example.com"]).trim_end().to_owned();
    let token = mint();
    let said = claims(&token);
    assert!(said["tenant"].is_null() && said["tenant_id"].is_null(), "{said}");
    assert!(company.accepts(&token));
    let (tenants, bobs) = (company.mint(&[]), company.mint_for(BOB, &[]));
    company.world.ok(&["token", "revoke", "--user", "olga@example.com"]);
    assert!(!company.accepts(&token) && company.accepts(&mint()));
    assert!(company.accepts(&tenants) && company.accepts(&bobs), "another realm's tokens are let be");
}

#[test]
fn a_tenant_that_its_server_has_closed_is_repaired_before_anybody_mints_for_it() {
    let company = Company::new();
    let close = format!("alter database {} allow_connections false", company.database());
    company.world.sql("postgres", &close);
    let mint = ["token", "mint", "--tenant", "acme", "--user", ANN];
    let (code, error) = company.world.error(&mint);
    assert_eq!((code, &error["hint"]), (9, &json!("nexus tenant repair acme")), "{error}");
    company.world.ok(&["tenant", "repair", "acme"]);
    company.mint(&[]);
    company.world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
    assert_eq!(company.world.error(&mint).0, 5);
}
