//! What good clients notice of bad ones: slow heads and bodies, silent sockets, resets, and requests that are far
//! too much.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::load::{Load, Measured, Reader, Target};
use super::{Failure, mid, round};

/// Bad clients of each slow kind at once.
const SLOW: usize = 100;
/// How often each of the others comes.
const PAUSE: Duration = Duration::from_millis(50);

/// Times of good clients with and without bad ones (A B B A), and how much memory the server took for them.
pub(crate) async fn measure(
    load: Load,
    nexus: &Target,
    rounds: usize,
    token: &str,
) -> Result<Value, Failure> {
    let few = Load { connections: 16, ..load };
    let reader = Reader::new(nexus, "/users?limit=20&total=none", Some(token));
    let readers = || std::iter::repeat_n(reader.clone(), few.connections);
    let packed = packed()?;
    few.run(nexus, readers()).await?;
    let before = nexus.memory_mib("VmRSS")?;
    let mut most = before;
    let (mut alone, mut beside): (Vec<Measured>, Vec<Measured>) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for is_alone in [true, false, false, true] {
            if is_alone {
                alone.push(few.run(nexus, readers()).await?);
                continue;
            }
            let bad = attack(nexus, &packed);
            beside.push(few.run(nexus, readers()).await?);
            most = most.max(nexus.memory_mib("VmRSS")?);
            drop(bad);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let (p99, p99_beside) = (mid(&alone, |it| it.p99_ms), mid(&beside, |it| it.p99_ms));
    Ok(json!({
        "requests_per_second_alone": mid(&alone, |it| it.per_second).round(),
        "requests_per_second_beside": mid(&beside, |it| it.per_second).round(),
        "p99_ms_alone": round(p99),
        "p99_ms_beside": round(p99_beside),
        "p99_ratio": round(p99_beside / p99),
        "more_mib": round(most - before),
        "errors": alone.iter().chain(&beside).map(|it| it.errors).sum::<usize>(),
    }))
}

/// Sixteen mebibytes of nothing, packed a thousand to one.
fn packed() -> Result<Vec<u8>, Failure> {
    let mut gzip = Command::new("gzip").arg("-9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = gzip.stdin.take().ok_or("no input")?;
    let writer = std::thread::spawn(move || input.write_all(&vec![b' '; 16 << 20]));
    let output = gzip.wait_with_output()?;
    writer.join().map_err(|_| "gzip was not fed")??;
    Ok(output.stdout)
}

/// Bad clients of all kinds, until this is dropped.
fn attack(target: &Target, packed: &[u8]) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let head = |more: &str| format!("POST /auth/login HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: acme\r\n{more}");
    let json = "Content-Type: application/json\r\n";
    for _ in 0..SLOW {
        for start in
            [String::new(), head("X-Slow: "), head(&format!("{json}Content-Length: 100000\r\n\r\n{{"))]
        {
            all.spawn(again_and_again(target.address.clone(), start.into_bytes(), true));
        }
    }
    let with_body = |more: &str, body: &[u8]| {
        let length = body.len();
        let mut request = head(&format!("{json}{more}Content-Length: {length}\r\n\r\n")).into_bytes();
        request.extend(body);
        request
    };
    let token = "a".repeat(1 << 20);
    for request in [
        with_body("Content-Encoding: gzip\r\n", packed),
        with_body("", "[".repeat(100_000).as_bytes()),
        head(&format!("Authorization: Bearer {token}\r\n\r\n")).into_bytes(),
        b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ] {
        all.spawn(again_and_again(target.address.clone(), request, false));
    }
    all
}

/// Sends the same again and again; a slow one goes on with a byte now and then. What is closed before its answer
/// was read is reset.
async fn again_and_again(address: String, request: Vec<u8>, is_slow: bool) {
    loop {
        let Ok(mut socket) = TcpStream::connect(&address).await else { return };
        let _ = socket.write_all(&request).await;
        while is_slow && !request.is_empty() && socket.write_all(b"x").await.is_ok() {
            tokio::time::sleep(PAUSE * 10).await;
        }
        // Until the answer begins, or it is closed.
        let _ = socket.read(&mut [0]).await;
        tokio::time::sleep(PAUSE).await;
    }
}
