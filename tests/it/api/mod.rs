//! The API, over real sockets.

mod api_keys;
mod audit;
mod bad_clients;
mod bulk;
mod canaries;
mod clients;
mod connections;
mod contract;
mod cors;
mod custom_fields;
mod databases;
mod doors;
mod files;
mod filters;
mod first;
mod groups;
mod idempotency;
mod indexes;
mod isolation;
mod limits;
mod log;
mod mail;
mod metrics;
mod oauth;
mod odd;
mod openapi;
mod operations;
mod password;
mod register;
mod reload;
mod restarts;
mod roles;
mod second_factor;
mod service_manager;
mod sessions;
mod settings;
mod start;
mod stopping;
mod switch;
mod tenants;
mod tls;
mod traces;
mod usage;
mod users;
mod versions;

use serde_json::{Value, json};

use crate::support::api::{Answer, ApiServer, bearer};
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

/// An installation with an operator who holds a role of the platform's realm, a server, and their token.
pub fn operated(role: &str) -> (World, ApiServer, String) {
    let world = World::new();
    operator(&world, "ops@example.com", role);
    let server = ApiServer::start(&world);
    let token = operator_token(&server, "ops@example.com");
    (world, server, token)
}

/// An operator with a password.
pub fn operator(world: &World, email: &str, role: &str) {
    let args = ["user", "create", "--email", email, "--role", role, "--password-stdin"];
    let output = world.machine().output(&args, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The token of an operator who signs in.
pub fn operator_token(server: &ApiServer, email: &str) -> String {
    server.login(None, email, PASSWORD).ok()["access_token"].as_str().unwrap().to_owned()
}

/// Asks until an answer is as it should be; for a minute at most.
pub fn until(server: &ApiServer, path: &str, token: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = std::time::Instant::now();
    loop {
        let answer = server.get(path, token).ok();
        if is_so(&answer) {
            return answer;
        }
        assert!(began.elapsed().as_secs() < 60, "{path}: {answer}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The operation of an answer, once it is done.
pub fn done(server: &ApiServer, token: &str, answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{answer:?}");
    let place = answer.header("location").unwrap().to_owned();
    until(server, &place, token, |operation| operation["state"] == "done")
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
