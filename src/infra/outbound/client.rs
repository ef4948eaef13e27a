//! Sends one request over a connection of its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use url::Host;

use super::error::OutboundError;
use super::policy::{OutboundUrl, Policy};
use super::resolver::{Resolve, SystemResolver};
use super::steps::{OutboundStep, OutboundStepTaken, Trace};
use super::tls::Trust;

/// How long a connection may take, TLS included; and the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const WHOLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one address of several may take.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the body of an answer is read whose status is known: it decides nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 6;
/// Most bytes of an answer's head, and its headers.
const MOST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 100;
/// Most bytes of an answer's body that are kept.
pub const MOST_KEPT: usize = 1 << 10;

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
    trust: Trust,
}

/// A request.
#[derive(Debug)]
pub struct PostRequest<'a> {
    pub url: &'a OutboundUrl,
    /// In small letters.
    pub headers: &'a [(&'static str, String)],
    pub body: Bytes,
}

/// How an answer is read whose body is what was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// How long all may take, from the look for the address to the last byte.
    pub within: Duration,
    /// Most bytes of the body; more are a failure.
    pub most: usize,
}

/// What is kept of an answer's body.
#[derive(Debug, Clone, Copy)]
enum Keeps {
    /// The first bytes, as far as they come.
    Beginning,
    /// All, and not more than so many.
    Whole(usize),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// When it may be asked again, where the answer says so.
    pub retry_after: Option<Duration>,
    /// At most the first [`MOST_KEPT`] bytes, unless more was asked for.
    pub body: Vec<u8>,
}

/// What came of a request.
#[derive(Debug)]
pub struct Exchange {
    pub steps: Vec<OutboundStepTaken>,
    pub took: Duration,
    pub answer: Result<Answer, OutboundError>,
}

impl Outbound {
    /// By this machine's resolver.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self::with_resolver(policy, Arc::new(SystemResolver))
    }

    /// By another resolver.
    #[must_use]
    pub fn with_resolver(policy: Policy, resolver: Arc<dyn Resolve>) -> Self {
        Self { policy, resolver, trust: Trust::default() }
    }

    /// What is let through.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The time that a request is signed with.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        SystemTime::now().into()
    }

    /// Posts something, once.
    pub async fn post(&self, request: PostRequest<'_>) -> Exchange {
        let mut trace = Trace::new();
        let since = Instant::now();
        let sending = self.send((request, Keeps::Beginning), since, &mut trace);
        let answer = timeout_at(since + WHOLE_TIMEOUT, sending).await;
        let answer = answer.unwrap_or(Err(OutboundError::Timeout(WHOLE_TIMEOUT.as_secs())));
        Exchange { steps: trace.steps, took: since.elapsed(), answer }
    }

    /// Posts something, once, and reads the whole answer.
    ///
    /// # Errors
    /// Where there is none within the time, or it is too large.
    pub async fn post_and_read(
        &self,
        request: PostRequest<'_>,
        reading: Reading,
    ) -> Result<Answer, OutboundError> {
        let since = Instant::now();
        let mut trace = Trace::new();
        let sending = self.send((request, Keeps::Whole(reading.most)), since, &mut trace);
        let answer = timeout_at(since + reading.within, sending).await;
        answer.unwrap_or(Err(OutboundError::Timeout(reading.within.as_secs())))
    }

    async fn send(
        &self,
        (request, keeps): (PostRequest<'_>, Keeps),
        since: Instant,
        trace: &mut Trace,
    ) -> Result<Answer, OutboundError> {
        let limit = since + CONNECT_TIMEOUT;
        let late = || OutboundError::ConnectTimeout(CONNECT_TIMEOUT.as_secs());
        let addresses = timeout_at(limit, self.addresses(request.url)).await.unwrap_or_else(|_| Err(late()));
        trace.end(OutboundStep::Resolve, addresses.clone().unwrap_or_default(), None);
        let stream = timeout_at(limit, connect(&addresses?, request.url.port)).await;
        let stream = stream.unwrap_or_else(|_| Err(late()));
        let peer = stream.as_ref().ok().and_then(|stream| Some(stream.peer_addr().ok()?.ip()));
        trace.end(OutboundStep::Connect, peer.into_iter().collect(), None);
        let stream = stream?;
        if !request.url.is_https() {
            return exchange((request, keeps), stream, trace).await;
        }
        let host = request.url.host();
        let stream = timeout_at(limit, self.trust.begin(&host, stream)).await.unwrap_or_else(|_| Err(late()));
        let version = stream.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version());
        trace.end(
            OutboundStep::Tls,
            Vec::new(),
            version.map(|version| format!("{version:?}").replace("v1_", " 1.")),
        );
        exchange((request, keeps), stream?, trace).await
    }

    /// The addresses of a host: looked up once, and each of them checked.
    async fn addresses(&self, url: &OutboundUrl) -> Result<Vec<IpAddr>, OutboundError> {
        let found = match &url.host {
            Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
            Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
            Host::Domain(name) => self.resolver.resolve(name).await.unwrap_or_default(),
        };
        if found.is_empty() {
            return Err(OutboundError::Lookup(url.host()));
        }
        self.policy.check(url, &found)?;
        Ok(found)
    }
}

/// Connects to one of the addresses: the first that answers.
async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, OutboundError> {
    let mut last = OutboundError::ConnectTimeout(ADDRESS_TIMEOUT.as_secs());
    let limit = if addresses.len() == 1 { CONNECT_TIMEOUT } else { ADDRESS_TIMEOUT };
    for ip in addresses.iter().take(MOST_ADDRESSES) {
        match timeout(limit, TcpStream::connect(SocketAddr::new(*ip, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = OutboundError::Connect(words(&error)),
            Err(_) => {}
        }
    }
    Err(last)
}

/// Sends the request, and reads the answer as far as it is kept. An answer that leads elsewhere is an answer.
async fn exchange<S>(
    (request, keeps): (PostRequest<'_>, Keeps),
    stream: S,
    trace: &mut Trace,
) -> Result<Answer, OutboundError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let answered = ask(request, stream).await;
    let status = answered.as_ref().ok().map(|(answer, _)| answer.status().as_u16());
    trace.end(OutboundStep::Request, Vec::new(), status.map(|status| status.to_string()));
    let (answer, _connection) = answered?;
    let said = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = said.and_then(|text| pause(text.trim(), SystemTime::now()));
    let status = answer.status().as_u16();
    let body = match keeps {
        Keeps::Beginning => kept(answer.into_body()).await,
        Keeps::Whole(most) => whole_body(answer.into_body(), most).await?,
    };
    trace.end(OutboundStep::Answer, Vec::new(), Some(format!("{} bytes", body.len())));
    Ok(Answer { status, retry_after, body })
}

/// The head of the answer; its connection lives as long as what it comes with.
async fn ask<S>(
    request: PostRequest<'_>,
    stream: S,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), OutboundError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let unread = |error: &hyper::Error| OutboundError::NoAnswer(whole(error));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MOST_HEAD).max_headers(MOST_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|it| unread(&it))?;
    let driven = AbortOnDropHandle::new(tokio::spawn(async move {
        // What goes wrong is said to who waits for the answer.
        let _ = connection.await;
    }));
    let mut head = Request::post(request.url.path_and_query()).header(HOST, request.url.authority());
    head = head.header(CONNECTION, "close");
    for (name, value) in request.headers {
        head = head.header(*name, value);
    }
    let asked = head.body(Full::new(request.body));
    let asked = asked.map_err(|error| OutboundError::NoAnswer(error.to_string()))?;
    let answer = sender.send_request(asked).await.map_err(|error| unread(&error))?;
    Ok((answer, driven))
}

/// The first bytes of a body. One that stops in the middle is kept as far as it came.
async fn kept(mut body: Incoming) -> Vec<u8> {
    let mut kept = Vec::new();
    let reading = async {
        while kept.len() < MOST_KEPT
            && let Some(Ok(frame)) = body.frame().await
        {
            let data = frame.into_data().unwrap_or_default();
            kept.extend_from_slice(&data[..data.len().min(MOST_KEPT - kept.len())]);
        }
    };
    let _ = timeout(BODY_TIMEOUT, reading).await;
    kept
}

/// A body from its beginning to its end.
async fn whole_body(mut body: Incoming, most: usize) -> Result<Vec<u8>, OutboundError> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| OutboundError::NoAnswer(whole(&error)))?;
        let data = frame.into_data().unwrap_or_default();
        if all.len() + data.len() > most {
            return Err(OutboundError::TooLarge(most));
        }
        all.extend_from_slice(&data);
    }
    Ok(all)
}

/// What `Retry-After` says (RFC 9110, section 10.2.3): seconds, or a moment.
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let moment = httpdate::parse_http_date(text).ok()?;
    Some(moment.duration_since(now).unwrap_or_default())
}

/// What a system says, without its numbers.
pub(super) fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        io::ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        io::ErrorKind::NetworkUnreachable => "the network cannot be reached".to_owned(),
        io::ErrorKind::HostUnreachable => "the host cannot be reached".to_owned(),
        io::ErrorKind::TimedOut => "the connection timed out".to_owned(),
        _ => error.to_string(),
    }
}

fn whole(error: &hyper::Error) -> String {
    let inner = std::error::Error::source(error);
    inner.map_or_else(|| error.to_string(), |inner| format!("{error}: {inner}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_moment() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("Wed, 21 Oct 2026 07:29:30 GMT", Some(90)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("1e9", None),
            ("", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
