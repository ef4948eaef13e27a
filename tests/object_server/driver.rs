//! The driver of this server, as the rest of Nexus uses it.

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use hyper::Method;
use nexus::infra::objects::{FoundBucket, FoundKey, LocalStore, ObjectError, ObjectStore, Owner};
use nexus::kernel::{ExposeSecret, SecretString};

use crate::support::{Key, REGION, SHORT, Server, TOKEN, refusal};

fn store(server: &Server) -> LocalStore {
    LocalStore::new(&server.endpoint, REGION, SecretString::from(TOKEN))
}

fn owner(name: &str) -> Owner {
    Owner { mark: format!("nexus:0197:{name}"), fence: 1 }
}

async fn bucket_with_key(store: &LocalStore, bucket: &str, owner: &Owner) -> Key {
    store.create_bucket(bucket, owner).await.unwrap();
    let key = store.create_key(bucket, owner).await.unwrap();
    Key { id: key.access_key_id, secret: key.secret.expose_secret().to_owned() }
}

#[tokio::test]
async fn a_key_that_is_off_is_refused_at_once_and_after_a_restart_and_works_when_on_again() {
    let server = Server::start().await;
    let acme = owner("acme");
    let key = bucket_with_key(&store(&server), "acme", &acme).await;
    let s3 = server.client(&key);
    let body = ByteStream::from_static(b"v");
    s3.put_object().bucket("acme").key("k").body(body).send().await.unwrap();

    for _ in 0..2 {
        store(&server).set_key_enabled(&key.id, "acme", &acme, false).await.unwrap();
        let refused = s3.get_object().bucket("acme").key("k").send().await;
        assert_eq!(refusal(refused), (403, "InvalidAccessKeyId".into()));
    }
    let server = server.restart().await;
    let s3 = server.client(&key);
    let refused = s3.get_object().bucket("acme").key("k").send().await;
    assert_eq!(refusal(refused), (403, "InvalidAccessKeyId".into()));

    for _ in 0..2 {
        store(&server).set_key_enabled(&key.id, "acme", &acme, true).await.unwrap();
        s3.get_object().bucket("acme").key("k").send().await.unwrap();
    }
}

#[tokio::test]
async fn a_presigned_url_is_refused_while_its_key_is_off() {
    let server = Server::start().await;
    let acme = owner("acme");
    let key = bucket_with_key(&store(&server), "acme", &acme).await;
    let s3 = server.client(&key);
    s3.put_object().bucket("acme").key("k").send().await.unwrap();
    let config = PresigningConfig::expires_in(SHORT).unwrap();
    let get = s3.get_object().bucket("acme").key("k").presigned(config.clone()).await.unwrap();
    let put = s3.put_object().bucket("acme").key("k").presigned(config).await.unwrap();
    assert_eq!(server.call(Method::GET, get.uri(), &[], "").await.status, 200);

    store(&server).set_key_enabled(&key.id, "acme", &acme, false).await.unwrap();
    assert_eq!(server.call(Method::GET, get.uri(), &[], "").await.status, 403);
    let headers: Vec<_> = put.headers().collect();
    assert_eq!(server.call(Method::PUT, put.uri(), &headers, "x").await.status, 403);
}

#[tokio::test]
async fn a_key_is_turned_off_and_on_by_its_owner_alone_and_not_from_behind_a_fence() {
    let server = Server::start().await;
    let (store, acme) = (store(&server), owner("acme"));
    let key = bucket_with_key(&store, "acme", &acme).await;
    let s3 = server.client(&key);
    let foreign = store.set_key_enabled(&key.id, "acme", &owner("other"), false).await;
    assert!(matches!(foreign, Err(ObjectError::Foreign { .. })), "{foreign:?}");

    let younger = Owner { fence: 2, ..acme.clone() };
    store.fence(&younger).await.unwrap();
    let late = store.set_key_enabled(&key.id, "acme", &acme, false).await;
    assert!(matches!(late, Err(ObjectError::Fenced)), "{late:?}");
    s3.head_bucket().bucket("acme").send().await.unwrap();
    store.set_key_enabled(&key.id, "acme", &younger, false).await.unwrap();
    let refused = s3.list_objects_v2().bucket("acme").send().await;
    assert_eq!(refusal(refused), (403, "InvalidAccessKeyId".into()));
}

#[tokio::test]
async fn a_key_that_is_gone_is_off_and_cannot_be_turned_on() {
    let server = Server::start().await;
    let (store, acme) = (store(&server), owner("acme"));
    let key = bucket_with_key(&store, "acme", &acme).await;
    store.delete_key(&key.id, &acme).await.unwrap();
    store.set_key_enabled(&key.id, "acme", &acme, false).await.unwrap();
    let on = store.set_key_enabled(&key.id, "acme", &acme, true).await;
    assert!(matches!(on, Err(ObjectError::Missing { .. })), "{on:?}");
}

#[tokio::test]
async fn the_inventory_names_what_one_installation_has_and_no_more() {
    let server = Server::start().await;
    let store = store(&server);
    let stranger = Owner { mark: "nexus:0198:acme".to_owned(), fence: 1 };
    let (one, two) = (owner("one"), owner("two"));
    let first = bucket_with_key(&store, "one", &one).await;
    let second = bucket_with_key(&store, "two", &two).await;
    bucket_with_key(&store, "strange", &stranger).await;
    let spare = store.create_key("two", &two).await.unwrap().access_key_id;
    store.set_key_enabled(&second.id, "two", &two, false).await.unwrap();

    let found = store.inventory("nexus:0197:").await.unwrap();
    let bucket = |name: &str| FoundBucket { name: name.to_owned(), mark: owner(name).mark };
    assert_eq!(found.buckets, [bucket("one"), bucket("two")]);
    let key = |id: String, name: &str, enabled| FoundKey {
        access_key_id: id,
        mark: owner(name).mark,
        buckets: vec![name.to_owned()],
        enabled,
    };
    let mut expected =
        vec![key(first.id, "one", true), key(second.id, "two", false), key(spare, "two", true)];
    expected.sort_by(|a, b| a.access_key_id.cmp(&b.access_key_id));
    assert_eq!(found.keys, expected);
    let other = store.inventory("nexus:0198:").await.unwrap();
    assert_eq!((other.buckets.len(), other.keys.len()), (1, 1));
    assert_eq!(other.keys[0].mark, stranger.mark);
}

#[tokio::test]
async fn a_check_tells_a_good_token_from_a_wrong_one_and_from_no_server() {
    let server = Server::start().await;
    store(&server).check().await.unwrap();
    let wrong = LocalStore::new(&server.endpoint, REGION, SecretString::from("another token altogether"));
    assert!(matches!(wrong.check().await, Err(ObjectError::Refused { .. })));
    let nobody = LocalStore::new("http://127.0.0.1:9", REGION, SecretString::from(TOKEN));
    assert!(matches!(nobody.check().await, Err(ObjectError::Unavailable { .. })));
}
