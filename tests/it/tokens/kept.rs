//! A session keeps what it was given: what its tokens say is what was asked for when it began.

use serde_json::{Value, json};

use super::{ANN, BOB, Company, claims};

/// What a session's tokens say, one of them after two exchanges.
fn refreshed(company: &Company, email: &str, more: &[&str]) -> (Value, Value) {
    let file = company.world.machine().path(&format!("s{}", uuid::Uuid::new_v4().simple()));
    let file = file.display().to_string();
    let first = company.mint_for(email, &[&["--refresh-file", &file][..], more].concat());
    company.world.ok(&["token", "refresh", "--file", &file]);
    let third = company.world.ok(&["token", "refresh", "--file", &file]);
    assert!(company.verify(third.trim_end(), &["--aud", aud(&first).as_str()]).status.success());
    (claims(&first), claims(third.trim_end()))
}

fn aud(token: &str) -> String {
    claims(token)["aud"].as_str().unwrap().to_owned()
}

#[test]
fn a_refresh_says_what_the_first_token_said() {
    let company = Company::new();
    for more in [
        &["--permission", "invoice:read"][..],
        &["--scope", "invoice:read", "--scope", "order:read"],
        &["--aud", "till"],
        &["--ttl", "2m"],
        &["--claim", "plan=gold", "--claim", "seat=4"],
        &["--permission", "*:read", "--aud", "till", "--ttl", "90s", "--scope", "order:read"],
        &[],
    ] {
        let (first, later) = refreshed(&company, BOB, more);
        for name in ["sub", "permissions", "scope", "aud", "plan", "seat", "roles", "tenant_id"] {
            assert_eq!(first[name], later[name], "{more:?}: {name}");
        }
        let life = |said: &Value| said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
        assert_eq!(life(&first), life(&later), "{more:?}");
        assert_ne!(first["jti"], later["jti"]);
    }
    let file = company.world.machine().path("s-rs").display().to_string();
    company.mint(&["--algorithm", "ES256", "--refresh-file", &file]);
    let token = company.world.ok(&["token", "refresh", "--file", &file]);
    let keys = company.world.json(&["key", "list"]);
    let of = |key: &&Value| key["kid"] == super::kid(token.trim_end());
    assert_eq!(keys.as_array().unwrap().iter().find(of).unwrap()["algorithm"], "ES256");
}

#[test]
fn what_the_user_has_lost_is_not_in_the_next_token_and_nothing_takes_its_place() {
    let company = Company::new();
    let in_acme = |args: &[&str]| drop(company.world.ok(&[args, &["--tenant", "acme"]].concat()));
    in_acme(&["permission", "register", "invoice:read", "--description", "see invoices"]);
    in_acme(&["permission", "register", "order:create", "--description", "make orders"]);
    in_acme(&["role", "create", "Clerk", "--allow", "order:create"]);
    in_acme(&["role", "grant", "Clerk", "--user", BOB]);
    let file = company.world.machine().path("session").display().to_string();
    let narrow = ["--permission", "order:create", "--permission", "invoice:read", "--refresh-file", &file];
    company.mint_for(BOB, &narrow);
    let refresh = ["token", "refresh", "--file", &file];
    in_acme(&["role", "revoke", "Clerk", "--user", BOB]);
    let said = claims(company.world.ok(&refresh).trim_end());
    assert_eq!(said["permissions"], json!(["invoice:read"]));
    in_acme(&["role", "revoke", "Viewer", "--user", BOB]);
    let (code, error) = company.world.error(&refresh);
    assert_eq!((code, &error["code"]), (3, &json!("permission_not_held")), "not an unrestricted token");
    in_acme(&["role", "grant", "Viewer", "--user", BOB]);
    assert_eq!(claims(company.world.ok(&refresh).trim_end())["permissions"], json!(["invoice:read"]));
}

/// Nothing says what a session was given that was begun before that was kept.
#[test]
fn a_session_that_was_begun_on_the_command_line_before_it_kept_that_is_over() {
    let company = Company::new();
    let file = company.world.machine().path("session").display().to_string();
    company.mint_for(ANN, &["--permission", "invoice:read", "--refresh-file", &file]);
    company.realm_sql("update nexus.sessions set access = null");
    let (code, error) = company.world.error(&["token", "refresh", "--file", &file]);
    assert_eq!((code, &error["code"]), (3, &json!("refresh_token_invalid")));
    company.realm_sql("update nexus.sessions set access = '{}', client = 'till'");
    company.world.ok(&["token", "refresh", "--file", &file]);
}

#[test]
fn a_made_up_secret_tells_nothing_of_the_tenant_that_it_names() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let company = Company::new();
    let world = &company.world;
    let create = |slug: &str| world.json(&["tenant", "create", slug])["id"].as_str().unwrap().to_owned();
    let ids = ["shut", "bin", "gone", "odd"].map(create);
    world.ok(&["tenant", "suspend", "shut", "--reason", "secret reason"]);
    world.ok(&["tenant", "delete", "bin", "--yes", "--confirm", "bin"]);
    world.ok(&["tenant", "delete", "gone", "--purge", "--yes", "--confirm", "gone"]);
    world.control_sql("update control.tenants set state = 'provisioning' where slug = 'odd'");
    let acme = world.control_sql("select id from control.tenants where slug = 'acme'")[0].clone();
    let made_up = |prefix: &str, id: &str| {
        let id = uuid::Uuid::parse_str(id).unwrap();
        prefix.to_owned() + &URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), &[7; 32]].concat())
    };
    let nobody = uuid::Uuid::now_v7().to_string();
    let nil = uuid::Uuid::nil().to_string();
    let all: Vec<&str> = ids.iter().map(String::as_str).chain([acme.as_str(), &nobody, &nil]).collect();
    for format in ["json", "table"] {
        let mut answers = std::collections::BTreeSet::new();
        let (mut refreshes, mut looks) = (answers.clone(), answers.clone());
        for id in &all {
            let seen = |output: std::process::Output| {
                (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
            };
            let key = made_up("nxk_", id);
            answers.insert(seen(company.run(&["-o", format, "api-key", "verify"], &key)));
            let file = world.machine().path("made-up");
            std::fs::write(&file, made_up("nxr_", id)).unwrap();
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let file = file.display().to_string();
            let refresh = ["-o", format, "token", "refresh", "--file", &file];
            refreshes.insert(seen(world.run(&refresh)));
            looks.insert(seen(world.run(&[&["--dry-run"][..], &refresh].concat())));
        }
        for answers in [answers, refreshes, looks] {
            assert_eq!(answers.len(), 1, "{answers:?}");
            let (code, _, said) = answers.into_iter().next().unwrap();
            assert_eq!(code, Some(3), "{said}");
        }
    }
}
