//! Minting without a database.

use std::os::unix::fs::PermissionsExt;

use super::{ANN, BOB, Company, claims};

const MINT: [&str; 7] = ["token", "mint", "--offline", "--key", "dev.key", "--tenant", "acme"];

#[test]
fn a_development_key_mints_with_no_database_at_all() {
    let company = Company::new();
    company.development_key();
    let file = company.world.machine().path("work/dev.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // A machine with the file and nothing else: no settings, no stack.
    let machine = crate::support::machine::Machine::new();
    std::fs::copy(&file, machine.path("work/dev.key")).unwrap();
    let minted = machine.output(&[&MINT[..], &["--user", ANN, "--ttl", "1m"]].concat(), "");
    assert!(minted.status.success(), "{}", String::from_utf8_lossy(&minted.stderr));
    assert!(!machine.path("nexus/local").exists(), "a stack was started");
    let token = String::from_utf8(minted.stdout).unwrap();
    let online = claims(&company.mint(&[]));
    let offline = claims(token.trim_end());
    for name in ["iss", "sub", "aud", "tenant_id", "tenant", "roles"] {
        assert_eq!(online[name], offline[name], "{name}");
    }
    assert!(company.accepts(token.trim_end()));
}

#[test]
fn an_installation_that_refuses_development_keys_refuses_their_tokens() {
    let company = Company::new();
    company.development_key();
    let token = company.run(&[&MINT[..], &["--user", ANN]].concat(), "").stdout;
    let token = String::from_utf8(token).unwrap();
    let output = company.world.machine().output(&["token", "verify"], &token);
    assert_eq!(output.status.code(), Some(3));
    let (code, error) = company.world.error(&["key", "export", "--development", "other.key"]);
    assert_eq!(code, 2, "{error}");
    let published = company.world.json(&["key", "export", "--jwks"]);
    assert_eq!(published["keys"].as_array().unwrap().len(), 0);
}

#[test]
fn a_development_key_takes_no_files_place() {
    let company = Company::new();
    company.development_key();
    let file = company.world.machine().path("work/dev.key");
    let before = std::fs::read(&file).unwrap();
    let again = company.run(&["-o", "json", "key", "export", "--development", "dev.key"], "");
    assert_eq!((again.status.code(), &super::error(&again)["code"]), (Some(5), &"file_exists".into()));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn public_keys_are_the_installations_and_not_a_tenants() {
    let company = Company::new();
    for form in ["--jwks", "--pem"] {
        let (code, error) = company.world.error(&["key", "export", form, "--tenant", "acme"]);
        assert_eq!(code, 2, "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_command_line() {
    let company = Company::new();
    let token = company.mint(&[]);
    for args in [
        &["token", "verify", "--jwks", "nowhere.json"][..],
        &["token", "verify", "--file", "nowhere"],
        &["token", "refresh", "--file", "nowhere"],
        &["token", "mint", "--offline", "--key", "nowhere", "--tenant", "acme", "--user", ANN],
    ] {
        assert_eq!(company.run(args, &token).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn what_may_not_be_had_with_a_database_may_not_be_had_without() {
    let company = Company::new();
    company.development_key();
    let code = |more: &[&str]| company.run(&[&MINT[..], more].concat(), "").status.code();
    assert_eq!(code(&["--user", BOB, "--permission", "invoice:read"]), Some(0));
    assert_eq!(code(&["--user", BOB, "--permission", "invoice:update"]), Some(3));
    assert_eq!(code(&["--user", BOB, "--claim", "sub=x"]), Some(2));
    assert_eq!(code(&["--user", BOB, "--ttl", "2h"]), Some(2));
    // The key signs as it signs: nobody gets another kind of token than was asked for.
    assert_eq!(code(&["--user", BOB, "--algorithm", "EdDSA"]), Some(0));
    assert_eq!(code(&["--user", BOB, "--algorithm", "ES256"]), Some(2));
    assert_eq!(code(&["--user", "carl@acme.example"]), Some(4));
    assert_eq!(code(&["--as", ANN, "--reason", "because"]), Some(2));
}

#[test]
fn a_development_key_that_others_may_read_or_that_was_changed_is_refused() {
    let company = Company::new();
    let exported = company.development_key();
    let file = company.world.machine().path("work/dev.key");
    let mint = || company.run(&[&["-o", "json"][..], &MINT[..], &["--user", ANN]].concat(), "");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(mint().status.code(), Some(9));
    let secret = exported["private_key"].as_str().unwrap();
    for changed in ["", "{}", &exported.to_string().replace(secret, &format!("{secret}A"))] {
        std::fs::write(&file, changed).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let output = mint();
        assert_eq!(output.status.code(), Some(9), "{changed}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains(&secret[..20]));
    }
}
