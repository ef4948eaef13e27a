//! A service is called as somebody, and can tell who that is.

use std::sync::{Arc, Mutex};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::{acme, answering, call, register};
use crate::api::PASSWORD;
use crate::support::api::ApiServer;
use crate::webhooks::receiver::{Got, Receiver, Reply};

/// What a token says, where it is good for this service by the published keys: as an app would look.
fn verified(keys: &JwkSet, got: &Got, audience: &str) -> Option<Value> {
    let token = got.headers.get("authorization")?.as_str()?.strip_prefix("Bearer ")?;
    let header = decode_header(token).ok().filter(|it| it.typ.as_deref() == Some("nexus-service+jwt"))?;
    let key = DecodingKey::from_jwk(keys.find(&header.kid?)?).ok()?;
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    decode::<Value>(token, &key, &rules).ok().map(|token| token.claims)
}

#[test]
fn an_app_answers_a_call_and_verifies_who_calls_by_the_published_keys() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let keys: JwkSet =
        serde_json::from_value(server.send("GET", "/.well-known/jwks.json", &[], &[]).ok()).unwrap();
    let seen = Arc::<Mutex<Vec<Value>>>::default();
    let kept = Arc::clone(&seen);
    let app = Receiver::with(move |got| match verified(&keys, got, "service:mail.preview") {
        Some(claims) => {
            kept.lock().unwrap().push(claims);
            let asked: Value = serde_json::from_str(&got.body).unwrap();
            Reply::Status(200, Vec::new(), json!({ "twice": asked["n"].as_i64().unwrap() * 2 }).to_string())
        }
        None => Reply::status(401),
    });
    let made = register(&server, &ann, ("mail.preview", &app), &json!({ "description": "shows a mail" }));
    assert_eq!((made.status, made.header("location")), (201, Some("/services/mail.preview?version=1")));
    assert_eq!(call(&server, &ann, "mail.preview").ok(), json!({ "twice": 14 }));
    let claims = seen.lock().unwrap().remove(0);
    let me = server.get("/auth/me", &ann).ok();
    assert_eq!(claims["sub"], me["id"]);
    assert_eq!((&claims["tenant"], &claims["permission"]), (&json!("acme"), &json!("service:call")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    let got = app.got().remove(0);
    assert_eq!(
        (got.header("nexus-timeout-ms"), got.header("nexus-service")),
        ("5000", "mail.preview; version=1")
    );
    let shown = got.header("authorization").strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(server.get("/auth/me", &shown).status, 401, "it is of no use to call us");
}

#[test]
fn the_highest_version_is_called_unless_another_is_asked_for() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let (old, new) = (answering(&json!("old")), answering(&json!("new")));
    assert_eq!(register(&server, &ann, ("tax.rates", &new), &json!({ "version": 2 })).status, 201);
    assert_eq!(register(&server, &ann, ("tax.rates", &old), &json!({ "version": 1 })).status, 201);
    assert_eq!(call(&server, &ann, "tax.rates").ok(), "new");
    let of = |version: u32| {
        let path = format!("/services/tax.rates/call?version={version}");
        server.change("POST", &path, &ann, &json!(null))
    };
    assert_eq!(of(1).ok(), "old");
    assert_eq!(of(3).problem(), (404, "service_version_not_found".to_owned()));
    assert_eq!(of(3).json()["details"]["versions"], json!([1, 2]));
}

#[test]
fn a_service_of_the_platform_is_called_by_every_tenant_and_its_name_is_taken() {
    let world = acme();
    world.tenant_of("birch", "eve@birch.example", PASSWORD);
    let server = ApiServer::start(&world);
    let (app, other) = (answering(&json!("platform")), answering(&json!("tenant")));
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let eve = server.token("birch", "eve@birch.example", PASSWORD);
    // Before the platform has one of that name.
    assert_eq!(register(&server, &eve, ("mail.preview", &other), &json!({})).status, 201);
    world.ok(&["service", "register", "mail.preview", "--url", &app.url("/")]);
    for token in [&ann, &eve] {
        assert_eq!(call(&server, token, "mail.preview").ok(), "platform");
        let list = server.get("/services", token).ok();
        assert_eq!((&list["data"][0]["scope"], &list["data"][1]), (&json!("platform"), &Value::Null));
        assert!(list["data"][0]["instances"].is_null(), "where the platform's are is not for tenants");
    }
    let refused = register(&server, &ann, ("mail.preview", &other), &json!({})).problem();
    assert_eq!(refused, (409, "service_name_taken".to_owned()));
    assert_eq!(other.connections(), 0);
}

#[test]
fn calls_go_to_every_address_of_a_service() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let apps = [answering(&json!(1)), answering(&json!(2))];
    for app in &apps {
        register(&server, &ann, ("mail.preview", app), &json!({})).ok();
    }
    let shown = server.get("/services/mail.preview", &ann).ok();
    assert_eq!((&shown["instance_count"], &shown["healthy_count"]), (&json!(2), &json!(2)));
    for _ in 0..200 {
        call(&server, &ann, "mail.preview").ok();
        if apps.iter().all(|app| app.connections() > 0) {
            return;
        }
    }
    panic!("one of two addresses was never called");
}
