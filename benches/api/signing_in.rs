//! Signing in beside the bare hash of a password, and refreshing beside a bare handler with the same
//! transaction.

use std::num::NonZeroUsize;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use nexus::infra::crypto::password::Hasher;
use serde_json::{Value, json};

use super::load::{self, Client, Load, Measured, Reader, Target};
use super::stack::USER;
use super::{Failure, PASSWORD, mid, round};

/// The tenant that is signed in to.
const TENANT: &str = "X-Tenant-ID: acme";

/// Who signs in again and again.
#[derive(Clone)]
struct SignIn(String);

impl Client for SignIn {
    fn request(&mut self) -> Result<Request<Full<Bytes>>, Failure> {
        load::json(&self.0, "/auth/login", &[TENANT], &json!({ "email": USER, "password": PASSWORD }))
    }
}

/// Who exchanges a refresh token, and then its successor.
struct Refresh {
    address: String,
    path: &'static str,
    token: String,
}

impl Client for Refresh {
    fn request(&mut self) -> Result<Request<Full<Bytes>>, Failure> {
        load::json(&self.address, self.path, &[TENANT], &json!({ "refresh_token": self.token }))
    }

    fn answered(&mut self, status: StatusCode, body: &Bytes) -> bool {
        let next = serde_json::from_slice::<Value>(body).ok();
        let next = next.and_then(|body| Some(body["refresh_token"].as_str()?.to_owned()));
        match next {
            Some(token) if status.is_success() => {
                self.token = token;
                true
            }
            _ => false,
        }
    }
}

/// Logins a second beside hashes a second, and what they do to a list meanwhile.
pub(crate) async fn logins(load: Load, nexus: &Target, token: &str) -> Result<Value, Failure> {
    let hasher = Hasher::new(NonZeroUsize::MIN);
    let password = PASSWORD.to_owned().into();
    let stored = hasher.hash(&password).await?;
    let (began, mut hashes) = (Instant::now(), 0.0);
    while began.elapsed() < load.seconds {
        hasher.verify(&password, &stored).await?;
        hashes += 1.0;
    }
    let raw = hashes / began.elapsed().as_secs_f64();
    let few = Load { connections: 4, ..load };
    let who = || std::iter::repeat_n(SignIn(nexus.address.clone()), few.connections);
    let reader = Reader::new(nexus, "/users?limit=20&total=none", Some(token));
    let readers = || std::iter::repeat_n(reader.clone(), few.connections);
    let alone = few.run(nexus, readers()).await?;
    let signing_in = few.run(nexus, who()).await?;
    let (meanwhile, beside) = tokio::try_join!(few.run(nexus, readers()), few.run(nexus, who()))?;
    Ok(json!({
        "logins_per_second": round(signing_in.per_second),
        "hashes_per_second": round(raw),
        "ratio": round(signing_in.per_second / raw),
        "median_ms": round(signing_in.median_ms),
        "list_p99_ms_alone": round(alone.p99_ms),
        "list_p99_ms_meanwhile": round(meanwhile.p99_ms),
        "list_p99_ratio": round(meanwhile.p99_ms / alone.p99_ms),
        "errors": signing_in.errors + meanwhile.errors + beside.errors,
    }))
}

/// Exchanges a second beside those of a bare handler, each over connections with sessions of their own.
pub(crate) async fn refreshes(
    load: Load,
    (nexus, bare): (&Target, &Target),
    rounds: usize,
    sessions: Vec<String>,
) -> Result<Value, Failure> {
    let mut tokens = Vec::new();
    for _ in 0..load.connections * rounds * 2 {
        let body = json!({ "email": USER, "password": PASSWORD });
        let pair = load::post(&nexus.address, "/auth/login", &[TENANT], &body).await?;
        tokens.push(pair["refresh_token"].as_str().ok_or("no token")?.to_owned());
    }
    let (mut ours, mut theirs) = (tokens.into_iter(), sessions.into_iter());
    let (mut a, mut b): (Vec<Measured>, Vec<Measured>) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for is_ours in [true, false, false, true] {
            let (target, from, path) = if is_ours {
                (nexus, &mut ours, "/auth/refresh-token")
            } else {
                (bare, &mut theirs, "/refresh")
            };
            let tokens: Vec<String> = from.by_ref().take(load.connections).collect();
            let clients =
                tokens.into_iter().map(|token| Refresh { address: target.address.clone(), path, token });
            let measured = load.run(target, clients).await?;
            if is_ours { a.push(measured) } else { b.push(measured) }
        }
    }
    let rate = |all: &[Measured]| mid(all, |it| it.per_second);
    Ok(json!({
        "requests_per_second": round(rate(&a)),
        "bare_requests_per_second": round(rate(&b)),
        "ratio": round(rate(&a) / rate(&b)),
        "median_ms": round(mid(&a, |it| it.median_ms)),
        "bare_median_ms": round(mid(&b, |it| it.median_ms)),
        "errors": a.iter().chain(&b).map(|it| it.errors).sum::<usize>(),
    }))
}
