//! What time it is at an endpoint, by the header that every HTTP server with a clock sends (RFC
//! 9110, section 6.6.1).

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::admin_api::{connector, reason_of};

/// Asks an endpoint for the time, without credentials; `None` where its answer has none. The caller
/// sets the time limit.
///
/// # Errors
/// Why there is no answer, in words.
pub async fn server_date(endpoint: &str) -> Result<Option<OffsetDateTime>, String> {
    let client = Client::builder(TokioExecutor::new()).build(connector(endpoint)?);
    let request = Request::get(format!("{endpoint}/")).body(Empty::<Bytes>::new());
    let answer = client.request(request.map_err(|error| error.to_string())?).await;
    // Any answer will do, a refusal too.
    let answer = answer.map_err(|error| reason_of(&error))?;
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    Ok(date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok()))
}
