//! A bucket as the holder of its key sees it for long: objects are asked about and deleted, and others get URLs
//! with which they upload or download one object for a while. A URL holds a signature: it is a secret.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::breaker::Circuit;
use super::client::{BucketClient, http_client, status_of};
use super::patience::{answered, patience};
use super::{ObjectError, ObjectStore, ScopedKey};

/// Opens buckets of one store: they share its connections, and whether it is asked at all.
pub struct BucketOpener {
    endpoint: String,
    region: String,
    circuit: Arc<Circuit>,
    http: OnceLock<SharedHttpClient>,
}

/// A bucket, by its own key. Cheap to clone.
#[derive(Clone)]
pub struct Bucket(Arc<Opened>);

struct Opened {
    client: BucketClient,
    name: String,
    endpoint: String,
    circuit: Arc<Circuit>,
}

/// An object that is to be uploaded.
#[derive(Debug, Clone)]
pub struct PresignedObject<'a> {
    pub size: i64,
    pub content_type: &'a str,
    /// The SHA-256 of its content, where that is known.
    pub sha256: Option<&'a [u8]>,
}

/// A request that is signed already.
#[derive(Debug, Clone)]
pub struct Presigned {
    pub url: SecretString,
    /// Those that must be sent with it as they are.
    pub headers: Vec<(String, String)>,
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundObject {
    pub size: i64,
    pub content_type: String,
    /// The SHA-256 of its content, where the store has kept it.
    pub sha256: Option<Vec<u8>>,
}

impl BucketOpener {
    /// Of a store, behind its breaker.
    #[must_use]
    pub fn new(store: &dyn ObjectStore, circuit: Arc<Circuit>) -> Self {
        let (endpoint, region) = (store.endpoint().to_owned(), store.region().to_owned());
        Self { endpoint, region, circuit, http: OnceLock::new() }
    }

    /// A bucket, with a key that can touch it. Asks nobody.
    #[must_use]
    pub fn open(&self, bucket: &str, key: &ScopedKey) -> Bucket {
        let http = self.http.get_or_init(|| http_client(&self.endpoint)).clone();
        Bucket(Arc::new(Opened {
            client: BucketClient::lasting(&self.endpoint, &self.region, key, http),
            name: bucket.to_owned(),
            endpoint: self.endpoint.clone(),
            circuit: Arc::clone(&self.circuit),
        }))
    }
}

impl Bucket {
    /// A request that uploads one object of exactly this size and type, once: it is refused where there is an
    /// object of that key, by stores that know conditions.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn presign_put(
        &self,
        key: &str,
        object: &PresignedObject<'_>,
        valid: Duration,
    ) -> Result<Presigned, ObjectError> {
        let put = self.0.client.client().put_object().bucket(&self.0.name).key(key);
        let put = put.content_length(object.size).content_type(object.content_type).if_none_match("*");
        let put = put.set_checksum_sha256(object.sha256.map(|digest| STANDARD.encode(digest)));
        let config = PresigningConfig::expires_in(valid).map_err(|error| self.unsigned(&error))?;
        Ok(signed(&Box::pin(put.presigned(config)).await.map_err(|error| self.unsigned(&error))?))
    }

    /// A request that downloads an object, which browsers save (`disposition`, RFC 6266) as of a type.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn presign_get(
        &self,
        key: &str,
        (disposition, content_type): (&str, &str),
        valid: Duration,
    ) -> Result<Presigned, ObjectError> {
        let get = self.0.client.client().get_object().bucket(&self.0.name).key(key);
        let get = get.response_content_disposition(disposition).response_content_type(content_type);
        let config = PresigningConfig::expires_in(valid).map_err(|error| self.unsigned(&error))?;
        Ok(signed(&Box::pin(get.presigned(config)).await.map_err(|error| self.unsigned(&error))?))
    }

    /// What is there under a key.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn find(&self, key: &str) -> Result<Option<FoundObject>, ObjectError> {
        let head = self.0.client.client().head_object().bucket(&self.0.name).key(key);
        let asked = head.checksum_mode(ChecksumMode::Enabled).send();
        let found = Box::pin(async {
            match asked.await {
                Ok(found) => Ok(Some(FoundObject {
                    size: found.content_length().unwrap_or_default(),
                    content_type: found.content_type().unwrap_or_default().to_owned(),
                    sha256: found.checksum_sha256().and_then(|digest| STANDARD.decode(digest).ok()),
                })),
                Err(error) if status_of(&error) == Some(404) => Ok(None),
                Err(error) => Err(self.0.client.failed(&error)),
            }
        });
        self.within_time(found).await
    }

    /// Deletes an object; one that is gone already is no error.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.within_time(Box::pin(self.0.client.delete(&self.0.name, key))).await
    }

    async fn within_time<T>(
        &self,
        asked: impl Future<Output = Result<T, ObjectError>>,
    ) -> Result<T, ObjectError> {
        let endpoint = &self.0.endpoint;
        let limited = async {
            let limit = patience(endpoint);
            tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
                answered(endpoint, false);
                let reason = format!("no answer in {} s", limit.as_secs());
                Err(ObjectError::Unavailable { endpoint: endpoint.clone(), reason })
            })
        };
        self.0.circuit.pass(limited).await
    }

    fn unsigned(&self, error: &dyn std::error::Error) -> ObjectError {
        ObjectError::Refused { endpoint: self.0.endpoint.clone(), reason: error.to_string() }
    }
}

fn signed(request: &PresignedRequest) -> Presigned {
    let headers = request.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Presigned { url: SecretString::from(request.uri()), headers: headers.collect() }
}
