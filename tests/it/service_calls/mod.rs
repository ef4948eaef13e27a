//! Services: what apps offer and others call by name, over real connections.

mod calls;
mod commands;
mod health;
mod refused;

use serde_json::{Value, json};

use crate::api::PASSWORD;
use crate::support::api::{Answer, ApiServer};
use crate::support::world::World;
use crate::webhooks::allow;
use crate::webhooks::receiver::{Receiver, Reply};

/// An installation with an administrator of acme's, ann, and a manager, bob, whose services may be on this machine.
fn acme() -> World {
    let world = World::new();
    allow(&world, "127.0.0.0/8");
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let args = ["user", "create", "--tenant", "acme", "--email", "bob@acme.example", "--role", "Manager"];
    let output =
        world.machine().output(&[&args[..], &["--password-stdin"]].concat(), &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world
}

/// An app that answers all with this JSON.
fn answering(answer: &Value) -> Receiver {
    let body = answer.to_string();
    Receiver::with(move |_| Reply::Status(200, Vec::new(), body.clone()))
}

/// Registers a service of the realm of a token at an app.
fn register(server: &ApiServer, token: &str, (name, app): (&str, &Receiver), more: &Value) -> Answer {
    let mut new = json!({ "name": name, "url": app.url("/do") });
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.change("POST", "/services", token, &new)
}

fn call(server: &ApiServer, token: &str, name: &str) -> Answer {
    server.change("POST", &format!("/services/{name}/call"), token, &json!({ "n": 7 }))
}
