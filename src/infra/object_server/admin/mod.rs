//! The admin interface: JSON over HTTP under `/_nexus/v1`, for whoever holds the admin token.
//!
//! No bucket name begins with `_`, so the prefix can never be one.

mod wire;

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::blocking::blocking;
use super::crowd::Life;
use super::names::{is_access_key_id, is_bucket, is_owner, percent_decode};
use super::state::{State, now};
use super::store::StoreError;
use super::store::buckets::Made;
use super::store::keys::NewKey;
use wire::{
    Answer, BucketView, DeleteBucket, FenceBody, KeyView, OwnerBody, PatchKey, PutBucket, PutKey, Refusal,
};

/// What the admin interface answers to.
pub(super) const PREFIX: &str = "/_nexus/v1/";

/// Largest body of an admin request.
const MAX_BODY: usize = 64 << 10;

/// Answers one admin request. A change that was begun is finished, also when the client has gone.
pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    if path == "health" && request.method() == Method::GET {
        return wire::health();
    }
    if !is_admin(&state, &request) {
        return Refusal::Unauthenticated.into_answer();
    }
    if let Some(life) = request.extensions().get::<Arc<Life>>() {
        // Of the administrator's there are never too many.
        let _ = life.work(None);
    }
    let method = request.method().clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return Refusal::Invalid("the body is too large or was cut off").into_answer();
    };
    let body = body.to_bytes();
    let work = tokio::spawn(async move { route(&state, &method, &path, &query, &body).await });
    match work.await {
        Ok(Ok(answer)) => answer,
        Ok(Err(refusal)) => refusal.into_answer(),
        Err(_) => Refusal::Store(StoreError::Broken).into_answer(),
    }
}

fn is_admin(state: &State, request: &Request<Incoming>) -> bool {
    let mut given = request.headers().get_all(AUTHORIZATION).iter();
    let token = given.next().and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    let (Some(token), None) = (token, given.next()) else {
        return false;
    };
    // Hashes have one length, so the comparison's time tells nothing of the token's.
    let expected = Sha256::digest(state.admin_token.expose_secret().as_bytes());
    Sha256::digest(token).ct_eq(&expected).into()
}

async fn route(
    state: &Arc<State>,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let segments: Option<Vec<String>> = path.split('/').map(|s| percent_decode(s, false)).collect();
    let segments = segments.ok_or(Refusal::Invalid("the path is malformed"))?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (method.as_str(), segments.as_slice()) {
        ("GET", ["buckets"]) => list_buckets(state, query).await,
        ("GET", ["buckets", name]) => show_bucket(state, name).await,
        ("PUT", ["buckets", name]) => put_bucket(state, name, parse(body)?).await,
        ("DELETE", ["buckets", name]) => delete_bucket(state, name, parse(body)?).await,
        ("GET", ["keys"]) => Ok(list_keys(state, query)),
        ("GET", ["keys", id]) => show_key(state, id),
        ("PUT", ["keys", id]) => put_key(state, id, parse(body)?).await,
        ("PATCH", ["keys", id]) => patch_key(state, id, parse(body)?).await,
        ("DELETE", ["keys", id]) => delete_key(state, id, parse(body)?).await,
        ("GET", ["fences"]) => highest_fence(state, query).await,
        ("PUT", ["fences", owner]) => raise_fence(state, owner, parse(body)?).await,
        _ => Err(Refusal::NoRoute),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::Invalid("the body is not the JSON that this takes"))
}

/// Runs a change for an owner, alone, unless its fence stands higher.
async fn change<T: Send + 'static>(
    state: &Arc<State>,
    owner: &str,
    fence: u64,
    effect: impl FnOnce(&State) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    if !is_owner(owner) {
        return Err(Refusal::Invalid("an owner is 1 to 200 of A-Z, a-z, 0-9, ':', '.', '_', '-'"));
    }
    let turn = state.fences.turn(owner).await;
    let state = Arc::clone(state);
    let done = blocking(move || if turn.admits(fence)? { effect(&state).map(Some) } else { Ok(None) });
    done.await?.ok_or(Refusal::Fenced)
}

fn bucket_name(name: &str) -> Result<String, Refusal> {
    if is_bucket(name) {
        Ok(name.to_owned())
    } else {
        Err(Refusal::Invalid("this cannot be a bucket's name"))
    }
}

fn key_id(id: &str) -> Result<String, Refusal> {
    let wrong = "an access key id is 16 to 32 of A-Z and 0-9";
    if is_access_key_id(id) { Ok(id.to_owned()) } else { Err(Refusal::Invalid(wrong)) }
}

fn made(made: Made) -> Answer {
    wire::empty_object(if made == Made::New { 201 } else { 200 })
}

async fn put_bucket(state: &Arc<State>, name: &str, body: PutBucket) -> Result<Answer, Refusal> {
    let (name, owner) = (bucket_name(name)?, body.owner.clone());
    change(state, &body.owner, body.fence, move |s| s.buckets.create(&name, &owner, now())).await.map(made)
}

async fn delete_bucket(state: &Arc<State>, name: &str, body: DeleteBucket) -> Result<Answer, Refusal> {
    let (name, owner) = (bucket_name(name)?, body.owner.clone());
    change(state, &body.owner, body.fence, move |s| s.buckets.remove(&name, &owner, body.purge)).await?;
    Ok(wire::no_content())
}

async fn show_bucket(state: &Arc<State>, name: &str) -> Result<Answer, Refusal> {
    let bucket = state.bucket(name)?;
    let view = blocking(move || BucketView::of(&bucket)).await?;
    Ok(wire::json(200, &view))
}

async fn list_buckets(state: &Arc<State>, query: &str) -> Result<Answer, Refusal> {
    let prefix = parameter(query, "owner_prefix").unwrap_or_default();
    // Counting reads a bucket's index from disk where nobody has yet.
    let counted = parameter(query, "usage").as_deref() != Some("no");
    let mut buckets = state.buckets.all();
    buckets.retain(|bucket| bucket.facts.owner.starts_with(&prefix));
    if !counted {
        let views: Vec<_> = buckets.iter().map(|bucket| BucketView::uncounted(bucket)).collect();
        return Ok(wire::json(200, &views));
    }
    let views = blocking(move || {
        let views = buckets.iter().map(|bucket| BucketView::of(bucket));
        // One that was removed since is not an error of the others.
        views.filter(|view| !matches!(view, Err(StoreError::NoSuchBucket))).collect::<Result<Vec<_>, _>>()
    });
    Ok(wire::json(200, &views.await?))
}

async fn put_key(state: &Arc<State>, id: &str, body: PutKey) -> Result<Answer, Refusal> {
    for bucket in &body.buckets {
        bucket_name(bucket)?;
    }
    if !(16..=128).contains(&body.secret.expose_secret().len()) {
        return Err(Refusal::Invalid("a secret has 16 to 128 characters"));
    }
    let new = NewKey {
        access_key_id: key_id(id)?,
        owner: body.owner.clone(),
        buckets: body.buckets,
        secret: body.secret,
    };
    change(state, &body.owner, body.fence, move |s| s.keys.put(new, now())).await.map(made)
}

async fn patch_key(state: &Arc<State>, id: &str, body: PatchKey) -> Result<Answer, Refusal> {
    let (id, owner) = (key_id(id)?, body.owner.clone());
    change(state, &body.owner, body.fence, move |s| s.keys.set_disabled(&id, &owner, body.disabled)).await?;
    Ok(wire::empty_object(200))
}

async fn delete_key(state: &Arc<State>, id: &str, body: OwnerBody) -> Result<Answer, Refusal> {
    let (id, owner) = (key_id(id)?, body.owner.clone());
    change(state, &body.owner, body.fence, move |s| s.keys.remove(&id, &owner)).await?;
    Ok(wire::no_content())
}

fn show_key(state: &State, id: &str) -> Result<Answer, Refusal> {
    let record = state.keys.get(id).ok_or(StoreError::NoSuchAccessKey)?;
    Ok(wire::json(200, &KeyView::of(&record)))
}

fn list_keys(state: &State, query: &str) -> Answer {
    let owner = parameter(query, "owner");
    let prefix = parameter(query, "owner_prefix").unwrap_or_default();
    let mut keys = state.keys.all(owner.as_deref());
    keys.retain(|key| key.owner.starts_with(&prefix));
    let views: Vec<KeyView> = keys.iter().map(|record| KeyView::of(record)).collect();
    wire::json(200, &views)
}

async fn raise_fence(state: &Arc<State>, owner: &str, body: FenceBody) -> Result<Answer, Refusal> {
    if !is_owner(owner) {
        return Err(Refusal::Invalid("an owner is 1 to 200 of A-Z, a-z, 0-9, ':', '.', '_', '-'"));
    }
    let turn = state.fences.turn(owner).await;
    if blocking(move || turn.raise(body.fence)).await? {
        Ok(wire::no_content())
    } else {
        Err(Refusal::Fenced)
    }
}

async fn highest_fence(state: &Arc<State>, query: &str) -> Result<Answer, Refusal> {
    let prefix = parameter(query, "owner_prefix").unwrap_or_default();
    let state = Arc::clone(state);
    let highest = blocking(move || state.fences.highest(&prefix)).await?;
    Ok(wire::json(200, &FenceBody { fence: highest }))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(n, _)| *n == name).find_map(|(_, value)| percent_decode(value, true))
}
