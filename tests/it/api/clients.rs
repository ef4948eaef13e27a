//! Stock clients of OAuth 2.0, as they come, against a server that is their issuer.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::PASSWORD;
use crate::support::api::ApiServer;
use crate::support::world::World;

/// What a script of `tests/clients` saw, given an API key of Ann's and a refresh token of a session of hers.
fn seen(script: &str) -> Value {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let server = ApiServer::start_as_issuer(&world);
    let key = ["api-key", "create", "-t", "acme", "--user", "ann@acme.example", "--name", "till", "--reveal"];
    let key = world.json(&key);
    let session = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let given = json!({
        "issuer": format!("http://{}", server.address), "id": key["id"], "key": key["key"],
        "refresh_token": session["refresh_token"],
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut client = Command::new(root.join("scripts/oauth-clients"))
        .arg("run")
        .arg(root.join("tests/clients").join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn openid_client_finds_everything_and_gets_asks_about_and_ends_tokens() {
    let round = json!(["bearer", "user:read token:introspect", true, true, { "active": false }]);
    let expected = json!({
        "basic": round, "post": round, "wrong": [401, null, "basic"], "refresh": "invalid_grant",
    });
    assert_eq!(seen("openid-client.mjs"), expected);
}

#[test]
fn oauth4webapi_and_jose_go_by_the_metadata_and_the_key_set() {
    let expected = json!({
        "scope": "user:read", "jose": ["acme", true, true], "forged": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "active": true, "revoked": true, "refreshed": true,
    });
    assert_eq!(seen("oauth4webapi.mjs"), expected);
}

#[test]
fn authlib_and_pyjwt_do_the_same_in_python() {
    let round = json!(["acme", true, 200, { "active": false }]);
    let expected = json!({
        "issuer": true, "client_secret_basic": round, "client_secret_post": round, "wrong": "invalid_client",
        "refreshed": true,
    });
    assert_eq!(seen("python.py"), expected);
}
