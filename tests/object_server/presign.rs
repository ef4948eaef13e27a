use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use time::macros::format_description;

use crate::support::{Key, REGION, Reply, SHORT, Server};

#[tokio::test]
async fn a_presigned_url_does_what_it_was_signed_for_and_nothing_else() {
    let server = Server::start().await;
    let s3 = server.tenant("links").await;
    let config = || PresigningConfig::expires_in(SHORT).unwrap();
    let put = s3.put_object().bucket("links").key("a/ü b").presigned(config()).await.unwrap();
    let headers: Vec<(&str, &str)> = put.headers().collect();
    let reply = server.call(Method::PUT, put.uri(), &headers, "hello").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let get = s3.get_object().bucket("links").key("a/ü b").presigned(config()).await.unwrap();
    let reply = server.call(Method::GET, get.uri(), &[], "").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "hello"));

    s3.put_object().bucket("links").key("other").body(ByteStream::from_static(b"o")).send().await.unwrap();
    let uri = get.uri().to_owned();
    let flipped = if uri.ends_with('0') { "1" } else { "0" };
    for tampered in [
        uri.replace("a/%C3%BC%20b", "other"),
        uri.replace("/links/", "/elsewhere/"),
        uri.replace("X-Amz-Expires=10", "X-Amz-Expires=9999"),
        uri.replace("x-id=GetObject", "x-id=GetObject&response-content-type=text%2Fhtml"),
        tampered_signature(&uri, flipped),
    ] {
        assert_ne!(tampered, uri);
        let reply = server.call(Method::GET, &tampered, &[], "").await;
        assert_eq!(reply.status, 403, "{tampered}");
        let deleted = server.call(Method::DELETE, &tampered, &[], "").await;
        assert_eq!(deleted.status, 403);
    }
    assert_eq!(server.call(Method::DELETE, &uri, &[], "").await.status, 403);
    assert_eq!(server.call(Method::PUT, &uri, &[], "x").await.status, 403);
}

fn tampered_signature(uri: &str, last: &str) -> String {
    let at = uri.find("X-Amz-Signature=").unwrap() + "X-Amz-Signature=".len();
    format!("{}{last}{}", &uri[..at + 63], &uri[at + 64..]).replace(&uri[at..at + 4], "ffff")
}

#[tokio::test]
async fn a_presigned_put_takes_no_copy_source() {
    let server = Server::start().await;
    let s3 = server.tenant("links").await;
    s3.put_object().bucket("links").key("secret").body(ByteStream::from_static(b"s")).send().await.unwrap();
    let put =
        s3.put_object().bucket("links").key("inbox").presigned(PresigningConfig::expires_in(SHORT).unwrap());
    let put = put.await.unwrap();
    let mut headers: Vec<(&str, &str)> = put.headers().collect();
    headers.push(("x-amz-copy-source", "/links/secret"));
    let reply = server.call(Method::PUT, put.uri(), &headers, "").await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert!(s3.head_object().bucket("links").key("inbox").send().await.is_err());
}

#[tokio::test]
async fn an_expired_url_is_refused() {
    let server = Server::start().await;
    let s3 = server.tenant("links").await;
    let config = PresigningConfig::builder()
        .start_time(SystemTime::now() - Duration::from_secs(100))
        .expires_in(Duration::from_secs(50))
        .build()
        .unwrap();
    let get = s3.get_object().bucket("links").key("k").presigned(config).await.unwrap();
    let reply = server.call(Method::GET, get.uri(), &[], "").await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("expired"), "{}", reply.text());
}

/// A browser's form.
pub(crate) struct Form<'a> {
    pub(crate) key: &'a Key,
    pub(crate) bucket: &'a str,
    pub(crate) conditions: Vec<Value>,
    pub(crate) fields: Vec<(&'a str, &'a str)>,
    pub(crate) lives: i64,
}

impl Form<'_> {
    pub(crate) async fn post(&self, server: &Server, file: &str) -> Reply {
        let now = time::OffsetDateTime::now_utc();
        let day = now.format(format_description!("[year][month][day]")).unwrap();
        let date = now.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap();
        let credential = format!("{}/{day}/{REGION}/s3/aws4_request", self.key.id);
        let mut conditions = self.conditions.clone();
        conditions.push(json!({ "x-amz-algorithm": "AWS4-HMAC-SHA256" }));
        conditions.push(json!({ "x-amz-credential": credential }));
        conditions.push(json!({ "x-amz-date": date }));
        let end = now + time::Duration::seconds(self.lives);
        let end = end.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z")).unwrap();
        let policy = STANDARD.encode(json!({ "expiration": end, "conditions": conditions }).to_string());
        let mut signature = format!("AWS4{}", self.key.secret).into_bytes();
        for part in [day.as_str(), REGION, "s3", "aws4_request", &policy] {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&signature).unwrap();
            mac.update(part.as_bytes());
            signature = mac.finalize().into_bytes().to_vec();
        }
        let signature = signature.iter().fold(String::new(), |hex, b| format!("{hex}{b:02x}"));
        let mut fields = self.fields.clone();
        fields.extend([
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", &date),
            ("policy", &policy),
            ("x-amz-signature", &signature),
        ]);
        let mut body = String::new();
        for (name, value) in fields {
            let part =
                format!("--line\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.push_str(&part);
        }
        body += "--line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
        body.push_str(file);
        body.push_str("\r\n--line--\r\n");
        let kind = [("content-type", "multipart/form-data; boundary=line")];
        server.call(Method::POST, &format!("/{}", self.bucket), &kind, body).await
    }
}

#[tokio::test]
async fn a_form_uploads_what_its_policy_allows() {
    let server = Server::start().await;
    server.bucket("forms").await;
    let key = server.key(&["forms"]).await;
    let s3 = server.client(&key);
    let conditions = vec![
        json!({ "bucket": "forms" }),
        json!(["starts-with", "$key", "in/"]),
        json!(["content-length-range", 1, 10]),
    ];
    let form =
        |fields| Form { key: &key, bucket: "forms", conditions: conditions.clone(), fields, lives: 60 };
    let posted = form(vec![("key", "in/a")]).post(&server, "hello").await;
    assert_eq!(posted.status, 204, "{}", posted.text());
    let got = s3.get_object().bucket("forms").key("in/a").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "hello");

    let refused = |reply: Reply| assert!(matches!(reply.status.as_u16(), 400 | 403), "{}", reply.text());
    refused(form(vec![("key", "out/a")]).post(&server, "hello").await);
    refused(form(vec![("key", "in/b")]).post(&server, "hello hello").await);
    refused(form(vec![("key", "in/b")]).post(&server, "").await);
    refused(form(vec![("key", "in/b"), ("x-amz-meta-a", "b")]).post(&server, "hello").await);
    let late = Form { lives: -5, ..form(vec![("key", "in/b")]) };
    refused(late.post(&server, "hello").await);
    let forged = Key { secret: "not the secret".into(), ..key.clone() };
    refused(Form { key: &forged, ..form(vec![("key", "in/b")]) }.post(&server, "hello").await);
    assert_eq!(s3.list_objects_v2().bucket("forms").send().await.unwrap().key_count(), Some(1));
}
