//! A development key signs for the realms that it was exported for, and for no other.

use std::process::Output;

use nexus::infra::crypto::jwt;
use nexus::infra::crypto::signing::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::{ANN, Company, claims, error};

/// Exports a key for these tenants; what the file holds.
fn export(company: &Company, file: &str, tenants: &[&str]) -> Value {
    let mut args = vec!["key", "export", "--development", file];
    args.extend(tenants.iter().flat_map(|tenant| ["--tenant", *tenant]));
    let exported = company.run(&args, "");
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    serde_json::from_slice(&std::fs::read(company.world.machine().path(&format!("work/{file}"))).unwrap())
        .unwrap()
}

/// A token that the key of a file signs, whatever it says.
fn forged(exported: &Value, said: &Value) -> String {
    use base64::Engine as _;
    let document = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(exported["private_key"].as_str().unwrap())
        .unwrap();
    jwt::signed(said, &SigningKey::from_pkcs8(Algorithm::EdDsa, &document).unwrap()).unwrap()
}

fn mint(company: &Company, file: &str, tenant: &str, email: &str) -> String {
    let args = ["token", "mint", "--offline", "--key", file, "--tenant", tenant, "--user", email];
    String::from_utf8(company.run(&args, "").stdout).unwrap().trim_end().to_owned()
}

fn check(company: &Company, token: &str, more: &[&str]) -> Output {
    company.run(&[&["token", "verify"][..], more].concat(), token)
}

#[test]
fn a_key_of_one_tenant_signs_for_no_other_and_for_no_operator() {
    let company = Company::new();
    company.world.ok(&["tenant", "create", "other", "--admin-email", ANN]);
    let exported = export(&company, "acme.key", &["acme"]);
    let token = mint(&company, "acme.key", "acme", ANN);
    assert!(check(&company, &token, &[]).status.success());
    let said = claims(&token);
    let other = company.world.control_sql("select id from control.tenants where slug = 'other'")[0].clone();
    let set = company.run(&["key", "export", "--jwks"], "");
    std::fs::write(company.world.machine().path("work/keys.json"), set.stdout).unwrap();
    assert!(check(&company, &token, &["--jwks", "keys.json"]).status.success());
    let mut foreign = said.clone();
    (foreign["tenant_id"], foreign["tenant"]) = (json!(other), json!("other"));
    let mut operator = said;
    for name in ["tenant_id", "tenant"] {
        operator.as_object_mut().unwrap().remove(name);
    }
    for said in [foreign, operator] {
        let token = forged(&exported, &said);
        for more in [&[][..], &["--jwks", "keys.json"]] {
            let refused = check(&company, &token, &[&["-o", "json"][..], more].concat());
            assert_eq!(
                (refused.status.code(), &error(&refused)["code"]),
                (Some(3), &json!("token_invalid")),
                "{said}"
            );
        }
        let seen = company.run(&["-o", "json", "token", "inspect", "--check"], &token);
        let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
        assert_eq!(seen["problems"][0]["code"], "realm", "{seen}");
    }
}

#[test]
fn the_same_tenants_share_a_key_and_others_have_another() {
    let company = Company::new();
    company.world.ok(&["tenant", "create", "other", "--admin-email", ANN]);
    let kid =
        |file: &str, tenants: &[&str]| export(&company, file, tenants)["kid"].as_str().unwrap().to_owned();
    let (acme, again) = (kid("1", &["acme"]), kid("2", &["acme"]));
    let (both, turned) = (kid("3", &["acme", "other"]), kid("4", &["other", "acme"]));
    let platform = kid("5", &[]);
    assert_eq!((&acme, &both), (&again, &turned));
    let different: std::collections::BTreeSet<_> = [&acme, &both, &platform].into_iter().collect();
    assert_eq!(different.len(), 3);
    let retired = company.run(&["key", "retire", &acme, "--now", "--yes", "--confirm", &acme], "");
    assert!(retired.status.success(), "{}", String::from_utf8_lossy(&retired.stderr));
    assert!(!check(&company, &mint(&company, "1", "acme", ANN), &[]).status.success());
    assert!(check(&company, &mint(&company, "3", "acme", ANN), &[]).status.success());
}

#[test]
fn a_key_whose_realms_were_changed_in_the_database_is_damaged() {
    let company = Company::new();
    export(&company, "acme.key", &["acme"]);
    let token = mint(&company, "acme.key", "acme", ANN);
    company.world.control_sql(
        "update control.signing_keys set realms = realms || '{00000000-0000-0000-0000-000000000000}'::uuid[]
         where purpose = 'development'",
    );
    let refused = check(&company, &token, &["-o", "json"]);
    assert_eq!((refused.status.code(), &error(&refused)["code"]), (Some(9), &json!("signing_key_damaged")));
}
