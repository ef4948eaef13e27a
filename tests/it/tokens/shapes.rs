//! What scripts read, and what nobody may read.

use nexus::kernel::{ExposeSecret, TenantId};
use serde_json::Value;

use super::{ANN, Company};

fn fields(value: &Value) -> Vec<&str> {
    let thing = value.as_array().map_or(value, |list| &list[0]);
    thing.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_fields_that_scripts_read_stay() {
    let company = Company::new();
    company
        .world
        .ok(&["api-key", "create", "--tenant", "acme", "--user", ANN, "--name", "ci", "--file", "ci.key"]);
    let token = company.mint(&[]);
    let json = |args: &[&str]| company.world.json(args);
    assert_eq!(
        fields(&json(&["key", "list"])),
        ["activated_at", "algorithm", "created_at", "good_until", "kid", "purpose", "retired_at", "state"]
    );
    assert_eq!(
        fields(&json(&["key", "rotate", "--now"])),
        ["active", "algorithm", "gone", "next", "retiring"]
    );
    assert_eq!(
        fields(&json(&["token", "list"])),
        [
            "audience",
            "caller",
            "email",
            "expires_at",
            "impersonated",
            "issued_at",
            "jti",
            "kid",
            "reason",
            "state",
            "tenant"
        ]
    );
    assert_eq!(
        fields(&json(&["api-key", "list", "--tenant", "acme"])),
        ["created_at", "email", "expires_at", "hint", "id", "last_used_at", "name", "scopes", "state"]
    );
    let verified = company.run(&["-o", "json", "token", "verify"], &token);
    assert_eq!(
        fields(&serde_json::from_slice(&verified.stdout).unwrap()),
        ["aud", "client_id", "exp", "iat", "iss", "jti", "nbf", "roles", "sub", "tenant", "tenant_id"]
    );
    let inspected = company.run(&["-o", "json", "token", "inspect"], &token);
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(fields(&inspected), ["claims", "header", "problems", "verdict"]);
    let jti = super::claims(&token)["jti"].as_str().unwrap().to_owned();
    assert_eq!(
        fields(&json(&["token", "revoke", &jti])),
        ["issued_until", "jti", "kind", "realm", "recorded", "user"]
    );
    let rows = company.world.ok(&["key", "list"]);
    assert_eq!(rows.lines().next().unwrap().split('\t').count(), 7);
}

#[test]
fn no_private_key_is_in_anything_that_is_written() {
    let company = Company::new();
    company.mint(&[]);
    let names = "select name from control.sealed_secrets where name like 'signing-key.%'";
    let names = company.world.control_sql(names);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let secrets: Vec<String> = runtime.block_on(async {
        let (tokens, mut control) = (company.tokens(), company.control().await);
        let mut opened = Vec::new();
        for name in &names {
            let secret = tokens.secrets.get(&mut control, TenantId::PLATFORM, name).await.unwrap();
            opened.push(secret.expose_secret().to_owned());
        }
        opened
    });
    assert_eq!(secrets.len(), 2);
    let kid = names[0].strip_prefix("signing-key.").unwrap();
    let mut seen = String::new();
    for args in [
        &["key", "list"][..],
        &["key", "export", "--jwks"],
        &["key", "export", "--pem"],
        &["token", "mint", "--tenant", "acme", "--user", ANN],
        &["key", "rotate", "--now"],
        &["key", "retire", kid, "--now", "--yes", "--confirm", kid],
        &["key", "list", "--all-states"],
        &["secret", "status"],
    ] {
        for format in ["table", "json", "yaml"] {
            let args = [&["-vvv", "-o", format][..], args].concat();
            let output = company.world.command(&args).env("NEXUS_LOG", "trace").output().unwrap();
            seen += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
        }
    }
    let rows = "select to_jsonb(it)::text from control.audit_log it
                union all select to_jsonb(it)::text from control.signing_keys it
                union all select to_jsonb(it)::text from control.issued_tokens it";
    seen += &company.world.control_sql(rows).join("\n");
    for secret in secrets {
        // A PKCS #8 document begins the same for every key; what is secret is at its end.
        assert!(!seen.contains(&secret[secret.len() - 24..]), "a private key is told");
    }
}
