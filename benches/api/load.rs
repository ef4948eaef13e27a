//! A closed loop of requests over connections that stay open.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Failure;

/// What is asked.
#[derive(Clone)]
pub(crate) struct Target {
    address: String,
    path: String,
    token: Option<String>,
    process: u32,
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

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends JSON once, for JSON.
pub(crate) async fn post(
    address: &str,
    path: &str,
    headers: &[&str],
    body: &Value,
) -> Result<Value, Failure> {
    let mut request = Request::builder().method(Method::POST).uri(path).header("host", address);
    for line in headers {
        let (name, value) = line.split_once(": ").ok_or("no header")?;
        request = request.header(name, value);
    }
    let request = request.header("content-type", "application/json").body(Full::from(body.to_string()))?;
    let answer = connect(address).await?.send_request(request).await?;
    Ok(serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?)
}

impl Target {
    pub(crate) fn new(address: &str, path: &str, token: Option<&str>, process: u32) -> Self {
        let token = token.map(|token| format!("Bearer {token}"));
        Self { address: address.to_owned(), path: path.to_owned(), token, process }
    }

    /// Asks once, on a connection of its own.
    pub(crate) async fn get(&self) -> Result<(), Failure> {
        let mut sender = connect(&self.address).await?;
        if self.ask(&mut sender).await? { Ok(()) } else { Err("it answers with an error".into()) }
    }

    async fn ask(&self, sender: &mut SendRequest<Full<Bytes>>) -> Result<bool, Failure> {
        let mut request = Request::builder().uri(&self.path).header("host", &self.address);
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        sender.ready().await?;
        let answer = sender.send_request(request.body(Full::default())?).await?;
        let good = answer.status().is_success();
        answer.into_body().collect().await?;
        Ok(good)
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
    /// Asks for as long as it lasts, over each connection one request after the other.
    pub(crate) async fn run(&self, target: &Target) -> Result<Measured, Failure> {
        let (before, began) = (target.cpu(), Instant::now());
        let until = began + self.seconds;
        let tasks: Vec<_> = (0..self.connections)
            .map(|_| {
                let target = target.clone();
                tokio::spawn(async move {
                    let (mut sender, mut times, mut errors) =
                        (connect(&target.address).await?, Vec::new(), 0);
                    while Instant::now() < until {
                        let asked = Instant::now();
                        errors += usize::from(!target.ask(&mut sender).await?);
                        times.push(asked.elapsed());
                    }
                    Ok::<_, Failure>((times, errors))
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
