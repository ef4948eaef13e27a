//! The API, over real sockets.

mod api_keys;
mod audit;
mod bulk;
mod canaries;
mod clients;
mod contract;
mod cors;
mod doors;
mod first;
mod groups;
mod idempotency;
mod indexes;
mod isolation;
mod limits;
mod mail;
mod oauth;
mod odd;
mod openapi;
mod password;
mod register;
mod reload;
mod roles;
mod second_factor;
mod service_manager;
mod sessions;
mod start;
mod switch;
mod tls;
mod users;
mod versions;

use serde_json::{Value, json};

use crate::support::api::{ApiServer, bearer};
use crate::support::world::World;

/// The password of those who have one.
pub const PASSWORD: &str = "seven dry cats in a barn";

/// An installation with a tenant `acme`, whose administrator is Ann, and a server.
pub fn acme() -> (World, ApiServer) {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let server = ApiServer::start(&world);
    (world, server)
}

/// The same, and Ann's token.
pub fn acme_and_token() -> (World, ApiServer, String) {
    let (world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    (world, server, token)
}

/// Creates a user with a password and roles; their id.
pub fn user(server: &ApiServer, token: &str, email: &str, roles: &[&str]) -> String {
    let body = json!({ "email": email, "password": PASSWORD, "roles": roles });
    server.change("POST", "/users", token, &body).ok()["id"].as_str().unwrap().to_owned()
}

/// Asks without a body.
pub fn call(server: &ApiServer, method: &str, path: &str, token: &str) -> Value {
    server.send(method, path, &[&bearer(token)], &[]).ok()
}

/// The status and code of a request without a body that must fail.
pub fn refused(server: &ApiServer, method: &str, path: &str, token: &str) -> (u16, String) {
    server.send(method, path, &[&bearer(token)], &[]).problem()
}

/// The values of a field of a list's rows.
pub fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list["data"].as_array().unwrap().iter().map(|row| row[field].as_str().unwrap()).collect()
}
