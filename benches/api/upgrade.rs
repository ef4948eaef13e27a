//! An upgrade under load: the last release serves, the new one brings the databases along, both serve side by
//! side, the old one stops. Every request that is not answered as it should be is counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::load;
use super::stack::{Stack, USER, this_program};
use super::{Failure, PASSWORD, Server, started};

/// Clients at once.
const CLIENTS: usize = 16;
/// A client signs on anew after so many rounds.
const ROUNDS: usize = 50;

/// A server that clients ask.
#[derive(Debug, Clone)]
struct Asked {
    release: &'static str,
    address: String,
}

/// What came of the requests, by server and what was asked.
#[derive(Default)]
struct Outcome {
    answers: Mutex<BTreeMap<String, usize>>,
    errors: AtomicUsize,
    users: AtomicUsize,
}

impl Outcome {
    fn note(&self, server: &Asked, what: &str, good: bool, why: &str) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let how = if good { "" } else { why };
        *answers.entry(format!("{} {what} {how}", server.release).trim().to_owned()).or_default() += 1;
        if !good {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs the whole of it; each step has half of the time.
pub(crate) async fn measure(old: &Path, seconds: Duration) -> Result<Value, Failure> {
    let stack = Stack::start(old, "up")?;
    stack.create_with_user(&[], "acme")?;
    let (mut before, address) = serve(&stack, old)?;
    let old_server = Asked { release: "old", address };
    let (servers, known) = watch::channel(vec![old_server.clone()]);
    let outcome = Arc::new(Outcome::default());
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(client(known.clone(), Arc::clone(&outcome)))).collect();
    tokio::time::sleep(seconds / 2).await;
    let began = Instant::now();
    for args in [&["init"][..], &["migrate", "tenants", "--all", "--yes"]] {
        run(&stack, args).await?;
    }
    let migrated = began.elapsed();
    let (_after, address) = serve(&stack, &this_program())?;
    let new_server = Asked { release: "new", address };
    servers.send_replace(vec![old_server, new_server.clone()]);
    tokio::time::sleep(seconds).await;
    servers.send_replace(vec![new_server]);
    // Requests under way are finished, by the clients' next round.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pid = before.child.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status()?;
    let stopped = before.child.wait()?;
    tokio::time::sleep(seconds / 2).await;
    servers.send_replace(Vec::new());
    for client in clients {
        client.await??;
    }
    let answers = outcome.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(json!({ "upgrade": {
        "answers": answers,
        "databases_brought_along_ms": migrated.as_millis(),
        "old_ended_well": stopped.success(),
        "errors": outcome.errors.load(Ordering::Relaxed),
    } }))
}

fn command(stack: &Stack, program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env("NEXUS_HOME", &stack.home).env_remove("NEXUS_CONFIG").current_dir(&stack.home);
    for (bucket, most) in [("REQUESTS", "100000000"), ("PASSWORDS", "1000000"), ("SESSIONS", "1000000")] {
        command.env(format!("NEXUS_CONTEXT_LOCAL_SERVE_{bucket}_A_MINUTE"), most);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn serve(stack: &Stack, program: &Path) -> Result<(Server, String), Failure> {
    let args = ["-q", "-o", "id", "serve", "--bind", "127.0.0.1:0"];
    let (server, _) = started(command(stack, program, &args))?;
    let address = server.target.address.clone();
    Ok((server, address))
}

/// A command of the new release, which must succeed.
async fn run(stack: &Stack, args: &[&str]) -> Result<(), Failure> {
    let mut command = tokio::process::Command::from(command(stack, &this_program(), args));
    let output = command.stderr(Stdio::piped()).output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{args:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// One client's connections, one a server.
struct Connections(BTreeMap<String, SendRequest<Full<Bytes>>>);

impl Connections {
    async fn ask(
        &mut self,
        server: &Asked,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Value), Failure> {
        if !self.0.contains_key(&server.address) {
            self.0.insert(server.address.clone(), load::connect(&server.address).await?);
        }
        let sender = self.0.get_mut(&server.address).ok_or("no connection")?;
        let asked = async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, Failure>((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        let answer = asked.await;
        if answer.is_err() {
            self.0.remove(&server.address);
        }
        answer
    }

    /// Asks, notes whether the answer is the one that is wanted, and gives it where it is.
    async fn wanted(
        &mut self,
        (server, outcome): (&Asked, &Outcome),
        (what, status): (&str, u16),
        request: Request<Full<Bytes>>,
    ) -> Option<Value> {
        match self.ask(server, request).await {
            Ok((found, body)) => {
                let good = found == status;
                outcome.note(server, what, good, &format!("{found} {}", body["code"]));
                good.then_some(body)
            }
            Err(error) => {
                outcome.note(server, what, false, &error.to_string());
                None
            }
        }
    }
}

/// Signs in, and then lists, creates on one server, reads on the next, and signs on at another.
async fn client(servers: watch::Receiver<Vec<Asked>>, outcome: Arc<Outcome>) -> Result<(), Failure> {
    let mut connections = Connections(BTreeMap::new());
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        let known = servers.borrow();
        known.get(turn % known.len().max(1)).cloned()
    };
    let mut pair = None;
    loop {
        let Some(server) = next() else { return Ok(()) };
        let (what, path, body) = match &pair {
            None => ("login", "/auth/login", json!({ "email": USER, "password": PASSWORD })),
            Some(refresh) => ("refresh", "/auth/refresh-token", json!({ "refresh_token": refresh })),
        };
        let request = load::json(&server.address, path, &["x-tenant-id: acme"], &body)?;
        let Some(signed_in) = connections.wanted((&server, &outcome), (what, 200), request).await else {
            pair = None;
            continue;
        };
        pair = Some(signed_in["refresh_token"].clone());
        let token =
            format!("authorization: Bearer {}", signed_in["access_token"].as_str().unwrap_or_default());
        for _ in 0..ROUNDS {
            let (Some(first), Some(second)) = (next(), next()) else { return Ok(()) };
            let list = get(&first, "/users?limit=20&total=none", &token)?;
            connections.wanted((&first, &outcome), ("list", 200), list).await;
            let number = outcome.users.fetch_add(1, Ordering::Relaxed);
            let new = json!({ "email": format!("new{number}@acme.example") });
            let create = load::json(&first.address, "/users", &[&token], &new)?;
            let made = connections.wanted((&first, &outcome), ("create", 201), create).await;
            if let Some(id) = made.and_then(|made| made["id"].as_str().map(str::to_owned)) {
                let read = get(&second, &format!("/users/{id}"), &token)?;
                connections.wanted((&second, &outcome), ("read what was created", 200), read).await;
            }
        }
    }
}

fn get(server: &Asked, path: &str, token: &str) -> Result<Request<Full<Bytes>>, Failure> {
    let (name, value) = token.split_once(": ").ok_or("no header")?;
    let request = Request::builder().method(Method::GET).uri(path).header("host", &server.address);
    Ok(request.header(name, value).body(Full::default())?)
}
