//! Events over WebSocket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{AppLogin, acme, until_published};
use crate::support::api::{ApiServer, bearer};

/// The other end of a WebSocket (RFC 6455).
struct Socket(BufReader<TcpStream>);

impl Socket {
    fn open(server: &ApiServer, path: &str, headers: &[&str]) -> Self {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(super::TIMEOUT)).unwrap();
        let host = format!("Host: {}", server.address);
        let lines: Vec<&str> = headers.iter().copied().chain([host.as_str()]).collect();
        let more = lines.join("\r\n");
        let request = format!(
            "GET {path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self(reader)
    }

    /// The kind of the next frame, and what is in it; none at the end.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let length = match head[1] {
            126 => {
                let mut bytes = [0; 2];
                self.0.read_exact(&mut bytes).ok()?;
                u64::from(u16::from_be_bytes(bytes))
            }
            127 => {
                let mut bytes = [0; 8];
                self.0.read_exact(&mut bytes).ok()?;
                u64::from_be_bytes(bytes)
            }
            short => u64::from(short),
        };
        let mut content = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut content).ok()?;
        Some((head[0] & 15, content))
    }

    fn text(&mut self) -> Value {
        let (kind, content) = self.frame().unwrap();
        assert_eq!(kind, 1, "{content:?}");
        serde_json::from_slice(&content).unwrap()
    }

    /// Sends a text (RFC 6455, section 5.2), masked with zeros.
    fn send(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        frame.extend(text.bytes());
        self.0.get_mut().write_all(&frame).unwrap();
    }

    /// The code and the reason of its end.
    fn end(&mut self) -> (u16, String) {
        let (kind, content) = self.frame().unwrap();
        assert_eq!(kind, 8, "{content:?}");
        (u16::from_be_bytes([content[0], content[1]]), String::from_utf8(content[2..].to_vec()).unwrap())
    }
}

#[test]
fn events_are_told_over_a_websocket() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    app.publish(&world, "invoice.paid", 2);
    until_published(&world, "acme");
    let mut socket = Socket::open(&server, "/events/ws?after=1", &[&bearer(&ann)]);
    let second = socket.text();
    assert_eq!((&second["event"], &second["id"]), (&json!("message"), &json!("2")), "{second}");
    let ticket = server.send("POST", "/events/ticket", &[&bearer(&ann)], &[]).ok();
    let path = format!("/events/ws?type=invoice.*&ticket={}", ticket["ticket"].as_str().unwrap());
    let mut browser = Socket::open(&server, &path, &[]);
    app.sql(&world, "select nexus.publish('invoice.paid', 'k', to_jsonb(repeat('x', 60000)))").unwrap();
    assert_eq!(socket.text()["data"]["position"], 3);
    assert_eq!(browser.text()["data"]["payload"].as_str().unwrap().len(), 60_000);
    // Without an upgrade it is no path for a browser's address line.
    assert_eq!(server.get("/events/ws", &ann).problem(), (426, "upgrade_required".to_owned()));
}

#[test]
fn a_client_that_sends_data_is_told_why_its_socket_ends() {
    let (_world, server, ann) = acme();
    let mut socket = Socket::open(&server, "/events/ws", &[&bearer(&ann)]);
    socket.send("hello");
    assert_eq!(socket.end(), (1008, "unexpected_data".to_owned()));
}

#[test]
fn whoever_may_not_read_events_gets_no_socket() {
    let (_world, server, ann) = acme();
    let nobody = super::reader(&server, &ann, "Stranger", &["user:read"]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let request = format!(
        "GET /events/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n\r\n",
        bearer(&nobody)
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = String::new();
    BufReader::new(stream).read_line(&mut first).unwrap();
    assert!(first.contains("403"), "{first}");
}

#[test]
fn a_socket_ends_with_its_token_and_with_the_server() {
    let (world, server, ann) = acme();
    let token = world.ok(&["token", "mint", "--user", "ann@acme.example", "--tenant", "acme", "--ttl", "4s"]);
    let mut short = Socket::open(&server, "/events/ws", &[&bearer(token.trim())]);
    assert_eq!(short.text()["event"], "token_expired");
    assert_eq!(short.end(), (1008, "token_expired".to_owned()));
    let mut open: Vec<_> = (0..20).map(|_| Socket::open(&server, "/events/ws", &[&bearer(&ann)])).collect();
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    for socket in &mut open {
        assert_eq!(socket.text()["event"], "closing");
        assert_eq!(socket.end(), (1001, "closing".to_owned()));
    }
}
