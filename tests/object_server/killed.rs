//! A server process that is killed without warning, again and again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use nexus::infra::object_server::serve;

use crate::support::{Server, client_at, config};

const FOLDER: &str = "NEXUS_TEST_OBJECT_SERVER_FOLDER";

/// Not a test of its own: what the test below runs as another process.
#[tokio::test]
async fn a_server_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::fs::write(folder.join("address.draft"), address).unwrap();
    std::fs::rename(folder.join("address.draft"), folder.join("address")).unwrap();
    serve(listener, config(folder.join("s3")), tokio_util::sync::CancellationToken::new()).await.unwrap();
}

async fn start_process(folder: &Path) -> (tokio::process::Child, String) {
    let address = folder.join("address");
    let _ = std::fs::remove_file(&address);
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::a_server_process"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..1000 {
        if let Ok(address) = std::fs::read_to_string(&address) {
            return (child, format!("http://{address}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server process never came up");
}

fn body(number: u8) -> Vec<u8> {
    vec![number; 100_000 + usize::from(number)]
}

/// Writes one version after the other until the server is gone.
async fn write_on(s3: Client, acknowledged: Arc<AtomicU8>) {
    while let Some(next) = acknowledged.load(Ordering::SeqCst).checked_add(1) {
        let put = s3.put_object().bucket("kept").key("k").body(ByteStream::from(body(next)));
        if put.send().await.is_err() {
            return;
        }
        acknowledged.store(next, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_the_process() {
    let mut server = Server::start().await;
    server.bucket("kept").await;
    let key = server.key(&["kept"]).await;
    for round in 0..6u64 {
        let folder = server.stop().await;
        let (mut child, endpoint) = start_process(folder.path()).await;
        let acknowledged = Arc::new(AtomicU8::new(0));
        let writer = tokio::spawn(write_on(client_at(&endpoint, &key), Arc::clone(&acknowledged)));
        while acknowledged.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        // Some moment within a write; each round another.
        tokio::time::sleep(Duration::from_micros(700 * round)).await;
        child.kill().await.unwrap();
        writer.await.unwrap();

        server = Server::start_in(folder).await;
        assert_eq!(std::fs::read_dir(server.root().join("tmp")).unwrap().count(), 0);
        let got = server.client(&key).get_object().bucket("kept").key("k").send().await.unwrap();
        let bytes = got.body.collect().await.unwrap().to_vec();
        let acknowledged = acknowledged.load(Ordering::SeqCst);
        assert!(
            bytes[0] == acknowledged || bytes[0] == acknowledged + 1,
            "{} after {acknowledged}",
            bytes[0]
        );
        assert!(bytes == body(bytes[0]), "the object is torn");
    }
}
