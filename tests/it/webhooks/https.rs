//! Receivers that speak TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::Value;

use super::{acme, hook, id};
use crate::support::world::World;

/// A receiver with a certificate for a name, which takes everything; its port, and the names that it was asked for.
fn receiver(world: &World, name: &str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(world.machine().path("work/ca.pem"), cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let (config, asked) = (Arc::new(config), Arc::<Mutex<Vec<String>>>::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, names) = (listener.local_addr().unwrap().port(), Arc::clone(&asked));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let mut bytes = [0; 8192];
            // Where the certificate is refused nothing comes.
            if tls.read(&mut bytes).is_ok_and(|count| count > 0) {
                drop(tls.write_all(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n"));
                names.lock().unwrap().push(connection.server_name().unwrap_or_default().to_owned());
            }
        }
    });
    (port, asked)
}

/// A test of a webhook of acme's at `https://localhost`.
fn tested(world: &World, port: u16) -> std::process::Output {
    let made = hook(world, &format!("https://localhost:{port}/hook"), "*");
    let args = ["-o", "json", "webhook", "test", id(&made), "--tenant", "acme"];
    world.command(&args).env("SSL_CERT_FILE", world.machine().path("work/ca.pem")).output().unwrap()
}

#[test]
fn a_certificate_that_is_trusted_and_has_the_name_of_the_url_is_good() {
    let world = acme();
    let (port, asked) = receiver(&world, "localhost");
    let output = tested(&world, port);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = said["steps"].as_array().unwrap();
    let tls = steps.iter().find(|step| step["step"] == "tls").unwrap();
    assert_eq!((&said["status"], tls["detail"].as_str()), (&Value::from(204), Some("TLS 1.3")));
    assert_eq!(*asked.lock().unwrap(), ["localhost"], "the name is asked for, and not the address");
}

#[test]
fn a_certificate_of_another_name_is_refused_before_anything_is_sent() {
    let world = acme();
    let (port, asked) = receiver(&world, "other.example");
    let output = tested(&world, port);
    assert_eq!(output.status.code(), Some(8));
    let said: Value = serde_json::from_slice(&output.stderr).unwrap();
    let reason = said["error"]["details"]["reason"].as_str().unwrap();
    assert!(reason.contains("its certificate is not good"), "{reason}");
    assert!(asked.lock().unwrap().is_empty());
}
