//! Every way into another tenant's bucket that other servers have left open, or might.

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, Delete, ObjectIdentifier};
use hyper::Method;
use serde_json::json;

use crate::presign::Form;
use crate::support::{Key, SHORT, Server, refusal};

/// Tenant A with an object, tenant B with a secret, and B as it must stay.
struct Two {
    server: Server,
    key: Key,
    a: Client,
    b: Client,
}

async fn two() -> Two {
    let server = Server::start().await;
    server.bucket("t-a").await;
    let key = server.key(&["t-a"]).await;
    let a = server.client(&key);
    let b = server.tenant("t-b").await;
    a.put_object().bucket("t-a").key("own").body(ByteStream::from_static(b"own")).send().await.unwrap();
    b.put_object().bucket("t-b").key("secret").body(ByteStream::from_static(b"secret")).send().await.unwrap();
    Two { server, key, a, b }
}

impl Two {
    async fn b_is_untouched(&self) {
        let listed = self.b.list_objects_v2().bucket("t-b").send().await.unwrap();
        let keys: Vec<_> = listed.contents().iter().filter_map(|o| o.key()).collect();
        assert_eq!(keys, ["secret"]);
        let got = self.b.get_object().bucket("t-b").key("secret").send().await.unwrap();
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), "secret");
    }
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".into())
}

#[tokio::test]
async fn nothing_of_another_bucket_can_be_done_directly() {
    let two = two().await;
    let a = &two.a;
    // A bucket that is not there answers as one that is: no oracle.
    for bucket in ["t-b", "t-nowhere"] {
        assert_eq!(refusal(a.get_object().bucket(bucket).key("secret").send().await), denied());
        assert_eq!(refusal(a.head_object().bucket(bucket).key("secret").send().await).0, 403);
        assert_eq!(refusal(a.head_bucket().bucket(bucket).send().await).0, 403);
        assert_eq!(refusal(a.get_bucket_location().bucket(bucket).send().await), denied());
        assert_eq!(refusal(a.put_object().bucket(bucket).key("x").send().await), denied());
        assert_eq!(refusal(a.delete_object().bucket(bucket).key("secret").send().await), denied());
        assert_eq!(refusal(a.list_objects_v2().bucket(bucket).send().await), denied());
        assert_eq!(refusal(a.list_objects().bucket(bucket).send().await), denied());
        assert_eq!(refusal(a.list_multipart_uploads().bucket(bucket).send().await), denied());
        assert_eq!(refusal(a.create_multipart_upload().bucket(bucket).key("x").send().await), denied());
        assert_eq!(refusal(a.get_bucket_policy().bucket(bucket).send().await), denied());
        assert_eq!(refusal(a.get_object_acl().bucket(bucket).key("secret").send().await), denied());
        assert_eq!(refusal(a.create_bucket().bucket(bucket).send().await), denied());
        assert_eq!(refusal(a.delete_bucket().bucket(bucket).send().await), denied());
        let names = ObjectIdentifier::builder().key("secret").build().unwrap();
        let delete = Delete::builder().objects(names).build().unwrap();
        assert_eq!(refusal(a.delete_objects().bucket(bucket).delete(delete).send().await), denied());
    }
    two.b_is_untouched().await;
}

#[tokio::test]
async fn another_bucket_is_no_source_of_a_copy() {
    let two = two().await;
    let a = &two.a;
    for source in ["t-b/secret", "/t-b/secret", "t%2Db/secret", "t-nowhere/x", "t-b%2Fsecret"] {
        let copy = a.copy_object().bucket("t-a").key("stolen").copy_source(source).send().await;
        assert_eq!(refusal(copy).0, 403, "{source}");
    }
    for source in ["t-a/../t-b/secret", "t-a/%2e%2e/t-b/secret"] {
        let copy = a.copy_object().bucket("t-a").key("stolen").copy_source(source).send().await;
        assert_eq!(refusal(copy), (404, "NoSuchKey".into()), "{source}");
    }
    for source in ["arn:aws:s3:us-east-1:123456789012:accesspoint/t-b/object/secret"] {
        let copy = a.copy_object().bucket("t-a").key("stolen").copy_source(source).send().await;
        assert_eq!(refusal(copy).0, 403, "{source}");
    }
    let begun = a.create_multipart_upload().bucket("t-a").key("stolen").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let part = a.upload_part_copy().bucket("t-a").key("stolen").upload_id(id).part_number(1);
    assert_eq!(refusal(part.copy_source("t-b/secret").send().await), denied());
    let out = a.copy_object().bucket("t-b").key("planted").copy_source("t-a/own").send().await;
    assert_eq!(refusal(out), denied());
    assert!(a.head_object().bucket("t-a").key("stolen").send().await.is_err());
    two.b_is_untouched().await;
}

#[tokio::test]
async fn another_buckets_upload_cannot_be_joined_or_ended() {
    let two = two().await;
    let begun = two.b.create_multipart_upload().bucket("t-b").key("k").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let a = &two.a;
    let abort = || a.abort_multipart_upload().key("k").upload_id(id);
    assert_eq!(refusal(abort().bucket("t-b").send().await), denied());
    assert_eq!(refusal(abort().bucket("t-a").send().await), (404, "NoSuchUpload".into()));
    let part = || a.upload_part().key("k").upload_id(id).part_number(1).body(ByteStream::from_static(b"x"));
    assert_eq!(refusal(part().bucket("t-b").send().await), denied());
    assert_eq!(refusal(part().bucket("t-a").send().await), (404, "NoSuchUpload".into()));
    assert_eq!(refusal(a.list_parts().bucket("t-b").key("k").upload_id(id).send().await), denied());
    let complete = a.complete_multipart_upload().bucket("t-b").key("k").upload_id(id);
    let complete = complete.multipart_upload(CompletedMultipartUpload::builder().build()).send().await;
    assert_eq!(refusal(complete), denied());
    assert_eq!(
        two.b.list_parts().bucket("t-b").key("k").upload_id(id).send().await.unwrap().parts().len(),
        0
    );
}

#[tokio::test]
async fn a_key_with_dots_stays_in_its_own_bucket() {
    let two = two().await;
    let a = &two.a;
    for key in ["../t-b/secret", "../../t-b/secret", "x/../../t-b/secret", "..%2ft-b%2fsecret"] {
        assert_eq!(refusal(a.get_object().bucket("t-a").key(key).send().await), (404, "NoSuchKey".into()));
        a.put_object().bucket("t-a").key(key).body(ByteStream::from_static(b"mine")).send().await.unwrap();
        two.b_is_untouched().await;
        let names = ObjectIdentifier::builder().key(key).build().unwrap();
        let delete = Delete::builder().objects(names).build().unwrap();
        a.delete_objects().bucket("t-a").delete(delete).send().await.unwrap();
        two.b_is_untouched().await;
    }
}

#[tokio::test]
async fn a_form_reaches_only_the_keys_own_bucket() {
    let two = two().await;
    let form = |bucket: &'static str, signed: &'static str, key: &'static str| Form {
        key: &two.key,
        bucket,
        conditions: vec![json!({ "bucket": signed }), json!(["starts-with", "$key", ""])],
        fields: vec![("key", key)],
        lives: 60,
    };
    assert_eq!(form("t-b", "t-b", "posted").post(&two.server, "x").await.status, 403);
    assert_eq!(form("t-nowhere", "t-nowhere", "posted").post(&two.server, "x").await.status, 403);
    assert_eq!(form("t-b", "t-a", "posted").post(&two.server, "x").await.status.as_u16() / 100, 4);
    let mut sly = form("t-b", "t-b", "posted");
    sly.fields.push(("bucket", "t-a"));
    assert_eq!(sly.post(&two.server, "x").await.status.as_u16() / 100, 4);
    two.b_is_untouched().await;
    let dots = form("t-a", "t-a", "../t-b/posted").post(&two.server, "x").await;
    assert_eq!(dots.status, 204, "{}", dots.text());
    two.b_is_untouched().await;
    two.a.head_object().bucket("t-a").key("../t-b/posted").send().await.unwrap();
    // A form that nobody signed.
    let body = "--l\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--l\r\n\
                Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--l--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=l")];
    assert_eq!(two.server.call(Method::POST, "/t-b", &kind, body).await.status, 403);
    two.b_is_untouched().await;
}

#[tokio::test]
async fn a_signature_for_one_bucket_is_none_for_another() {
    let two = two().await;
    let config = PresigningConfig::expires_in(SHORT).unwrap();
    let own = two.a.get_object().bucket("t-a").key("own").presigned(config.clone()).await.unwrap();
    assert_eq!(two.server.call(Method::GET, own.uri(), &[], "").await.text(), "own");
    for other in ["/t-b/secret", "/t-a/../t-b/secret", "/t-a/%2e%2e/t-b/secret"] {
        let uri = own.uri().replace("/t-a/own", other);
        assert_eq!(two.server.call(Method::GET, &uri, &[], "").await.status, 403, "{other}");
    }
    let foreign = two.a.get_object().bucket("t-b").key("secret").presigned(config.clone()).await.unwrap();
    assert_eq!(two.server.call(Method::GET, foreign.uri(), &[], "").await.status, 403);
    let foreign = two.a.put_object().bucket("t-b").key("secret").presigned(config).await.unwrap();
    assert_eq!(two.server.call(Method::PUT, foreign.uri(), &[], "x").await.status, 403);
    two.b_is_untouched().await;
}

#[tokio::test]
async fn nobody_gets_in_without_a_signature() {
    let two = two().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/t-b"),
        (Method::GET, "/t-b/secret"),
        (Method::HEAD, "/t-b/secret"),
        (Method::PUT, "/t-b/x"),
        (Method::DELETE, "/t-b/secret"),
        (Method::POST, "/t-b?delete"),
        (Method::POST, "/t-b/x?uploads"),
        (Method::PUT, "/t-new"),
        (Method::DELETE, "/t-b"),
    ] {
        assert_eq!(two.server.call(method.clone(), path, &[], "").await.status, 403, "{method} {path}");
    }
    for header in ["AWS someone:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "Bearer x", "AWS4-HMAC-SHA256 nonsense"] {
        let reply = two.server.call(Method::GET, "/t-b/secret", &[("authorization", header)], "").await;
        assert!(matches!(reply.status.as_u16(), 400 | 403), "{header}: {}", reply.status);
    }
    let wrong = Key { secret: "not the secret at all".into(), ..two.key.clone() };
    let wrong = two.server.client(&wrong).get_object().bucket("t-a").key("own").send().await;
    assert_eq!(refusal(wrong), (403, "SignatureDoesNotMatch".into()));
    let unknown = Key { id: "A".repeat(20), secret: "whatever it may be".into() };
    let unknown = two.server.client(&unknown).get_object().bucket("t-a").key("own").send().await;
    assert_eq!(refusal(unknown), (403, "InvalidAccessKeyId".into()));
    two.b_is_untouched().await;
}
