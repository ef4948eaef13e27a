//! Making, turning off and on, and deleting keys.

use std::time::{Duration, Instant};

use aws_sdk_s3::presigning::PresigningConfig;
use nexus::infra::objects::{ObjectError, ObjectStore};

use super::{client, put, request, status, store, tenant};

#[tokio::test]
async fn a_key_reads_writes_lists_and_deletes_in_its_bucket() {
    let it = tenant();
    let key = it.settled().await;
    let s3 = client(&key);
    put(&s3, &it.bucket, "k").await;
    let got = s3.get_object().bucket(&it.bucket).key("k").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "content");
    let listed = s3.list_objects_v2().bucket(&it.bucket).send().await.unwrap();
    assert_eq!(listed.contents().len(), 1);
    s3.delete_object().bucket(&it.bucket).key("k").send().await.unwrap();
    assert_eq!(store().keys(&it.owner).await.unwrap(), [key.access_key_id]);
}

#[tokio::test]
async fn a_key_that_is_off_is_refused_within_two_seconds_and_works_when_on_again() {
    let it = tenant();
    let key = it.settled().await;
    let s3 = client(&key);
    put(&s3, &it.bucket, "k").await;
    for _ in 0..2 {
        store().set_key_enabled(&key.access_key_id, &it.bucket, &it.owner, false).await.unwrap();
    }
    let begun = Instant::now();
    while s3.get_object().bucket(&it.bucket).key("k").send().await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(status(s3.list_objects_v2().bucket(&it.bucket).send().await), 403);
    assert_eq!(status(s3.put_object().bucket(&it.bucket).key("k").send().await), 403);
    assert_eq!(status(s3.list_buckets().send().await), 403);
    for _ in 0..2 {
        store().set_key_enabled(&key.access_key_id, &it.bucket, &it.owner, true).await.unwrap();
    }
    s3.get_object().bucket(&it.bucket).key("k").send().await.unwrap();
}

#[tokio::test]
async fn a_presigned_url_is_refused_while_its_key_is_off() {
    let it = tenant();
    let key = it.settled().await;
    let s3 = client(&key);
    put(&s3, &it.bucket, "k").await;
    let config = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let get = s3.get_object().bucket(&it.bucket).key("k").presigned(config).await.unwrap();
    assert_eq!(request("GET", get.uri(), "").0, 200);
    store().set_key_enabled(&key.access_key_id, &it.bucket, &it.owner, false).await.unwrap();
    assert_eq!(request("GET", get.uri(), "").0, 403);
}

#[tokio::test]
async fn a_deleted_key_is_refused_and_cannot_be_turned_on() {
    let it = tenant();
    let key = it.settled().await;
    for _ in 0..2 {
        store().delete_key(&key.access_key_id, &it.owner).await.unwrap();
    }
    assert_eq!(status(client(&key).list_objects_v2().bucket(&it.bucket).send().await), 403);
    assert!(store().keys(&it.owner).await.unwrap().is_empty());
    store().set_key_enabled(&key.access_key_id, &it.bucket, &it.owner, false).await.unwrap();
    let on = store().set_key_enabled(&key.access_key_id, &it.bucket, &it.owner, true).await;
    assert!(matches!(on, Err(ObjectError::Missing { .. })), "{on:?}");
}

#[tokio::test]
async fn another_owners_key_is_neither_turned_off_nor_deleted() {
    let (it, other) = (tenant(), tenant());
    let key = other.settled().await;
    let off = store().set_key_enabled(&key.access_key_id, &other.bucket, &it.owner, false).await;
    assert!(matches!(off, Err(ObjectError::Foreign { .. })), "{off:?}");
    let deleted = store().delete_key(&key.access_key_id, &it.owner).await;
    assert!(matches!(deleted, Err(ObjectError::Foreign { .. })), "{deleted:?}");
    put(&client(&key), &other.bucket, "k").await;
}

#[tokio::test]
async fn a_key_for_a_bucket_that_is_not_there_is_not_made() {
    let it = tenant();
    let made = store().create_key(&it.bucket, &it.owner).await;
    assert!(matches!(made, Err(ObjectError::Missing { .. })));
    assert!(store().keys(&it.owner).await.unwrap().is_empty());
}
