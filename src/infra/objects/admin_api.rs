//! JSON over HTTP or HTTPS to the administrator's side of an object store, with a bearer token.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::ObjectError;
use super::patience::{answered, patience};

/// Most bytes of an answer.
const MAX_ANSWER: usize = 64 << 20;

/// The administrator's side of one store.
pub(super) struct AdminApi {
    endpoint: String,
    token: SecretString,
    /// Or why there can be none: this system trusts no certificate authority at all.
    client: Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, String>,
}

impl AdminApi {
    /// Of an endpoint such as `https://store.example.com:3903`, and the administrator's token.
    pub(super) fn new(endpoint: &str, token: SecretString) -> Self {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let client = connector(&endpoint).map(|it| Client::builder(TokioExecutor::new()).build(it));
        Self { endpoint, token, client }
    }

    /// Scheme, host, port.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// One request; the status, and the JSON or nothing. Only an answer of 500 and more is an error.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), ObjectError> {
        let client = self.client.as_ref().map_err(|reason| self.unavailable(reason.clone()))?;
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header("authorization", format!("Bearer {}", self.token.expose_secret()))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| self.unavailable(error.to_string()))?;
        let exchange = async {
            let answer =
                client.request(request).await.map_err(|error| self.unavailable(reason_of(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| self.unavailable(error.to_string()))?.to_bytes();
            Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        let limit = patience(&self.endpoint);
        let answer = tokio::time::timeout(limit, exchange).await;
        answered(&self.endpoint, answer.is_ok());
        let answer: Result<(StatusCode, Value), ObjectError> =
            answer.unwrap_or_else(|_| Err(self.unavailable(format!("no answer in {} s", limit.as_secs()))));
        match answer? {
            (StatusCode::INSUFFICIENT_STORAGE, _) => {
                Err(ObjectError::Full { endpoint: self.endpoint.clone() })
            }
            (status, _) if status.is_server_error() => Err(self.unavailable(format!("it answered {status}"))),
            answer => Ok(answer),
        }
    }

    /// No answer, or one that says that the store is not healthy.
    pub(super) fn unavailable(&self, reason: String) -> ObjectError {
        ObjectError::Unavailable { endpoint: self.endpoint.clone(), reason }
    }

    /// An answer that is not what this kind of store gives.
    pub(super) fn senseless(&self, what: &str) -> ObjectError {
        self.unavailable(format!("{what} cannot be understood; is it this kind of store?"))
    }

    /// It does not let us.
    pub(super) fn refused(&self, reason: String) -> ObjectError {
        ObjectError::Refused { endpoint: self.endpoint.clone(), reason }
    }
}

/// Trusts what this system trusts (or `SSL_CERT_FILE` names), where there is anything to trust.
pub(super) fn connector(endpoint: &str) -> Result<HttpsConnector<HttpConnector>, String> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new();
    if endpoint.starts_with("https:") {
        let builder = builder
            .with_provider_and_native_roots(provider)
            .map_err(|error| format!("this system has no certificates of authorities to trust: {error}"))?;
        return Ok(builder.https_only().enable_http1().build());
    }
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(builder.with_tls_config(config).https_or_http().enable_http1().build())
}

pub(super) fn reason_of(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
