//! Clients that connect and say nothing.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Server;

/// More than the endpoint has room for.
const MANY: usize = 1200;

#[tokio::test(flavor = "multi_thread")]
async fn those_who_say_nothing_keep_nobody_out() {
    // Both ends of each connection are files of this process.
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    let most = u64::try_from(4 * MANY).unwrap().min(hard);
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, most, hard).unwrap();
    let server = Server::start().await;
    let s3 = server.tenant("busy").await;
    let address = server.endpoint.strip_prefix("http://").unwrap();
    let mut silent = Vec::new();
    for number in 0..MANY {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Some have begun a request.
        if number % 2 == 0 {
            stream.write_all(b"GET /busy/k HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        }
        silent.push(stream);
    }
    // A generous limit, well below the time after which silence ends by itself.
    let work = async {
        for key in ["a", "b", "c"] {
            let put = s3.put_object().bucket("busy").key(key).body(ByteStream::from_static(b"x"));
            put.send().await.unwrap();
            s3.get_object().bucket("busy").key(key).send().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(15), work).await.expect("nobody waits for the silent");
    // The first to come was silent for longest.
    let mut byte = [0];
    let first = tokio::time::timeout(Duration::from_secs(5), silent[0].read(&mut byte)).await;
    assert!(matches!(first, Ok(Ok(0) | Err(_))), "{first:?}");
}
