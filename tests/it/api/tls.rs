//! HTTPS.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use super::start::{said, serve};
use crate::support::api::{Answer, ApiServer};
use crate::support::sql::apart;
use crate::support::world::World;

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for this machine, signed by itself.
struct Certificate {
    der: CertificateDer<'static>,
    cert: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        Self { der: cert.der().clone(), cert: cert.pem(), key: key.serialize_pem() }
    }

    /// Puts both into files; their paths.
    fn put(&self, world: &World) -> [String; 2] {
        [world.file("work/api.pem", &self.cert), world.file("work/api.key", &self.key)]
    }

    /// What trusts it and no other.
    fn client(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A connection whose handshake is over.
    fn connect(&self, server: &ApiServer, alpn: &[&str]) -> std::io::Result<Secure> {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut connection = ClientConnection::new(self.client(alpn), name).unwrap();
        let mut socket = TcpStream::connect(&server.address)?;
        socket.set_read_timeout(Some(Duration::from_mins(1)))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(connection, socket))
    }

    fn send(&self, server: &ApiServer, path: &str) -> Answer {
        let mut stream = self.connect(server, &["http/1.1"]).unwrap();
        server.send_over(&mut stream, "GET", path, &[], &[])
    }
}

fn start(world: &World, [cert, key]: &[String; 2]) -> ApiServer {
    let settings = world.machine().path("work/nexus.toml").display().to_string();
    ApiServer::of(serve(world, &settings, &["--tls-cert", cert, "--tls-key", key]))
}

#[test]
fn https_is_served_with_http_1_and_2() {
    let (world, certificate) = (World::new(), Certificate::new());
    let [cert, key] = certificate.put(&world);
    let mut command = world.command(&["-o", "id", "serve", "--bind", "127.0.0.1:0"]);
    command.env("NEXUS_CONTEXT_T_SERVE_TLS_CERT", cert).env("NEXUS_CONTEXT_T_SERVE_TLS_KEY", key);
    let server = ApiServer::of(command);
    let answer = certificate.send(&server, "/health");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    for (offered, chosen) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1")] {
        let stream = certificate.connect(&server, offered).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(chosen.as_bytes()));
    }
    // Who speaks plain HTTP is told so, and gets nothing else.
    let plain = server.send("GET", "/health", &[], &[]);
    assert_eq!((plain.status, plain.body.as_str()), (400, "this port speaks HTTPS, not HTTP.\n"));
}

#[test]
fn many_requests_go_over_one_connection_of_http_2() {
    let (world, certificate) = (World::new(), Certificate::new());
    let server = start(&world, &certificate.put(&world));
    let (config, address) = (certificate.client(&["h2"]), server.address.clone());
    let statuses = apart(async || {
        let socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = tokio_rustls::TlsConnector::from(config.clone()).connect(name, socket).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let asked = (0..20).map(|_| {
            let mut sender = sender.clone();
            let request = hyper::Request::get(format!("https://{address}/health"));
            let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
            async move { sender.send_request(request).await.unwrap().status().as_u16() }
        });
        futures_util::future::join_all(asked).await
    });
    assert_eq!(statuses, [200; 20]);
}

#[test]
fn plain_http_says_nothing_of_https() {
    let world = World::new();
    let server = ApiServer::start(&world);
    let answer = server.send("GET", "/health", &[], &[]);
    assert_eq!((answer.status, answer.header("strict-transport-security")), (200, None));
}

/// Asks over a connection that stays open; the first line of the answer.
fn ask(stream: &mut Secure) -> String {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut all = Vec::new();
    while !all.ends_with(b"}") {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&all).lines().next().unwrap().to_owned()
}

#[test]
fn a_new_certificate_is_shown_after_sighup_and_open_connections_live_on() {
    let (world, old, new) = (World::new(), Certificate::new(), Certificate::new());
    let server = start(&world, &old.put(&world));
    let mut open = old.connect(&server, &["http/1.1"]).unwrap();
    assert_eq!(ask(&mut open), "HTTP/1.1 200 OK");
    assert!(new.connect(&server, &[]).is_err());

    new.put(&world);
    server.signal(Signal::SIGHUP);
    let end = std::time::Instant::now() + Duration::from_mins(1);
    while new.connect(&server, &[]).is_err() {
        assert!(std::time::Instant::now() < end, "{}", said(&world));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(old.connect(&server, &[]).is_err());
    assert_eq!(ask(&mut open), "HTTP/1.1 200 OK");

    // One that does not go with its key is not taken.
    world.file("work/api.pem", &old.cert);
    server.signal(Signal::SIGHUP);
    while !said(&world).contains("is not that of the certificate") {
        assert!(std::time::Instant::now() < end, "{}", said(&world));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(new.send(&server, "/health").status, 200);
    assert_eq!(ask(&mut open), "HTTP/1.1 200 OK");
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_its_file_and_what_to_do() {
    let (world, one, other) = (World::new(), Certificate::new(), Certificate::new());
    let [cert, key] = one.put(&world);
    let refused = |cert: &str, key: &str| {
        world.error(&["serve", "--bind", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key])
    };
    let other_key = world.file("work/other.key", &other.key);
    let empty = world.file("work/empty.pem", "nothing\n");
    let missing = world.machine().path("work/missing.pem").display().to_string();
    let open = world.file("work/open.key", &one.key);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let foreign = world.file("work/foreign.pem", &one.cert);
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o666)).unwrap();
    for (cert, key, exit, code, named) in [
        (&cert, &other_key, 2, "tls_key_mismatch", &other_key),
        (&empty, &key, 2, "tls_file_malformed", &empty),
        (&cert, &empty, 2, "tls_file_malformed", &empty),
        (&missing, &key, 2, "tls_file_unreadable", &missing),
        (&cert, &open, 3, "tls_key_open", &open),
        (&foreign, &key, 3, "tls_file_untrusted", &foreign),
    ] {
        let (is, error) = refused(cert, key);
        assert_eq!((is, &error["code"]), (exit, &json!(code)), "{error}");
        assert!(error["message"].as_str().unwrap().contains(named.as_str()), "{error}");
        assert!(!error["hint"].to_string().is_empty(), "{error}");
    }
    // The group may read it: that is how Kubernetes and systemd hand one over.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    world.ok(&["serve", "--check", "--bind", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key", &key]);

    let half = world.run(&["serve", "--tls-cert", &cert]);
    assert_eq!(half.status.code(), Some(2));
    let mut command = world.command(&["-o", "json", "serve"]);
    let half = command.env("NEXUS_CONTEXT_T_SERVE_TLS_KEY", &key).output().unwrap();
    assert_eq!(half.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&half.stderr).contains("tls_incomplete"));
}

#[test]
fn a_certificate_that_is_over_is_served_with_a_warning() {
    let over = Certificate::with(|params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let world = World::new();
    let server = start(&world, &over.put(&world));
    assert!(over.connect(&server, &[]).is_err());
    let said = said(&world);
    assert!(said.contains("renew it") && said.contains("api.pem"), "{said}");
}

#[test]
fn a_handshake_that_does_not_go_on_holds_nothing_up() {
    let (world, certificate) = (World::new(), Certificate::new());
    let server = start(&world, &certificate.put(&world));
    // Says that a handshake follows, and no more.
    let mut silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    for socket in &mut silent {
        socket.write_all(&[22, 3, 1]).unwrap();
    }
    assert_eq!(certificate.send(&server, "/health").status, 200);
    for socket in &mut silent {
        socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        // Ended by the server once its time is over; nothing was answered.
        let mut all = Vec::new();
        let ended = socket.read_to_end(&mut all);
        assert!(
            ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        );
        assert!(all.is_empty(), "{all:?}");
    }
}
