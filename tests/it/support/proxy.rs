//! Stands before the object store and does to chosen requests what networks do.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends before the store has seen it.
    HangUp,
    /// The answer is 500; the store has not seen it.
    Ill,
    /// The answer is 503; the store has not seen it.
    Busy,
    /// The answer is 403; the store has not seen it.
    Forbidden,
    /// The store does it; the answer is lost.
    LoseAnswer,
    /// The store does it; the answer breaks off.
    CutAnswer,
}

/// Which request is met by a fault, every time until it is mended.
#[derive(Debug, Clone)]
struct Order {
    start: String,
    /// How many of them still pass.
    pass: u32,
    fault: Fault,
    met: u32,
}

impl Order {
    /// What a request meets.
    fn meet(&mut self, request: &[u8]) -> Option<Fault> {
        if !request.starts_with(self.start.as_bytes()) {
            return None;
        }
        if self.pass > 0 {
            self.pass -= 1;
            return None;
        }
        self.met += 1;
        Some(self.fault)
    }
}

/// A proxy before one store.
pub struct Proxy {
    /// Where clients are to connect.
    pub endpoint: String,
    order: Arc<Mutex<Option<Order>>>,
}

impl Proxy {
    /// Before this endpoint, at a port of its own.
    pub fn before(endpoint: &str) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), endpoint)
    }

    /// Before this endpoint, at a port that is bound already.
    pub fn at(listener: TcpListener, endpoint: &str) -> Self {
        let order: Arc<Mutex<Option<Order>>> = Arc::default();
        let proxy = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            order: Arc::clone(&order),
        };
        let store: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        // It ends with the test binary.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let order = Arc::clone(&order);
                std::thread::spawn(move || {
                    let _ = serve(client, store, &order);
                });
            }
        });
        proxy
    }

    /// From now on requests that begin so, e.g. `PUT /_nexus/v1/keys/`, meet the fault.
    pub fn break_requests(&self, start: &str, fault: Fault) {
        *self.order.lock().unwrap() = Some(Order { start: start.to_owned(), pass: 0, fault, met: 0 });
    }

    /// From now on this many requests pass, and all others meet the fault.
    pub fn break_after(&self, pass: u32, fault: Fault) {
        *self.order.lock().unwrap() = Some(Order { start: String::new(), pass, fault, met: 0 });
    }

    /// How many requests have met the fault so far.
    pub fn met(&self) -> u32 {
        self.order.lock().unwrap().as_ref().map_or(0, |order| order.met)
    }

    /// From now on nothing is wrong; how many requests met the fault.
    pub fn fix(&self) -> u32 {
        self.order.lock().unwrap().take().map_or(0, |order| order.met)
    }
}

/// One request and its answer: the store is told to close the connection after it.
fn serve(mut client: TcpStream, store: SocketAddr, order: &Mutex<Option<Order>>) -> io::Result<()> {
    let request = read_request(&mut client)?;
    let fault = order.lock().unwrap().as_mut().and_then(|order| order.meet(&request));
    if fault == Some(Fault::HangUp) {
        return client.shutdown(Shutdown::Both);
    }
    let status = match fault {
        Some(Fault::Ill) => Some("500 Ill"),
        Some(Fault::Busy) => Some("503 Slow Down"),
        Some(Fault::Forbidden) => Some("403 Forbidden"),
        _ => None,
    };
    if let Some(status) = status {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return client.write_all(answer.as_bytes());
    }
    let answer = forward(&request, store)?;
    match fault {
        Some(Fault::LoseAnswer) => {}
        Some(Fault::CutAnswer) => client.write_all(&answer[..20])?,
        _ => client.write_all(&answer)?,
    }
    client.shutdown(Shutdown::Both)
}

/// What the store answers to a request.
pub fn forward(request: &[u8], store: SocketAddr) -> io::Result<Vec<u8>> {
    let line = request.windows(2).position(|it| it == b"\r\n").unwrap_or_default();
    let mut store = TcpStream::connect(store)?;
    store.write_all(&request[..line])?;
    store.write_all(b"\r\nconnection: close")?;
    store.write_all(&request[line..])?;
    let mut answer = Vec::new();
    store.read_to_end(&mut answer)?;
    Ok(answer)
}

/// A request with its body, which says how long it is.
pub fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let count = client.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&piece[..count]);
        let Some(head) = request.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |value| value.trim().parse().unwrap_or(0));
        if request.len() >= head + 4 + length {
            return Ok(request);
        }
    }
}
