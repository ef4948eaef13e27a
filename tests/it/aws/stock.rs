//! Deleting a bucket with all that is in it, and the list of what there is.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use nexus::infra::objects::{FoundBucket, FoundKey, ObjectStore, StoreInventory};

use super::{Tenant, as_root};

#[tokio::test]
async fn a_bucket_goes_with_its_objects_versions_and_unfinished_uploads() {
    let Tenant { store, owner, bucket, installation } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    let s3 = as_root();
    let put = |key: &str| s3.put_object().bucket(&bucket).key(key).body(ByteStream::from_static(b"1"));
    put("old").send().await.unwrap();
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    s3.put_bucket_versioning().bucket(&bucket).versioning_configuration(on).send().await.unwrap();
    put("a/ü &+%").send().await.unwrap();
    put("a/ü &+%").send().await.unwrap();
    put("gone").send().await.unwrap();
    s3.delete_object().bucket(&bucket).key("gone").send().await.unwrap();
    for _ in 0..2 {
        s3.create_multipart_upload().bucket(&bucket).key("upload").send().await.unwrap();
    }
    store.purge_bucket(&bucket, &owner).await.unwrap();
    store.purge_bucket(&bucket, &owner).await.unwrap();
    assert!(!store.has_bucket(&bucket, &owner).await.unwrap());
    assert_eq!(store.inventory(&installation).await.unwrap(), StoreInventory::default());
}

#[tokio::test]
async fn a_bucket_with_more_objects_than_one_list_holds_goes() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    let s3 = as_root();
    for number in 0..1005 {
        s3.put_object().bucket(&bucket).key(format!("{number}")).send().await.unwrap();
    }
    store.purge_bucket(&bucket, &owner).await.unwrap();
    assert!(!store.has_bucket(&bucket, &owner).await.unwrap());
}

#[tokio::test]
async fn the_inventory_is_exactly_what_the_installation_has() {
    let one = Tenant::new();
    let other_installation = Tenant::new();
    other_installation
        .store
        .create_bucket(&other_installation.bucket, &other_installation.owner)
        .await
        .unwrap();
    let second = one.other();
    let second_bucket = super::name();
    let store = &one.store;
    store.create_bucket(&one.bucket, &one.owner).await.unwrap();
    store.create_bucket(&second_bucket, &second).await.unwrap();
    let key = store.create_key(&one.bucket, &one.owner).await.unwrap();
    store.set_key_enabled(&key.access_key_id, &one.bucket, &one.owner, false).await.unwrap();
    let found = store.inventory(&one.installation).await.unwrap();
    let bucket = |name: &str, mark: &str| FoundBucket { name: name.to_owned(), mark: mark.to_owned() };
    let mut buckets = vec![bucket(&one.bucket, &one.owner.mark), bucket(&second_bucket, &second.mark)];
    buckets.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found.buckets, buckets);
    let expected = FoundKey {
        access_key_id: key.access_key_id,
        mark: one.owner.mark.clone(),
        buckets: vec![one.bucket.clone()],
        enabled: false,
    };
    assert_eq!(found.keys, [expected]);
}
