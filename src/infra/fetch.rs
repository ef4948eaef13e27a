//! Reads one small document over HTTP: no redirect is followed, nothing is sent along, the answer
//! is bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long the whole may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an address that is read from.
    #[error("only https is read from, and http on this machine itself")]
    Address,
    /// The system's certificates cannot be read.
    #[error("this machine's certificates cannot be read: {0}")]
    Certificates(std::io::Error),
    /// No answer.
    #[error("it does not answer: {0}")]
    NoAnswer(String),
    /// Another answer than the document.
    #[error("it answers with status {0}")]
    Status(u16),
    /// More than asked for.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
}

/// Reads the document at a URL.
pub async fn document(url: &str, most_bytes: usize) -> Result<Bytes, FetchError> {
    let uri: Uri = url.parse().map_err(|_| FetchError::Address)?;
    let here = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if here => {}
        _ => return Err(FetchError::Address),
    }
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(FetchError::Certificates)?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let asked = tokio::time::timeout(FETCH_TIMEOUT, async {
        let answer = client.get(uri).await.map_err(|error| FetchError::NoAnswer(error.to_string()))?;
        if answer.status() != hyper::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), most_bytes).collect().await;
        Ok(body.map_err(|_| FetchError::TooLong(most_bytes))?.to_bytes())
    });
    asked.await.unwrap_or_else(|_| Err(FetchError::NoAnswer("ten seconds are over".to_owned())))
}
