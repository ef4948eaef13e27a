//! What somebody tries at a bucket where its key has no business. Each attempt tells whether it was
//! refused; what it made, if it was not, is taken away again.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioExecutor;

use super::client::{BucketClient, status_of};
use super::patience::{answered, patience};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It was refused, as it should be.
    Refused,
    /// It was let in.
    LetIn,
    /// What it was aimed at is not there.
    Gone,
    /// Neither: a senseless answer.
    Unclear(String),
    /// The store did not answer.
    Silent(String),
}

/// The ways in which a bucket is tried.
pub const WAYS: [&str; 8] =
    ["list", "get", "put", "delete", "copy", "multipart", "presigned-get", "presigned-put"];

/// What is written where a write is let in.
const CONTENT: &[u8] = b"proof";

/// Somebody with a key, and a bucket of its own.
pub struct Trespasser {
    own: BucketClient,
    own_bucket: String,
}

impl Trespasser {
    /// Of a key's client, and the bucket that the key is for.
    #[must_use]
    pub fn new(own: BucketClient, own_bucket: &str) -> Self {
        Self { own, own_bucket: own_bucket.to_owned() }
    }

    /// Whether the key opens its own bucket: else no refusal proves anything.
    pub async fn own(&self) -> Attempt {
        ended(self.own.client().list_objects_v2().bucket(&self.own_bucket).max_keys(1).send().await)
    }

    /// Tries a bucket in one of the [`WAYS`], under a name that nobody uses.
    pub async fn attempt(&self, way: &str, bucket: &str, name: &str) -> Attempt {
        let client = self.own.client();
        match way {
            "list" => ended(client.list_objects_v2().bucket(bucket).max_keys(1).send().await),
            "get" => ended(client.get_object().bucket(bucket).key(name).send().await),
            "put" => {
                let body = ByteStream::from_static(CONTENT);
                let sent = ended(client.put_object().bucket(bucket).key(name).body(body).send().await);
                self.tidied(sent, bucket, name).await
            }
            "delete" => ended(client.delete_object().bucket(bucket).key(name).send().await),
            "copy" => {
                let source = format!("{bucket}/{name}");
                let to = client.copy_object().bucket(&self.own_bucket).key(name);
                let sent = ended(to.copy_source(source).send().await);
                self.tidied(sent, &self.own_bucket, name).await
            }
            "multipart" => self.multipart(client, bucket, name).await,
            "presigned-get" => self.presigned(Method::GET, bucket, name).await,
            _ => {
                let sent = self.presigned(Method::PUT, bucket, name).await;
                self.tidied(sent, bucket, name).await
            }
        }
    }

    async fn tidied(&self, attempt: Attempt, bucket: &str, name: &str) -> Attempt {
        if attempt == Attempt::LetIn {
            let _ = self.own.client().delete_object().bucket(bucket).key(name).send().await;
        }
        attempt
    }

    async fn multipart(&self, client: &Client, bucket: &str, name: &str) -> Attempt {
        let begun = client.create_multipart_upload().bucket(bucket).key(name).send().await;
        if let Ok(begun) = &begun
            && let Some(id) = begun.upload_id()
        {
            let _ = client.abort_multipart_upload().bucket(bucket).key(name).upload_id(id).send().await;
        }
        ended(begun)
    }

    async fn presigned(&self, method: Method, bucket: &str, name: &str) -> Attempt {
        let unclear = |reason: String| Attempt::Unclear(reason);
        let config = match PresigningConfig::expires_in(Duration::from_mins(1)) {
            Ok(config) => config,
            Err(error) => return unclear(error.to_string()),
        };
        let client = self.own.client();
        let signed = if method == Method::GET {
            client.get_object().bucket(bucket).key(name).presigned(config).await.map_err(|e| e.to_string())
        } else {
            client.put_object().bucket(bucket).key(name).presigned(config).await.map_err(|e| e.to_string())
        };
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return unclear(error),
        };
        match send(method, signed.uri(), signed.headers()).await {
            Ok((403 | 401, _)) => Attempt::Refused,
            Ok((200..=299, _)) => Attempt::LetIn,
            Ok((404, body)) if body.contains("NoSuchKey") => Attempt::LetIn,
            Ok((404, body)) if body.contains("NoSuchBucket") => Attempt::Gone,
            Ok((status, _)) => unclear(format!("it answered {status}")),
            Err(reason) => Attempt::Silent(reason),
        }
    }
}

/// One request without a signature of its own: the address has it.
async fn send<'a>(
    method: Method,
    address: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(u16, String), String> {
    let connector = super::admin_api::connector(address)?;
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    let body = if method == Method::PUT { Bytes::from_static(CONTENT) } else { Bytes::new() };
    let mut request = Request::builder().method(method).uri(address);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let exchange = async {
        let answer = client.request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    };
    let limit = patience(address);
    let answer = tokio::time::timeout(limit, exchange).await;
    answered(address, answer.is_ok());
    answer.unwrap_or_else(|_| Err(format!("no answer in {} s", limit.as_secs())))
}

/// An object that is not there is told only to whom may look.
fn ended<T, E: ProvideErrorMetadata>(sent: Result<T, SdkError<E>>) -> Attempt {
    let Err(error) = sent else { return Attempt::LetIn };
    match (status_of(&error), error.code()) {
        (Some(403 | 401), _) => Attempt::Refused,
        (_, Some("NoSuchBucket")) => Attempt::Gone,
        // A HEAD's answer, which has no body, bears no code.
        (_, Some("NoSuchKey")) | (Some(404), None) => Attempt::LetIn,
        (Some(status), code) => Attempt::Unclear(format!("{status} {}", code.unwrap_or("without a code"))),
        (None, _) => Attempt::Silent("no answer".to_owned()),
    }
}
