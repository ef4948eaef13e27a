//! A closed loop of requests over connections that stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Failure;

/// Who sends one request after the other over a connection.
pub(crate) trait Client: Send + 'static {
    /// The next request.
    fn request(&mut self) -> Result<Request<Full<Bytes>>, Failure>;

    /// Takes the answer in; whether it is a good one.
    fn answered(&mut self, status: StatusCode, body: &Bytes) -> bool {
        let _ = body;
        status.is_success()
    }
}

/// A server that is asked, and its process.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) process: u32,
}

/// Who reads one path again and again.
#[derive(Clone)]
pub(crate) struct Reader {
    address: String,
    path: String,
    token: Option<String>,
}

impl Reader {
    pub(crate) fn new(target: &Target, path: &str, token: Option<&str>) -> Self {
        let token = token.map(|token| format!("Bearer {token}"));
        Self { address: target.address.clone(), path: path.to_owned(), token }
    }
}

impl Client for Reader {
    fn request(&mut self) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder().uri(&self.path).header("host", &self.address);
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        Ok(request.body(Full::default())?)
    }
}

/// How much.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) seconds: Duration,
}

/// What came of it.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) per_cpu_second: f64,
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: usize,
}

pub(crate) async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A request with JSON.
pub(crate) fn json(
    address: &str,
    path: &str,
    headers: &[&str],
    body: &Value,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::builder().method(Method::POST).uri(path).header("host", address);
    for line in headers {
        let (name, value) = line.split_once(": ").ok_or("no header")?;
        request = request.header(name, value);
    }
    Ok(request.header("content-type", "application/json").body(Full::from(body.to_string()))?)
}

/// Sends JSON once, for JSON.
pub(crate) async fn post(
    address: &str,
    path: &str,
    headers: &[&str],
    body: &Value,
) -> Result<Value, Failure> {
    let answer = connect(address).await?.send_request(json(address, path, headers, body)?).await?;
    Ok(serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?)
}

/// Sends one request of a client; whether the answer is a good one.
async fn ask(client: &mut impl Client, sender: &mut SendRequest<Full<Bytes>>) -> Result<bool, Failure> {
    sender.ready().await?;
    let answer = sender.send_request(client.request()?).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(client.answered(status, &body))
}

/// A connection over which one request is timed after the other.
pub(crate) struct Line(SendRequest<Full<Bytes>>);

impl Line {
    pub(crate) async fn to(target: &Target) -> Result<Self, Failure> {
        Ok(Self(connect(&target.address).await?))
    }

    /// How long an answer takes, and whether it is a good one.
    pub(crate) async fn ask(&mut self, client: &mut impl Client) -> Result<(Duration, bool), Failure> {
        let asked = Instant::now();
        let is_good = ask(client, &mut self.0).await?;
        Ok((asked.elapsed(), is_good))
    }
}

impl Target {
    /// Asks once, on a connection of its own.
    pub(crate) async fn once(&self, mut client: impl Client) -> Result<(), Failure> {
        let mut sender = connect(&self.address).await?;
        if ask(&mut client, &mut sender).await? { Ok(()) } else { Err("it answers with an error".into()) }
    }

    /// Memory of the server in MiB: `VmRSS`, what it has now, or `VmHWM`, the most that it had (proc(5)).
    pub(crate) fn memory_mib(&self, what: &str) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
        let kib: f64 = line.ok_or_else(|| format!("no {what}"))?.trim().trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    /// Seconds of processor time that the server has used.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process)).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        // utime and stime, in hundredths of a second (proc(5)).
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Load {
    /// Has clients ask for as long as it lasts, each over a connection of its own.
    pub(crate) async fn run<C: Client>(
        &self,
        target: &Target,
        clients: impl IntoIterator<Item = C>,
    ) -> Result<Measured, Failure> {
        self.run_by(target, clients, None).await
    }

    /// Has clients ask so many times a second together, whether or not answers come: how long a request takes
    /// counts from when it was due.
    pub(crate) async fn run_at<C: Client>(
        &self,
        target: &Target,
        clients: impl IntoIterator<Item = C>,
        per_second: f64,
    ) -> Result<Measured, Failure> {
        self.run_by(target, clients, Some(per_second.max(1.0))).await
    }

    async fn run_by<C: Client>(
        &self,
        target: &Target,
        clients: impl IntoIterator<Item = C>,
        per_second: Option<f64>,
    ) -> Result<Measured, Failure> {
        let mut senders = Vec::new();
        for client in clients.into_iter().take(self.connections) {
            senders.push((client, connect(&target.address).await?));
        }
        let (before, began) = (target.cpu(), Instant::now());
        let until = began + self.seconds;
        let next = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = senders
            .into_iter()
            .map(|(mut client, mut sender)| {
                let next = Arc::clone(&next);
                let due = move || match per_second {
                    Some(rate) => {
                        let number = f64::from(next.fetch_add(1, Ordering::Relaxed));
                        began + Duration::from_secs_f64(number / rate)
                    }
                    None => Instant::now(),
                };
                tokio::spawn(async move {
                    let (mut times, mut errors) = (Vec::new(), 0);
                    loop {
                        let due = due();
                        if due >= until {
                            return Ok::<_, Failure>((times, errors));
                        }
                        if due > Instant::now() {
                            tokio::time::sleep_until(due.into()).await;
                        }
                        errors += usize::from(!ask(&mut client, &mut sender).await?);
                        times.push(due.elapsed());
                    }
                })
            })
            .collect();
        let (mut times, mut errors) = (Vec::new(), 0);
        for task in tasks {
            let (of_task, wrong) = task.await??;
            times.extend(of_task);
            errors += wrong;
        }
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), target.cpu() - before);
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        let count = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX));
        let (per_second, per_cpu_second) = (count / seconds, count / cpu);
        Ok(Measured { per_second, per_cpu_second, median_ms: at(50), p99_ms: at(99), errors })
    }
}
