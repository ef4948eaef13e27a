//! What a client asks for beside the operation: honoured, or refused, and never passed over.

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use hyper::Method;

use crate::support::{SHORT, Server, refusal};

async fn put(s3: &Client, key: &str, body: &'static str) -> String {
    let put = s3.put_object().bucket("asks").key(key).body(ByteStream::from_static(body.as_bytes()));
    put.send().await.unwrap().e_tag().unwrap().to_owned()
}

async fn content(s3: &Client, key: &str) -> String {
    let got = s3.get_object().bucket("asks").key(key).send().await.unwrap();
    String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_copy_never_writes_over_what_its_condition_protects() {
    let server = Server::start().await;
    let s3 = server.tenant("asks").await;
    put(&s3, "src", "new").await;
    let etag = put(&s3, "dst", "precious").await;
    let copy = |key: &str, name: &'static str, value: String| {
        let copy = s3.copy_object().bucket("asks").key(key).copy_source("asks/src").customize();
        copy.mutate_request(move |request| {
            request.headers_mut().insert(name, value.clone());
        })
        .send()
    };
    for (name, value) in [
        ("if-none-match", "*".to_owned()),
        ("if-match", format!("\"{}\"", "0".repeat(32))),
        ("if-match", format!("W/{etag}")),
    ] {
        let refused = refusal(copy("dst", name, value).await);
        assert_eq!(refused, (412, "PreconditionFailed".into()), "{name}");
        assert_eq!(content(&s3, "dst").await, "precious");
    }
    assert_eq!(refusal(copy("none", "if-match", etag.clone()).await).0, 404);
    copy("none", "if-none-match", "*".to_owned()).await.unwrap();
    copy("dst", "if-match", etag).await.unwrap();
    assert_eq!(content(&s3, "dst").await, "new");
}

#[tokio::test]
async fn a_write_with_a_header_or_a_parameter_that_nobody_knows_writes_nothing() {
    let server = Server::start().await;
    let s3 = server.tenant("asks").await;
    put(&s3, "k", "precious").await;
    for (name, value) in [
        ("x-amz-something-new", "1"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-bypass-governance-retention", "true"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-checksum-sha512", "AAAA"),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("content-range", "bytes 0-2/8"),
    ] {
        let request =
            s3.put_object().bucket("asks").key("k").body(ByteStream::from_static(b"new")).customize();
        let sent = request.mutate_request(move |request| {
            request.headers_mut().insert(name, value);
        });
        assert_eq!(refusal(sent.send().await), (501, "NotImplemented".into()), "{name}");
        let request = s3.delete_object().bucket("asks").key("k").customize();
        let sent = request.mutate_request(move |request| {
            request.headers_mut().insert(name, value);
        });
        assert_eq!(refusal(sent.send().await), (501, "NotImplemented".into()), "{name}");
    }
    let request = s3.put_object().bucket("asks").key("k").body(ByteStream::from_static(b"new")).customize();
    let sent = request.mutate_request(|request| {
        let uri = format!("{}&somethingNew", request.uri());
        request.set_uri(uri).unwrap();
    });
    assert_eq!(refusal(sent.send().await), (501, "NotImplemented".into()));
    assert_eq!(content(&s3, "k").await, "precious");
}

/// The answer to a signed reading with these headers.
async fn read(server: &Server, s3: &Client, headers: &[(&str, &str)]) -> (u16, String) {
    let soon = PresigningConfig::expires_in(SHORT).unwrap();
    let url = s3.get_object().bucket("asks").key("k").presigned(soon).await.unwrap();
    let reply = server.call(Method::GET, url.uri(), headers, "").await;
    (reply.status.as_u16(), reply.text())
}

#[tokio::test]
async fn ranges_and_dates_that_http_says_to_ignore_are_ignored() {
    let server = Server::start().await;
    let s3 = server.tenant("asks").await;
    let etag = put(&s3, "k", "0123456789").await;
    let whole = (200, "0123456789".to_owned());
    for range in ["bytes=5-2", "bytes=a-b", "bytes=", "items=0-1", "bytes=0-1,4-5", "bytes 0-1"] {
        assert_eq!(read(&server, &s3, &[("range", range)]).await, whole, "{range}");
    }
    for range in ["bytes=0-1", "Bytes=0-1"] {
        assert_eq!(read(&server, &s3, &[("range", range)]).await, (206, "01".to_owned()), "{range}");
    }
    assert_eq!(read(&server, &s3, &[("range", "bytes=99-")]).await.0, 416);
    for name in ["if-modified-since", "if-unmodified-since"] {
        for date in ["yesterday", "0", "2026-01-01T00:00:00Z"] {
            assert_eq!(read(&server, &s3, &[(name, date)]).await, whole, "{name}: {date}");
        }
    }
    for date in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(read(&server, &s3, &[("if-unmodified-since", date)]).await.0, 412, "{date}");
        assert_eq!(read(&server, &s3, &[("if-modified-since", date)]).await, whole, "{date}");
    }
    let range = ("range", "bytes=0-1");
    assert_eq!(read(&server, &s3, &[range, ("if-range", &etag)]).await, (206, "01".to_owned()));
    let other = ["\"other\"", "Sun, 06 Nov 1994 08:49:37 GMT", "yesterday", &format!("W/{etag}")];
    for validator in other {
        assert_eq!(read(&server, &s3, &[range, ("if-range", validator)]).await, whole, "{validator}");
    }
    assert_eq!(read(&server, &s3, &[("if-none-match", &format!("\"a\", {etag}"))]).await.0, 304);
    assert_eq!(read(&server, &s3, &[("if-none-match", &format!("W/{etag}"))]).await.0, 304);
    assert_eq!(read(&server, &s3, &[("if-match", "\"a\", \"b\"")]).await.0, 412);
    assert_eq!(read(&server, &s3, &[("if-match", &format!("\"a\", {etag}"))]).await, whole);
}

#[tokio::test]
async fn a_request_that_is_read_leniently_needs_its_signature_and_its_own_bucket_all_the_same() {
    let server = Server::start().await;
    let s3 = server.tenant("asks").await;
    put(&s3, "k", "0123456789").await;
    let odd = [("range", "bytes=5-2"), ("if-range", "\"x\"")];
    assert_eq!(server.call(Method::GET, "/asks/k", &odd, "").await.status, 403);
    let soon = PresigningConfig::expires_in(SHORT).unwrap();
    let url = s3.get_object().bucket("asks").key("k").presigned(soon).await.unwrap();
    let forged = url.uri().replace("/asks/k", "/asks/other");
    assert_eq!(server.call(Method::GET, &forged, &odd, "").await.status, 403);
    let stranger = server.tenant("theirs").await;
    let soon = PresigningConfig::expires_in(SHORT).unwrap();
    let url = stranger.get_object().bucket("asks").key("k").presigned(soon).await.unwrap();
    assert_eq!(server.call(Method::GET, url.uri(), &odd, "").await.status, 403);
}
