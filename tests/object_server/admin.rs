use std::os::unix::fs::PermissionsExt;

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{OWNER, Server, TOKEN, config, files, refusal};

const OTHER: &str = "nexus:other";

async fn status(server: &Server, method: Method, path: &str, body: Value) -> (u16, String) {
    let reply = server.admin(method, path, body).await;
    (reply.status.as_u16(), reply.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn only_the_admin_token_opens_the_admin_interface() {
    let server = Server::start().await;
    let wrong = format!("Bearer {TOKEN}x");
    let tokens = [vec![], vec![("authorization", wrong.as_str())], vec![("authorization", TOKEN)]];
    for headers in tokens {
        for (method, path) in [
            (Method::GET, "/_nexus/v1/buckets"),
            (Method::PUT, "/_nexus/v1/buckets/b00"),
            (Method::GET, "/_nexus/v1/keys"),
            (Method::PUT, "/_nexus/v1/fences/a"),
            (Method::GET, "/_nexus/v1/nothing"),
        ] {
            assert_eq!(server.call(method, path, &headers, "{}").await.status, 401);
        }
    }
    let health = server.call(Method::GET, "/_nexus/v1/health", &[], "").await;
    assert_eq!((health.status.as_u16(), health.json()), (200, json!({ "status": "ok" })));
}

#[tokio::test]
async fn buckets_are_made_once_and_belong_to_one_owner() {
    let server = Server::start().await;
    let made = |owner| status(&server, Method::PUT, "buckets/acme", json!({ "owner": owner, "fence": 0 }));
    assert_eq!(made(OWNER).await.0, 201);
    assert_eq!(made(OWNER).await.0, 200);
    assert_eq!(made(OTHER).await, (409, "foreign".into()));
    let shown = server.admin(Method::GET, "buckets/acme", Value::Null).await.json();
    assert_eq!((shown["bucket"].as_str(), shown["owner"].as_str()), (Some("acme"), Some(OWNER)));
    assert_eq!((shown["objects"].as_u64(), shown["bytes"].as_u64()), (Some(0), Some(0)));
    assert_eq!(status(&server, Method::GET, "buckets/none", Value::Null).await, (404, "not_found".into()));
    for bad in ["A", "a", "..", "a_b", "-ab", "192.168.1.1", "%2e%2e", "a%2fb"] {
        let made = status(&server, Method::PUT, &format!("buckets/{bad}"), json!({ "owner": OWNER })).await;
        assert!(matches!(made.0, 400 | 404), "{bad}: {made:?}");
    }
    assert_eq!(made("bad owner").await, (400, "invalid".into()));
    assert_eq!(status(&server, Method::PUT, "buckets/other", json!({ "owner": OTHER })).await.0, 201);
    let all = server.admin(Method::GET, "buckets", Value::Null).await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let some = server.admin(Method::GET, "buckets?owner_prefix=nexus:o", Value::Null).await.json();
    assert_eq!(some[0]["bucket"], "other");
    assert_eq!(some.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bucket_that_holds_something_goes_only_when_purged() {
    let server = Server::start().await;
    let s3 = server.tenant("acme").await;
    s3.put_object().bucket("acme").key("k").send().await.unwrap();
    let delete = |owner, purge| {
        status(&server, Method::DELETE, "buckets/acme", json!({ "owner": owner, "fence": 0, "purge": purge }))
    };
    assert_eq!(delete(OTHER, true).await, (409, "foreign".into()));
    assert_eq!(delete(OWNER, false).await, (409, "not_empty".into()));
    s3.head_object().bucket("acme").key("k").send().await.unwrap();
    assert_eq!(delete(OWNER, true).await.0, 204);
    assert_eq!(delete(OWNER, true).await, (404, "not_found".into()));
    assert!(files(&server.root().join("buckets")).is_empty());
    let gone = s3.get_object().bucket("acme").key("k").send().await;
    assert_eq!(refusal(gone), (404, "NoSuchBucket".into()));
    // A new bucket of that name is empty, and an empty one goes without a purge.
    server.bucket("acme").await;
    assert_eq!(s3.list_objects_v2().bucket("acme").send().await.unwrap().key_count(), Some(0));
    assert_eq!(delete(OWNER, false).await.0, 204);
}

#[tokio::test]
async fn keys_work_until_they_are_disabled_or_deleted() {
    let server = Server::start().await;
    server.bucket("acme").await;
    let key = server.key(&["acme"]).await;
    let path = format!("keys/{}", key.id);
    let s3 = server.client(&key);
    s3.head_bucket().bucket("acme").send().await.unwrap();

    let shown = server.admin(Method::GET, &path, Value::Null).await;
    assert!(!shown.text().contains(&key.secret));
    assert_eq!(shown.json()["buckets"], json!(["acme"]));
    let listed = server.admin(Method::GET, &format!("keys?owner={OWNER}"), Value::Null).await.json();
    assert_eq!(listed[0]["access_key_id"], json!(key.id));
    assert_eq!(server.admin(Method::GET, "keys?owner=nobody", Value::Null).await.json(), json!([]));

    let able = |owner, disabled| {
        status(&server, Method::PATCH, &path, json!({ "owner": owner, "disabled": disabled }))
    };
    assert_eq!(able(OTHER, true).await, (409, "foreign".into()));
    assert_eq!(able(OWNER, true).await.0, 200);
    let refused = s3.get_bucket_location().bucket("acme").send().await;
    assert_eq!(refusal(refused), (403, "InvalidAccessKeyId".into()));
    assert_eq!(able(OWNER, false).await.0, 200);
    s3.head_bucket().bucket("acme").send().await.unwrap();

    let body = json!({ "owner": OWNER, "buckets": ["acme"], "secret": "another secret, long enough" });
    assert_eq!(status(&server, Method::PUT, &path, body).await.0, 200);
    let old = s3.get_bucket_location().bucket("acme").send().await;
    assert_eq!(refusal(old), (403, "SignatureDoesNotMatch".into()));
    let body = json!({ "owner": OTHER, "buckets": ["acme"], "secret": "another secret, long enough" });
    assert_eq!(status(&server, Method::PUT, &path, body).await, (409, "foreign".into()));
    assert_eq!(
        status(&server, Method::DELETE, &path, json!({ "owner": OTHER })).await,
        (409, "foreign".into())
    );
    assert_eq!(status(&server, Method::DELETE, &path, json!({ "owner": OWNER })).await.0, 204);
    assert_eq!(
        status(&server, Method::DELETE, &path, json!({ "owner": OWNER })).await,
        (404, "not_found".into())
    );
    let gone = s3.get_bucket_location().bucket("acme").send().await;
    assert_eq!(refusal(gone), (403, "InvalidAccessKeyId".into()));
    for bad in ["short", "..%2f..%2fkeysAAAAAAAA", "lowercaselowercase"] {
        let body = json!({ "owner": OWNER, "buckets": [], "secret": "another secret, long enough" });
        assert_eq!(status(&server, Method::PUT, &format!("keys/{bad}"), body).await, (400, "invalid".into()));
    }
}

#[tokio::test]
async fn no_secret_lies_on_disk_in_the_clear() {
    let server = Server::start().await;
    let key = server.key(&["acme"]).await;
    for file in files(&server.root()) {
        let content = std::fs::read(&file).unwrap();
        for secret in [key.secret.as_bytes(), TOKEN.as_bytes()] {
            assert!(!content.windows(secret.len()).any(|w| w == secret), "{}", file.display());
        }
    }
    for file in files(&server.root()) {
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // A key whose bucket list is changed on disk does not open any more.
    let path = server.root().join(format!("keys/{}.json", key.id));
    let text = std::fs::read_to_string(&path).unwrap().replace("acme", "evil");
    let server = {
        let folder = server.stop().await;
        std::fs::write(&path, text).unwrap();
        Server::start_in(folder).await
    };
    let refused = server.client(&key).get_bucket_location().bucket("evil").send().await;
    assert_eq!(refusal(refused), (403, "InvalidAccessKeyId".into()));
}

#[tokio::test]
async fn a_raised_fence_keeps_the_past_out() {
    let server = Server::start().await;
    let raise = |n: u64| status(&server, Method::PUT, "fences/nexus:0197:0198", json!({ "fence": n }));
    let make = |name: &'static str, n: u64| {
        let path = format!("buckets/{name}");
        let server = &server;
        async move { status(server, Method::PUT, &path, json!({ "owner": OWNER, "fence": n })).await }
    };
    assert_eq!(make("before", 3).await.0, 201);
    assert_eq!(raise(5).await.0, 204);
    assert_eq!(raise(5).await.0, 204);
    assert_eq!(raise(4).await, (412, "fenced".into()));
    assert_eq!(make("late", 4).await, (412, "fenced".into()));
    assert_eq!(make("timely", 5).await.0, 201);
    let id = "A".repeat(20);
    let key = json!({ "owner": OWNER, "buckets": [], "secret": "a secret that is long", "fence": 4 });
    assert_eq!(status(&server, Method::PUT, &format!("keys/{id}"), key).await, (412, "fenced".into()));
    let delete = json!({ "owner": OWNER, "fence": 4, "purge": true });
    assert_eq!(status(&server, Method::DELETE, "buckets/before", delete).await, (412, "fenced".into()));
    assert_eq!(status(&server, Method::PUT, "buckets/others", json!({ "owner": OTHER })).await.0, 201);
    let server = server.restart().await;
    let late = json!({ "owner": OWNER, "fence": 4 });
    assert_eq!(status(&server, Method::PUT, "buckets/late", late).await, (412, "fenced".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_lands_behind_a_fence_that_was_raised() {
    let server = std::sync::Arc::new(Server::start().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40u32 {
        let server = server.clone();
        tasks.spawn(async move {
            let body = json!({ "owner": OWNER, "fence": 1 });
            server.admin(Method::PUT, &format!("buckets/late-{number}"), body).await.status.as_u16()
        });
    }
    assert_eq!(status(&server, Method::PUT, &format!("fences/{OWNER}"), json!({ "fence": 2 })).await.0, 204);
    let there = server.admin(Method::GET, "buckets", Value::Null).await.json().as_array().unwrap().len();
    let mut made = 0;
    while let Some(status) = tasks.join_next().await {
        let status = status.unwrap();
        assert!(matches!(status, 201 | 412), "{status}");
        made += usize::from(status == 201);
    }
    let now = server.admin(Method::GET, "buckets", Value::Null).await.json().as_array().unwrap().len();
    assert_eq!((there, now), (made, made));
}

#[tokio::test]
async fn a_second_server_in_the_same_folder_says_so() {
    let server = Server::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = nexus::infra::object_server::serve(
        listener,
        config(server.root()),
        tokio_util::sync::CancellationToken::new(),
    );
    let error = second.await.unwrap_err();
    assert!(error.to_string().contains("another object server is using"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_among_writers_leaves_nothing() {
    let server = Server::start().await;
    let s3 = server.tenant("acme").await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8u32 {
        let s3 = s3.clone();
        writers.spawn(async move {
            for number in 0.. {
                let put = s3.put_object().bucket("acme").key(format!("{writer}/{number}")).send().await;
                if put.is_err() {
                    assert_eq!(refusal(put), (404, "NoSuchBucket".into()));
                    return;
                }
            }
        });
    }
    while s3.list_objects_v2().bucket("acme").send().await.unwrap().key_count() < Some(50) {}
    let purge = json!({ "owner": OWNER, "purge": true });
    assert_eq!(status(&server, Method::DELETE, "buckets/acme", purge).await.0, 204);
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    for folder in ["buckets", "trash", "tmp"] {
        assert_eq!(std::fs::read_dir(server.root().join(folder)).unwrap().count(), 0, "{folder}");
    }
}
