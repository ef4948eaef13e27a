//! The driver of Nexus's own object server, over its admin API (JSON over HTTP on this machine).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ObjectError, ObjectStore, Owner, ScopedKey, StoreInventory};
use crate::infra::crypto::AccessKey;

/// How long one request may take before the store counts as down.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most bytes of an answer.
const MAX_ANSWER: usize = 16 << 20;

/// Nexus's own object server.
pub struct LocalStore {
    endpoint: String,
    region: String,
    admin_token: SecretString,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl LocalStore {
    /// Of an endpoint such as `http://127.0.0.1:9000`, and the token of its administrator.
    #[must_use]
    pub fn new(endpoint: &str, region: &str, admin_token: SecretString) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            admin_token,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), ObjectError> {
        let unavailable =
            |reason: String| ObjectError::Unavailable { endpoint: self.endpoint.clone(), reason };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/_nexus/v1/{path}", self.endpoint))
            .header("authorization", format!("Bearer {}", self.admin_token.expose_secret()))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| unavailable(error.to_string()))?;
        let exchange = async {
            let answer =
                self.client.request(request).await.map_err(|error| unavailable(reason_of(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unavailable(error.to_string()))?.to_bytes();
            Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        let (status, value): (StatusCode, Value) = tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err(unavailable("no answer in 15 seconds".to_owned())))?;
        match status {
            status if status.is_server_error() => Err(unavailable(format!("it answered {status}"))),
            StatusCode::PRECONDITION_FAILED => Err(ObjectError::Fenced),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                Err(ObjectError::Refused {
                    endpoint: self.endpoint.clone(),
                    reason: format!("it answered {status}"),
                })
            }
            status => Ok((status, value)),
        }
    }

    fn not_offered(&self, what: &str) -> ObjectError {
        ObjectError::Refused { endpoint: self.endpoint.clone(), reason: format!("it does not offer {what}") }
    }

    /// A change: done, already so, or not ours.
    async fn change(&self, method: Method, path: &str, body: Value, what: &str) -> Result<(), ObjectError> {
        match self.call(method, path, &body).await? {
            (StatusCode::CONFLICT, _) => Err(ObjectError::Foreign { what: what.to_owned() }),
            _ => Ok(()),
        }
    }
}

fn reason_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[derive(Deserialize)]
struct BucketFacts {
    owner: String,
}

#[derive(Deserialize)]
struct KeyFacts {
    access_key_id: String,
}

#[async_trait]
impl ObjectStore for LocalStore {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn region(&self) -> &str {
        &self.region
    }

    async fn fence(&self, owner: &Owner) -> Result<(), ObjectError> {
        let body = json!({ "fence": owner.fence });
        self.change(Method::PUT, &format!("fences/{}", owner.mark), body, "the fence").await
    }

    async fn has_bucket(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError> {
        let (status, facts) = self.call(Method::GET, &format!("buckets/{bucket}"), &Value::Null).await?;
        match serde_json::from_value::<BucketFacts>(facts) {
            _ if status == StatusCode::NOT_FOUND => Ok(false),
            Ok(facts) if facts.owner == owner.mark => Ok(true),
            _ => Err(ObjectError::Foreign { what: format!("bucket {bucket}") }),
        }
    }

    async fn create_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        let body = json!({ "owner": owner.mark, "fence": owner.fence });
        self.change(Method::PUT, &format!("buckets/{bucket}"), body, &format!("bucket {bucket}")).await
    }

    async fn purge_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        let body = json!({ "owner": owner.mark, "fence": owner.fence, "purge": true });
        self.change(Method::DELETE, &format!("buckets/{bucket}"), body, &format!("bucket {bucket}")).await
    }

    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, ObjectError> {
        let (_, keys) = self.call(Method::GET, &format!("keys?owner={}", owner.mark), &Value::Null).await?;
        let keys: Vec<KeyFacts> = serde_json::from_value(keys).map_err(|_| ObjectError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason: "its list of keys makes no sense".to_owned(),
        })?;
        Ok(keys.into_iter().map(|key| key.access_key_id).collect())
    }

    async fn create_key(&self, bucket: &str, owner: &Owner) -> Result<ScopedKey, ObjectError> {
        let made = AccessKey::generate().map_err(|error| ObjectError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason: error.to_string(),
        })?;
        let key = ScopedKey { access_key_id: made.id, secret: made.secret };
        let body = json!({
            "owner": owner.mark, "fence": owner.fence, "buckets": [bucket], "secret": key.secret.expose_secret(),
        });
        let path = format!("keys/{}", key.access_key_id);
        self.change(Method::PUT, &path, body, &format!("key {}", key.access_key_id)).await?;
        Ok(key)
    }

    async fn delete_key(&self, access_key_id: &str, owner: &Owner) -> Result<(), ObjectError> {
        let body = json!({ "owner": owner.mark, "fence": owner.fence });
        let path = format!("keys/{access_key_id}");
        self.change(Method::DELETE, &path, body, &format!("key {access_key_id}")).await
    }

    async fn set_key_enabled(
        &self,
        _access_key_id: &str,
        _bucket: &str,
        _owner: &Owner,
        _enabled: bool,
    ) -> Result<(), ObjectError> {
        Err(self.not_offered("turning keys off"))
    }

    async fn inventory(&self, _installation: &str) -> Result<StoreInventory, ObjectError> {
        Err(self.not_offered("an inventory"))
    }

    async fn check(&self) -> Result<(), ObjectError> {
        Err(self.not_offered("a check"))
    }
}
