//! Bodies of the admin interface, both ways.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::infra::object_server::store::StoreError;
use crate::infra::object_server::store::bucket::Bucket;
use crate::infra::object_server::store::keys::KeyRecord;
use crate::kernel::SecretString;

/// What goes back.
pub(in crate::infra::object_server) type Answer = Response<Full<Bytes>>;

#[derive(Debug, Deserialize)]
pub(super) struct PutBucket {
    pub owner: String,
    #[serde(default)]
    pub fence: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeleteBucket {
    pub owner: String,
    #[serde(default)]
    pub fence: u64,
    #[serde(default)]
    pub purge: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct OwnerBody {
    pub owner: String,
    #[serde(default)]
    pub fence: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct PutKey {
    pub owner: String,
    pub buckets: Vec<String>,
    #[serde(deserialize_with = "secret")]
    pub secret: SecretString,
    #[serde(default)]
    pub fence: u64,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

#[derive(Debug, Deserialize)]
pub(super) struct PatchKey {
    pub owner: String,
    pub disabled: bool,
    #[serde(default)]
    pub fence: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FenceBody {
    pub fence: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct BucketView {
    bucket: String,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    created_at: String,
}

impl BucketView {
    pub(super) fn of(bucket: &Bucket) -> Result<Self, StoreError> {
        let (objects, bytes) = bucket.usage()?;
        Ok(Self { objects: Some(objects), bytes: Some(bytes), ..Self::uncounted(bucket) })
    }

    pub(super) fn uncounted(bucket: &Bucket) -> Self {
        Self {
            bucket: bucket.name.clone(),
            owner: bucket.facts.owner.clone(),
            objects: None,
            bytes: None,
            created_at: rfc3339(bucket.facts.created_at),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct KeyView {
    access_key_id: String,
    owner: String,
    buckets: Vec<String>,
    disabled: bool,
    created_at: String,
}

impl KeyView {
    pub(super) fn of(record: &KeyRecord) -> Self {
        Self {
            access_key_id: record.access_key_id.clone(),
            owner: record.owner.clone(),
            buckets: record.buckets.clone(),
            disabled: record.disabled,
            created_at: rfc3339(record.created_at),
        }
    }
}

fn rfc3339(seconds: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// Why an admin request was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    Unauthenticated,
    NoRoute,
    Invalid(&'static str),
    Fenced,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'a str,
    message: &'a str,
}

impl Refusal {
    pub(super) fn into_answer(self) -> Answer {
        let (status, code, message) = match &self {
            Self::Unauthenticated => (401, "unauthenticated", "the admin token is missing or wrong"),
            Self::NoRoute => (404, "no_route", "there is no such admin operation"),
            Self::Invalid(why) => (400, "invalid", *why),
            Self::Fenced => (412, "fenced", "a newer process has taken over this owner"),
            Self::Store(StoreError::Foreign) => (409, "foreign", "it belongs to another owner"),
            Self::Store(StoreError::NotEmpty) => (409, "not_empty", "the bucket is not empty"),
            Self::Store(StoreError::NoSuchBucket) => (404, "not_found", "there is no such bucket"),
            Self::Store(StoreError::NoSuchAccessKey) => (404, "not_found", "there is no such access key"),
            Self::Store(error) if error.is_full() => {
                tracing::error!(%error, "the disk is full");
                (507, "storage_full", "the object server's disk is full")
            }
            Self::Store(error) => {
                tracing::error!(%error, "an admin request failed");
                (500, "internal", "the object server failed; its log says why")
            }
        };
        let mut answer = json(status, &Problem { code, message });
        if status == 401 {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

/// Whether the server answers at all.
pub(super) fn health() -> Answer {
    json(200, &serde_json::json!({ "status": "ok" }))
}

/// A JSON answer.
pub(super) fn json<T: Serialize>(status: u16, value: &T) -> Answer {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut answer = Response::new(Full::new(Bytes::from(bytes)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// `{}`
pub(super) fn empty_object(status: u16) -> Answer {
    json(status, &serde_json::json!({}))
}

/// 204.
pub(super) fn no_content() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}
