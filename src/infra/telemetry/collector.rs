//! Speaks to the collector over HTTP, by the client that is here for the rest.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use super::TelemetryError;
use crate::kernel::SecretString;

/// How long one batch may take; the standard's.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer: it says which spans were refused, and why.
const MOST_ANSWER: usize = 64 * 1024;

/// The collector. Cheap to clone.
#[derive(Clone)]
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    connection: Arc<OnceLock<Connection>>,
}

/// What is known once the process has a runtime and has read its secrets.
struct Connection {
    runtime: Handle,
    headers: HeaderMap,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl Collector {
    pub(super) fn new(endpoint: &str) -> Result<Self, TelemetryError> {
        let builder = HttpsConnectorBuilder::new();
        // Who speaks plain HTTP needs no certificates, and a small image may have none.
        let builder = if endpoint.starts_with("https:") {
            builder
                .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
                .map_err(TelemetryError::Certificates)?
        } else {
            let none = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
            builder.with_tls_config(none.with_no_client_auth())
        };
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, connection: Arc::default() })
    }

    pub(super) fn begin(&self, headers: Option<&SecretString>) -> Result<(), TelemetryError> {
        let headers = headers.map_or_else(|| Some(HeaderMap::new()), parse).ok_or(TelemetryError::Headers)?;
        // A second time comes only within tests.
        drop(self.connection.set(Connection { runtime: Handle::current(), headers }));
        Ok(())
    }
}

/// The headers of a text, written as OpenTelemetry has it: pairs, separated by commas, values percent-encoded.
fn parse(text: &SecretString) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.expose_secret().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = urlencoding::decode(value.trim()).ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        headers.append(name.trim().parse::<HeaderName>().ok()?, value);
    }
    Some(headers)
}

#[async_trait]
impl HttpClient for Collector {
    /// Called by the thread that sends, which has no runtime of its own.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let connection = self.connection.get().ok_or("the process does not send yet")?;
        let mut request = request.map(Full::new);
        request.headers_mut().extend(connection.headers.clone());
        let client = self.client.clone();
        let sent = async move {
            let (head, body) = client.request(request).await?.into_parts();
            let body = Limited::new(body, MOST_ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // A timer is made within a runtime only.
        connection.runtime.spawn(async move { tokio::time::timeout(SEND_TIMEOUT, sent).await }).await??
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_whose_values_are_percent_encoded() {
        let parsed = |text: &str| parse(&SecretString::from(text));
        let headers = parsed("authorization=Bearer%20abc, x-tenant = 7,").unwrap();
        assert_eq!(headers.get("authorization").unwrap(), "Bearer abc");
        assert_eq!(headers.get("x-tenant").unwrap(), "7");
        assert!(headers.values().all(HeaderValue::is_sensitive));
        for wrong in ["abc", "a b=c", "a=%0a"] {
            assert!(parsed(wrong).is_none(), "{wrong}");
        }
    }
}
