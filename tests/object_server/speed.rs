use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use hyper::Method;
use serde_json::json;

use crate::objects::made_up;
use crate::support::{OWNER, Server};

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_streams_both_ways() {
    const SIZE: i64 = 64 << 20;
    let server = Server::start().await;
    let s3 = server.tenant("large").await;
    let before = resident();
    let mut most = before;
    let began = Instant::now();
    let put = s3.put_object().bucket("large").key("k").content_length(SIZE).body(made_up(64));
    let mut put = Box::pin(put.send());
    let put = loop {
        tokio::select! {
            done = &mut put => break done.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(5)) => most = most.max(resident()),
        }
    };
    let sent = began.elapsed();
    let began = Instant::now();
    let got = s3.get_object().bucket("large").key("k").send().await.unwrap();
    assert_eq!((got.e_tag(), got.content_length()), (put.e_tag(), Some(SIZE)));
    let (mut at, mut body) = (0usize, got.body);
    while let Some(bytes) = body.next().await {
        for byte in bytes.unwrap() {
            assert_eq!(usize::from(byte), at >> 20);
            at += 1;
        }
        most = most.max(resident());
    }
    assert_eq!(i64::try_from(at).ok(), Some(SIZE));
    println!("64 MiB: PUT {sent:?}, GET {:?}, memory grew {} KiB", began.elapsed(), (most - before) >> 10);
    // Other tests share this process, so the bound leaves room for them and still finds the
    // object held in memory.
    assert!(most - before < 48 << 20, "memory grew by {} MiB", (most - before) >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_calls_take_milliseconds() {
    let server = Server::start().await;
    let mut times: Vec<(&str, Vec<Duration>)> =
        ["bucket", "key", "put", "get", "delete"].map(|name| (name, Vec::new())).to_vec();
    for round in 0..20 {
        let bucket = format!("speed-{round}");
        let mut note = |at: usize, began: Instant| times[at].1.push(began.elapsed());
        let began = Instant::now();
        server.bucket(&bucket).await;
        note(0, began);
        let began = Instant::now();
        let key = server.key(&[&bucket]).await;
        note(1, began);
        let s3 = server.client(&key);
        s3.head_bucket().bucket(&bucket).send().await.unwrap();
        let began = Instant::now();
        s3.put_object().bucket(&bucket).key("k").body(ByteStream::from_static(b"x")).send().await.unwrap();
        note(2, began);
        let began = Instant::now();
        s3.get_object().bucket(&bucket).key("k").send().await.unwrap().body.collect().await.unwrap();
        note(3, began);
        let began = Instant::now();
        s3.delete_object().bucket(&bucket).key("k").send().await.unwrap();
        note(4, began);
        let body = json!({ "owner": OWNER, "purge": true });
        let gone = server.admin(Method::DELETE, &format!("buckets/{bucket}"), body).await;
        assert_eq!(gone.status, 204);
    }
    for (name, mut all) in times {
        all.sort();
        println!("{name}: median {:?}, worst {:?}", all[all.len() / 2], all[all.len() - 1]);
        assert!(all[all.len() / 2] < Duration::from_millis(500), "{name} takes {all:?}");
    }
}
