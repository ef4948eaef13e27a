use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::support::{REGION, Server, refusal};

#[tokio::test]
async fn an_object_comes_back_with_all_that_was_said_of_it() {
    let server = Server::start().await;
    let s3 = server.tenant("first").await;
    let put = s3
        .put_object()
        .bucket("first")
        .key("a/b.txt")
        .body(ByteStream::from_static(b"hello"))
        .content_type("text/plain; charset=utf-8")
        .cache_control("max-age=60")
        .content_disposition("attachment; filename=\"b.txt\"")
        .content_encoding("gzip")
        .content_language("de")
        .expires(DateTime::from_secs(1_900_000_000))
        .metadata("Tenant-Name", "acme")
        .metadata("city", "Zürich")
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let got = s3.get_object().bucket("first").key("a/b.txt").send().await.unwrap();
    assert_eq!(got.content_type(), Some("text/plain; charset=utf-8"));
    assert_eq!(got.cache_control(), Some("max-age=60"));
    assert_eq!(got.content_disposition(), Some("attachment; filename=\"b.txt\""));
    assert_eq!(got.content_encoding(), Some("gzip"));
    assert_eq!(got.content_language(), Some("de"));
    assert_eq!(got.expires_string(), Some("Sun, 17 Mar 2030 17:46:40 GMT"));
    assert_eq!(got.metadata().unwrap()["tenant-name"], "acme");
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "hello");

    let head = s3.head_object().bucket("first").key("a/b.txt").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.metadata().unwrap()["tenant-name"], "acme");
    let missing = s3.get_object().bucket("first").key("a").send().await;
    assert_eq!(refusal(missing), (404, "NoSuchKey".into()));
    let missing = s3.head_object().bucket("first").key("a").send().await;
    assert_eq!(refusal(missing).0, 404);
}

#[tokio::test]
async fn a_bucket_tells_of_itself_to_its_own_key() {
    let server = Server::start().await;
    let s3 = server.tenant("mine").await;
    server.bucket("other").await;
    let head = s3.head_bucket().bucket("mine").send().await.unwrap();
    assert_eq!(head.bucket_region(), Some(REGION));
    let location = s3.get_bucket_location().bucket("mine").send().await.unwrap();
    assert!(location.location_constraint().is_none_or(|l| l.as_str().is_empty()));
    let listed = s3.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().filter_map(|b| b.name()).collect();
    assert_eq!(names, ["mine"]);
}

#[tokio::test]
async fn parts_of_an_object_can_be_read() {
    let server = Server::start().await;
    let s3 = server.tenant("ranges").await;
    let body = ByteStream::from_static(b"0123456789");
    s3.put_object().bucket("ranges").key("k").body(body).send().await.unwrap();
    for (range, expected, told) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=7-100", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
    ] {
        let got = s3.get_object().bucket("ranges").key("k").range(range).send().await.unwrap();
        assert_eq!(got.content_range(), Some(told), "{range}");
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), expected, "{range}");
    }
    for range in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
        let got = s3.get_object().bucket("ranges").key("k").range(range).send().await;
        assert_eq!(refusal(got), (416, "InvalidRange".into()), "{range}");
    }
    s3.put_object().bucket("ranges").key("empty").send().await.unwrap();
    let empty = s3.get_object().bucket("ranges").key("empty").send().await.unwrap();
    assert_eq!(empty.content_length(), Some(0));
    let got = s3.get_object().bucket("ranges").key("empty").range("bytes=-1").send().await;
    assert_eq!(refusal(got).0, 416);
}

#[tokio::test]
async fn a_copy_keeps_or_replaces_what_is_said_of_the_object() {
    let server = Server::start().await;
    let s3 = server.tenant("copies").await;
    let put = s3.put_object().bucket("copies").key("von/ä b").body(ByteStream::from_static(b"x"));
    let put = put.content_type("text/a").metadata("m", "1").send().await.unwrap();
    let source = "copies/von/%C3%A4%20b";
    let copy = || s3.copy_object().bucket("copies").copy_source(source);
    let copied = copy().key("to").send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), put.e_tag());
    let head = s3.head_object().bucket("copies").key("to").send().await.unwrap();
    assert_eq!((head.content_type(), head.metadata().unwrap()["m"].as_str()), (Some("text/a"), "1"));

    copy()
        .key("to")
        .metadata_directive(MetadataDirective::Replace)
        .content_type("text/b")
        .metadata("n", "2")
        .send()
        .await
        .unwrap();
    let head = s3.head_object().bucket("copies").key("to").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/b"));
    assert_eq!(head.metadata().unwrap().len(), 1);

    let own = copy().key("von/ä b").send().await;
    assert_eq!(refusal(own), (400, "InvalidRequest".into()));
    let wrong = copy().key("to").copy_source_if_match("\"nope\"").send().await;
    assert_eq!(refusal(wrong).0, 412);
    let same = copy().key("to").copy_source_if_none_match(put.e_tag().unwrap()).send().await;
    assert_eq!(refusal(same).0, 412);
    let none = s3.copy_object().bucket("copies").key("to").copy_source("copies/none").send().await;
    assert_eq!(refusal(none), (404, "NoSuchKey".into()));
}

#[tokio::test]
async fn deleting_is_idempotent_and_goes_by_the_thousand() {
    let server = Server::start().await;
    let s3 = server.tenant("gone").await;
    for key in ["a", "b/../c", "d"] {
        s3.put_object().bucket("gone").key(key).body(ByteStream::from_static(b"x")).send().await.unwrap();
    }
    s3.delete_object().bucket("gone").key("a").send().await.unwrap();
    s3.delete_object().bucket("gone").key("a").send().await.unwrap();
    let names = ["b/../c", "never was", "d"].map(|k| ObjectIdentifier::builder().key(k).build().unwrap());
    let delete = Delete::builder().set_objects(Some(names.to_vec())).build().unwrap();
    let done = s3.delete_objects().bucket("gone").delete(delete).send().await.unwrap();
    assert_eq!((done.deleted().len(), done.errors().len()), (3, 0));
    let left = s3.list_objects_v2().bucket("gone").send().await.unwrap();
    assert_eq!(left.key_count(), Some(0));
}

#[tokio::test]
async fn every_checksum_is_proved_and_told() {
    let server = Server::start().await;
    let s3 = server.tenant("sums").await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let body = ByteStream::from_static(b"123456789");
        let put = s3.put_object().bucket("sums").key("k").body(body).checksum_algorithm(algorithm.clone());
        put.send().await.unwrap_or_else(|e| panic!("{algorithm:?}: {e:?}"));
        let got = s3.get_object().bucket("sums").key("k").checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.unwrap();
        let told = match algorithm {
            ChecksumAlgorithm::Crc32 => got.checksum_crc32() == Some("y/Q5Jg=="),
            ChecksumAlgorithm::Crc32C => got.checksum_crc32_c() == Some("4waSgw=="),
            ChecksumAlgorithm::Crc64Nvme => got.checksum_crc64_nvme() == Some("rosUhgp5mIg="),
            ChecksumAlgorithm::Sha1 => got.checksum_sha1().is_some(),
            _ => got.checksum_sha256() == Some("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        };
        assert!(told, "{algorithm:?}: {got:?}");
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), "123456789");
    }
    let put = || s3.put_object().bucket("sums").key("wrong").body(ByteStream::from_static(b"abc"));
    assert_eq!(refusal(put().checksum_crc32("AAAAAA==").send().await), (400, "BadDigest".into()));
    let md5 = STANDARD.encode([7u8; 16]);
    assert_eq!(refusal(put().content_md5(md5).send().await), (400, "BadDigest".into()));
    assert_eq!(refusal(put().content_md5("!").send().await), (400, "InvalidDigest".into()));
    let wrong = s3.head_object().bucket("sums").key("wrong").send().await;
    assert_eq!(refusal(wrong).0, 404);
}

#[tokio::test]
async fn what_is_not_implemented_says_so() {
    let server = Server::start().await;
    let s3 = server.tenant("limits").await;
    s3.put_object().bucket("limits").key("k").send().await.unwrap();
    let versioning = s3.get_bucket_versioning().bucket("limits").send().await;
    assert_eq!(refusal(versioning), (501, "NotImplemented".into()));
    let tags = s3.get_object_tagging().bucket("limits").key("k").send().await;
    assert_eq!(refusal(tags), (501, "NotImplemented".into()));
    let policy = s3.get_bucket_policy().bucket("limits").send().await;
    assert_eq!(refusal(policy), (501, "NotImplemented".into()));
    let sealed = s3.put_object().bucket("limits").key("k").tagging("a=b").send().await;
    assert_eq!(refusal(sealed), (501, "NotImplemented".into()));
    let made = s3.create_bucket().bucket("limits-two").send().await;
    assert_eq!(refusal(made), (403, "AccessDenied".into()));
    let removed = s3.delete_bucket().bucket("limits").send().await;
    assert_eq!(refusal(removed), (409, "BucketNotEmpty".into()));
    s3.delete_object().bucket("limits").key("k").send().await.unwrap();
    let removed = s3.delete_bucket().bucket("limits").send().await;
    assert_eq!(refusal(removed), (403, "AccessDenied".into()));
}

/// Bytes made piece by piece: nobody ever holds the whole.
pub(crate) fn made_up(mebibytes: u8) -> ByteStream {
    let pieces = futures_util::stream::iter(
        (0..mebibytes)
            .map(|byte| Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from(vec![byte; 1 << 20])))),
    );
    let size = u64::from(mebibytes) << 20;
    ByteStream::from_body_1_x(Sized { size, inner: http_body_util::StreamBody::new(pieces) })
}

/// A body whose length is known.
struct Sized<B> {
    size: u64,
    inner: B,
}

impl<B: hyper::body::Body + Unpin> hyper::body::Body for Sized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::pin::Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.size)
    }
}
