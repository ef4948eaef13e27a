//! A server on a port of its own in a folder of its own, and the clients that talk to it.

use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nexus::infra::object_server::{ObjectServerConfig, ObjectServerError, serve};
use nexus::kernel::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "an admin token for tests only";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const OWNER: &str = "nexus:0197:0198";

pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) endpoint: String,
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ObjectServerError>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn start_in(folder: tempfile::TempDir) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, config(folder.path().join("s3")), stop.clone()));
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let server = Self { folder, endpoint, http, stop, task };
        assert_eq!(server.call(Method::GET, "/_nexus/v1/health", &[], "").await.status, 200);
        server
    }

    /// Stops it in order; the folder stays.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.folder
    }

    pub(crate) async fn restart(self) -> Self {
        Self::start_in(self.stop().await).await
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("s3")
    }

    /// A plain HTTP request.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let uri = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.endpoint) };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.http.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply { status: parts.status, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {TOKEN}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.call(method, &format!("/_nexus/v1/{path}"), &[("authorization", &bearer)], body).await
    }

    pub(crate) async fn bucket(&self, name: &str) {
        let reply = self.admin(Method::PUT, &format!("buckets/{name}"), json!({ "owner": OWNER })).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }

    pub(crate) async fn key(&self, buckets: &[&str]) -> Key {
        let id = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
        let secret = uuid::Uuid::new_v4().to_string();
        let body = json!({ "owner": OWNER, "buckets": buckets, "secret": secret });
        let reply = self.admin(Method::PUT, &format!("keys/{id}"), body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        Key { id, secret }
    }

    /// A bucket and a client that reaches only it.
    pub(crate) async fn tenant(&self, bucket: &str) -> Client {
        self.bucket(bucket).await;
        let key = self.key(&[bucket]).await;
        self.client(&key)
    }

    pub(crate) fn client(&self, key: &Key) -> Client {
        client_at(&self.endpoint, key)
    }
}

pub(crate) fn client_at(endpoint: &str, key: &Key) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .force_path_style(true)
        .credentials_provider(Credentials::new(&key.id, &key.secret, None, None, "test"))
        .http_client(Builder::new().build_http())
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

pub(crate) fn config(root: PathBuf) -> ObjectServerConfig {
    ObjectServerConfig { root, region: REGION.into(), admin_token: SecretString::from(TOKEN) }
}

/// The status and S3's code of a call that must fail.
pub(crate) fn refusal<T: std::fmt::Debug, E>(
    result: Result<T, aws_sdk_s3::error::SdkError<E>>,
) -> (u16, String)
where
    E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    let error = result.expect_err("this must be refused");
    let status = error.raw_response().map_or(0, |r| r.status().as_u16());
    let code = error.as_service_error().and_then(|e| e.code()).unwrap_or_default().to_owned();
    (status, code)
}

/// Every file under a folder.
pub(crate) fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

pub(crate) const SHORT: Duration = Duration::from_secs(10);
