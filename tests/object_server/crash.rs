use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Key, Server, files, refusal};

/// Waits until a fact holds.
async fn until(what: &str, fact: impl Fn() -> bool) {
    for _ in 0..1000 {
        if fact() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

#[tokio::test]
async fn a_restart_keeps_everything_and_sweeps_leftovers() {
    let server = Server::start().await;
    server.bucket("kept").await;
    let key = server.key(&["kept"]).await;
    let s3 = server.client(&key);
    s3.put_object().bucket("kept").key("k").body(ByteStream::from_static(b"old")).send().await.unwrap();
    let begun = s3.create_multipart_upload().bucket("kept").key("up").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let part = s3.upload_part().bucket("kept").key("up").upload_id(id).part_number(1);
    part.body(ByteStream::from_static(b"part")).send().await.unwrap();

    let folder = server.stop().await;
    let root = folder.path().join("s3");
    // What a process leaves that was killed within a write, and within a purge.
    std::fs::write(root.join("tmp/half"), b"half a body").unwrap();
    std::fs::create_dir_all(root.join("tmp/draft/objects")).unwrap();
    std::fs::create_dir_all(root.join("trash/bucket/objects/aa")).unwrap();
    std::fs::write(root.join("trash/bucket/objects/aa/aa"), b"x").unwrap();

    let server = Server::start_in(folder).await;
    assert!(files(&root.join("tmp")).is_empty() && files(&root.join("trash")).is_empty());
    assert_eq!(std::fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    let s3 = server.client(&key);
    let got = s3.get_object().bucket("kept").key("k").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "old");
    let parts = s3.list_parts().bucket("kept").key("up").upload_id(id).send().await.unwrap();
    assert_eq!(parts.parts().len(), 1);
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_the_old_object_whole() {
    let server = Server::start().await;
    server.bucket("kept").await;
    let key = server.key(&["kept"]).await;
    let s3 = server.client(&key);
    s3.put_object().bucket("kept").key("k").body(ByteStream::from_static(b"old")).send().await.unwrap();
    let mut socket = half_a_put(&server, &key).await;
    let temporary = server.root().join("tmp");
    until("the body arrives", || {
        files(&temporary).iter().any(|f| f.metadata().is_ok_and(|m| m.len() > 500_000))
    })
    .await;
    socket.shutdown().await.unwrap();
    drop(socket);
    until("the leftovers go", || files(&temporary).is_empty()).await;
    let got = s3.get_object().bucket("kept").key("k").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "old");
}

#[tokio::test]
async fn a_damaged_object_is_an_error_of_its_own() {
    let server = Server::start().await;
    server.bucket("kept").await;
    let key = server.key(&["kept"]).await;
    let s3 = server.client(&key);
    for name in ["a", "b", "c", "d"] {
        let body = ByteStream::from_static(b"content");
        s3.put_object().bucket("kept").key(name).body(body).send().await.unwrap();
    }
    let folder = server.stop().await;
    let objects = folder.path().join("s3/buckets/kept/objects");
    let holds = |name: &str| {
        let header = format!("{{\"key\":\"{name}\"");
        let found = files(&objects).into_iter().find(|f| {
            let content = std::fs::read(f).unwrap();
            content.windows(header.len()).any(|w| w == header.as_bytes())
        });
        found.unwrap()
    };
    let (a, b, c) = (holds("a"), holds("b"), holds("c"));
    let mut content = std::fs::read(&a).unwrap();
    content[40] ^= 1;
    std::fs::write(&a, content).unwrap();
    let content = std::fs::read(&b).unwrap();
    std::fs::write(&b, &content[..content.len() - 1]).unwrap();
    std::fs::write(&c, b"").unwrap();

    let server = Server::start_in(folder).await;
    let s3 = server.client(&key);
    for name in ["a", "b", "c"] {
        let got = s3.get_object().bucket("kept").key(name).send().await;
        assert_eq!(refusal(got), (500, "InternalError".into()), "{name}");
    }
    let listed = s3.list_objects_v2().bucket("kept").send().await.unwrap();
    assert_eq!(listed.contents().len(), 1);
    s3.get_object().bucket("kept").key("d").send().await.unwrap();
    s3.put_object().bucket("kept").key("a").body(ByteStream::from_static(b"anew")).send().await.unwrap();
    s3.delete_object().bucket("kept").key("b").send().await.unwrap();
    s3.get_object().bucket("kept").key("a").send().await.unwrap();
    assert_eq!(refusal(s3.get_object().bucket("kept").key("b").send().await).0, 404);
}

/// Sends the first 2 of 10 million bytes of a PUT.
async fn half_a_put(server: &Server, key: &Key) -> tokio::net::TcpStream {
    let config = aws_sdk_s3::presigning::PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let s3 = server.client(key);
    let put = s3.put_object().bucket("kept").key("k").presigned(config).await.unwrap();
    let path = put.uri().strip_prefix(&server.endpoint).unwrap();
    let host = server.endpoint.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 10000000\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![b'n'; 2_000_000]).await.unwrap();
    socket
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_finishes_what_is_under_way() {
    let server = Server::start().await;
    server.bucket("kept").await;
    let key = server.key(&["kept"]).await;
    let mut socket = half_a_put(&server, &key).await;
    let temporary = server.root().join("tmp");
    until("the body arrives", || {
        files(&temporary).iter().any(|f| f.metadata().is_ok_and(|m| m.len() > 500_000))
    })
    .await;
    let stopping = tokio::spawn(server.stop());
    socket.write_all(&vec![b'n'; 8_000_000]).await.unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    let server = Server::start_in(stopping.await.unwrap()).await;
    let head = server.client(&key).head_object().bucket("kept").key("k").send().await.unwrap();
    assert_eq!(head.content_length(), Some(10_000_000));
}
