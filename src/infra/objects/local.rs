//! The driver of Nexus's own object server, over its admin API (JSON over HTTP on this machine).

use async_trait::async_trait;
use hyper::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::admin_api::AdminApi;
use super::{FoundBucket, FoundKey, ObjectError, ObjectStore, Owner, ScopedKey, StoreInventory};
use crate::infra::crypto::AccessKey;

/// Nexus's own object server.
pub struct LocalStore {
    region: String,
    api: AdminApi,
}

impl LocalStore {
    /// Of an endpoint such as `http://127.0.0.1:9000`, and the token of its administrator.
    #[must_use]
    pub fn new(endpoint: &str, region: &str, admin_token: SecretString) -> Self {
        Self { region: region.to_owned(), api: AdminApi::new(endpoint, admin_token) }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), ObjectError> {
        let (status, value) = self.api.call(method, &format!("/_nexus/v1/{path}"), body).await?;
        match status {
            StatusCode::PRECONDITION_FAILED => Err(ObjectError::Fenced),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
                Err(self.api.refused(format!("it answered {status}")))
            }
            status => Ok((status, value)),
        }
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ObjectError> {
        let (_, list) = self.call(Method::GET, path, &Value::Null).await?;
        serde_json::from_value(list).map_err(|_| self.api.senseless("its list"))
    }

    /// A change: done, already so, or not ours.
    async fn change(&self, method: Method, path: &str, body: Value, what: &str) -> Result<(), ObjectError> {
        match self.call(method, path, &body).await? {
            (StatusCode::CONFLICT, _) => Err(ObjectError::Foreign { what: what.to_owned() }),
            _ => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct BucketFacts {
    bucket: String,
    owner: String,
}

#[derive(Deserialize)]
struct KeyFacts {
    access_key_id: String,
    owner: String,
    buckets: Vec<String>,
    disabled: bool,
}

#[async_trait]
impl ObjectStore for LocalStore {
    fn endpoint(&self) -> &str {
        self.api.endpoint()
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
        let keys: Vec<KeyFacts> = self.list(&format!("keys?owner={}", owner.mark)).await?;
        Ok(keys.into_iter().map(|key| key.access_key_id).collect())
    }

    async fn create_key(&self, bucket: &str, owner: &Owner) -> Result<ScopedKey, ObjectError> {
        let made = AccessKey::generate().map_err(|error| self.api.unavailable(error.to_string()))?;
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
        access_key_id: &str,
        _bucket: &str,
        owner: &Owner,
        enabled: bool,
    ) -> Result<(), ObjectError> {
        let what = format!("key {access_key_id}");
        let body = json!({ "owner": owner.mark, "fence": owner.fence, "disabled": !enabled });
        match self.call(Method::PATCH, &format!("keys/{access_key_id}"), &body).await?.0 {
            StatusCode::CONFLICT => Err(ObjectError::Foreign { what }),
            StatusCode::NOT_FOUND if enabled => Err(ObjectError::Missing { what }),
            _ => Ok(()),
        }
    }

    async fn inventory(&self, installation: &str) -> Result<StoreInventory, ObjectError> {
        // A key's bucket is made before the key, so that keys read first name no bucket unknown.
        let keys: Vec<KeyFacts> = self.list(&format!("keys?owner_prefix={installation}")).await?;
        let path = format!("buckets?owner_prefix={installation}&usage=no");
        let buckets: Vec<BucketFacts> = self.list(&path).await?;
        Ok(StoreInventory {
            buckets: buckets.into_iter().map(|it| FoundBucket { name: it.bucket, mark: it.owner }).collect(),
            keys: keys
                .into_iter()
                .map(|it| FoundKey {
                    access_key_id: it.access_key_id,
                    mark: it.owner,
                    buckets: it.buckets,
                    enabled: !it.disabled,
                })
                .collect(),
            // A key is made with its buckets and never gets another.
            unmanaged: Vec::new(),
        })
    }

    async fn high_water(&self, installation: &str) -> Result<i64, ObjectError> {
        let path = format!("fences?owner_prefix={installation}");
        match self.call(Method::GET, &path, &Value::Null).await? {
            // An older server does not tell.
            (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => Ok(0),
            (_, answer) => answer["fence"].as_i64().ok_or_else(|| self.api.senseless("its highest fence")),
        }
    }

    async fn check(&self) -> Result<(), ObjectError> {
        // Nobody has this mark, so the answer is short; whoever may list keys may do all.
        self.list::<KeyFacts>("keys?owner=nobody").await.map(|_| ())
    }
}
