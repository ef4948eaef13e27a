//! A receiver on this machine: what it got, and what it answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::TIMEOUT;

/// A request that it got.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub headers: Map<String, Value>,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].as_str().unwrap()
    }

    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What it answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This status, with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// Nothing, until it ends.
    Silence,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }
}

type Answers = Arc<Mutex<Box<dyn FnMut(&Got) -> Reply + Send>>>;

/// A receiver, for as long as the tests run.
pub struct Receiver {
    pub port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    /// One that answers so.
    pub fn with(answer: impl FnMut(&Got) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (got, connections) = (Arc::<Mutex<Vec<Got>>>::default(), Arc::<AtomicUsize>::default());
        let answers: Answers = Arc::new(Mutex::new(Box::new(answer)));
        let (kept, counted) = (Arc::clone(&got), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &kept, &answers));
            }
        });
        Self { port, got, connections }
    }

    /// One that takes everything.
    pub fn taking() -> Self {
        Self::with(|_| Reply::status(204))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it got so far.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until it got so many.
    pub fn until(&self, count: usize) -> Vec<Got> {
        let end = Instant::now() + TIMEOUT;
        loop {
            let got = self.got();
            if got.len() >= count {
                return got;
            }
            assert!(Instant::now() < end, "{} of {count} requests came", got.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Got>>, answers: &Answers) {
    let Some(got) = read(&stream) else { return };
    let reply = (answers.lock().unwrap())(&got);
    kept.lock().unwrap().push(got);
    // Whoever asked may be gone.
    match reply {
        Reply::Silence => std::thread::sleep(TIMEOUT),
        Reply::Raw(bytes) => drop(stream.write_all(&bytes)),
        Reply::Status(status, headers, body) => {
            let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                for part in [name, ": ", value.as_str(), "\r\n"] {
                    text.push_str(part);
                }
            }
            drop(stream.write_all(format!("{text}\r\n{body}").as_bytes()));
        }
    }
}

fn read(stream: &TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Map::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), json!(value.trim()));
    }
    let length = headers.get("content-length").and_then(|it| it.as_str()?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got { path, headers, body: String::from_utf8(body).ok()? })
}
