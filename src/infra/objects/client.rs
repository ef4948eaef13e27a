//! What the holder of a scoped key does with a bucket, over the S3 protocol.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::{self, TimeoutConfig};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use aws_smithy_http_client::{Builder, tls};
use secrecy::ExposeSecret;

use super::patience::{answered, patience};
use super::{ObjectError, ScopedKey};
use crate::infra::object_server::percent_decode;

/// The HTTP client for an endpoint: with TLS unless it begins with `http:`.
pub(super) fn http_client(endpoint: &str) -> SharedHttpClient {
    if endpoint.starts_with("http:") {
        return Builder::new().build_http();
    }
    Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc)).build_https()
}

/// Whether a store refused, as it should where a key has no business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It refused (403).
    Refused,
    /// It let the key in.
    Allowed,
}

/// A bucket as one key sees it.
pub struct BucketClient {
    client: Client,
    endpoint: String,
}

impl BucketClient {
    /// Of a store's endpoint and region, and a key.
    #[must_use]
    pub fn new(endpoint: &str, region: &str, key: &ScopedKey) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(patience(endpoint));
        Self::with(endpoint, region, key, (timeouts, http_client(endpoint)))
    }

    /// The same for longer than one command: over connections that others use, too, and whoever asks sets the
    /// time limit of each request.
    #[must_use]
    pub(super) fn lasting(endpoint: &str, region: &str, key: &ScopedKey, http: SharedHttpClient) -> Self {
        Self::with(endpoint, region, key, (TimeoutConfig::builder(), http))
    }

    fn with(
        endpoint: &str,
        region: &str,
        key: &ScopedKey,
        (timeouts, http): (timeout::TimeoutConfigBuilder, SharedHttpClient),
    ) -> Self {
        let secret = key.secret.expose_secret().to_owned();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(key.access_key_id.clone(), secret, None, None, "nexus"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.connect_timeout(Duration::from_secs(5)).build())
            .http_client(http)
            .build();
        Self { client: Client::from_conf(config), endpoint: endpoint.to_owned() }
    }

    /// The client itself.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Writes an object.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn put(&self, bucket: &str, key: &str, content: &'static [u8]) -> Result<(), ObjectError> {
        let body = ByteStream::from_static(content);
        let sent = self.client.put_object().bucket(bucket).key(key).body(body).send().await;
        sent.map(|_| ()).map_err(|error| self.failed(&error))
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, ObjectError> {
        let answer = self.client.get_object().bucket(bucket).key(key).send().await;
        let body = answer.map_err(|error| self.failed(&error))?.body.collect().await;
        body.map(aws_sdk_s3::primitives::AggregatedBytes::to_vec).map_err(|error| ObjectError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason: error.to_string(),
        })
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        let sent = self.client.delete_object().bucket(bucket).key(key).send().await;
        sent.map(|_| ()).map_err(|error| self.failed(&error))
    }

    /// Deletes up to 250 objects; the key of the first, or nothing when there is none.
    ///
    /// # Errors
    /// When the store refuses, also one object alone, or does not answer.
    pub(super) async fn delete_page(&self, bucket: &str) -> Result<Option<String>, ObjectError> {
        // Keys come percent-encoded, because XML 1.0 (section 2.2) cannot carry all of them.
        let page =
            self.client.list_objects_v2().bucket(bucket).max_keys(250).encoding_type(EncodingType::Url);
        let page = page.send().await.map_err(|error| self.failed(&error))?;
        let unclear = |reason: String| ObjectError::Unavailable { endpoint: self.endpoint.clone(), reason };
        let (mut first, mut together) = (None, Vec::new());
        for object in page.contents() {
            let key = object.key().and_then(|key| percent_decode(key, true));
            let key = key.ok_or_else(|| unclear("its list of objects cannot be understood".to_owned()))?;
            first.get_or_insert_with(|| key.clone());
            if key.contains(|c| c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}')) {
                self.delete(bucket, &key).await?;
            } else {
                let named = ObjectIdentifier::builder().key(key).build();
                together.push(named.map_err(|error| unclear(error.to_string()))?);
            }
        }
        if !together.is_empty() {
            let orders = Delete::builder().set_objects(Some(together)).quiet(true).build();
            let orders = orders.map_err(|error| unclear(error.to_string()))?;
            let answer = self.client.delete_objects().bucket(bucket).delete(orders).send().await;
            if let Some(failed) = answer.map_err(|error| self.failed(&error))?.errors().first() {
                let reason = format!("an object was not deleted: {}", failed.code().unwrap_or("no code"));
                return Err(ObjectError::Refused { endpoint: self.endpoint.clone(), reason });
            }
        }
        Ok(first)
    }

    /// Tries to list a bucket where this key has no business.
    ///
    /// # Errors
    /// When the store gives neither a list nor a refusal.
    pub async fn try_list(&self, bucket: &str) -> Result<Refusal, ObjectError> {
        match self.client.list_objects_v2().bucket(bucket).max_keys(1).send().await {
            Ok(_) => Ok(Refusal::Allowed),
            Err(error) if status_of(&error) == Some(403) => Ok(Refusal::Refused),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// How many objects one page of the bucket's list holds (at most 1,000), and whether there are
    /// more.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn count(&self, bucket: &str) -> Result<(usize, bool), ObjectError> {
        let page = self.client.list_objects_v2().bucket(bucket).send().await;
        let page = page.map_err(|error| self.failed(&error))?;
        Ok((page.contents().len(), page.is_truncated().unwrap_or(false)))
    }

    pub(super) fn failed<E: std::error::Error + ProvideErrorMetadata + 'static>(
        &self,
        error: &SdkError<E>,
    ) -> ObjectError {
        answered(&self.endpoint, !matches!(error, SdkError::TimeoutError(_)));
        let endpoint = || self.endpoint.clone();
        match status_of(error) {
            Some(status @ (429 | 503)) => ObjectError::Busy { endpoint: endpoint(), status },
            Some(status) if status < 500 => ObjectError::Refused {
                endpoint: endpoint(),
                reason: format!("{} ({status})", error.code().unwrap_or("no code")),
            },
            Some(507) => ObjectError::Full { endpoint: endpoint() },
            Some(status) => ObjectError::Ill { endpoint: endpoint(), status },
            None => ObjectError::Unavailable {
                endpoint: endpoint(),
                reason: DisplayErrorContext(error).to_string(),
            },
        }
    }
}

pub(super) fn status_of<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
