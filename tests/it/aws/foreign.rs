//! What Nexus did not make is left as it is.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use nexus::infra::objects::{ObjectError, ObjectStore};

use super::{REGION, Tenant, as_root, iam};

async fn make_bucket(bucket: &str) {
    let region = BucketLocationConstraint::from(REGION);
    let there = CreateBucketConfiguration::builder().location_constraint(region).build();
    let s3 = as_root();
    s3.create_bucket().bucket(bucket).create_bucket_configuration(there).send().await.unwrap();
}

fn is_foreign<T>(answer: &Result<T, ObjectError>) -> bool {
    matches!(answer, Err(ObjectError::Foreign { .. }))
}

#[tokio::test]
async fn a_bucket_without_a_mark_is_neither_taken_nor_purged() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    make_bucket(&bucket).await;
    assert!(is_foreign(&store.has_bucket(&bucket, &owner).await));
    assert!(is_foreign(&store.create_bucket(&bucket, &owner).await));
    assert!(is_foreign(&store.purge_bucket(&bucket, &owner).await));
    let tags = as_root().get_bucket_tagging().bucket(&bucket).send().await;
    assert!(tags.is_err(), "it was marked");
}

#[tokio::test]
async fn a_bucket_without_a_mark_that_holds_something_is_foreign_even_beside_our_user() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    let s3 = as_root();
    s3.put_object().bucket(&bucket).key("a").body(ByteStream::from_static(b"1")).send().await.unwrap();
    s3.delete_bucket_tagging().bucket(&bucket).send().await.unwrap();
    assert!(is_foreign(&store.create_bucket(&bucket, &owner).await));
    assert!(is_foreign(&store.purge_bucket(&bucket, &owner).await));
    s3.get_object().bucket(&bucket).key("a").send().await.unwrap();
}

#[tokio::test]
async fn another_owners_bucket_is_neither_taken_nor_purged() {
    let tenant = Tenant::new();
    let Tenant { store, owner, bucket, .. } = &tenant;
    store.create_bucket(bucket, owner).await.unwrap();
    let other = tenant.other();
    assert!(is_foreign(&store.has_bucket(bucket, &other).await));
    assert!(is_foreign(&store.create_bucket(bucket, &other).await));
    assert!(is_foreign(&store.purge_bucket(bucket, &other).await));
    assert!(store.has_bucket(bucket, owner).await.unwrap());
}

#[tokio::test]
async fn a_user_that_somebody_else_made_is_left_as_it_is() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    iam().create_user().user_name(&bucket).send().await.unwrap();
    let theirs = iam().create_access_key().user_name(&bucket).send().await.unwrap().access_key.unwrap();
    assert!(is_foreign(&store.create_bucket(&bucket, &owner).await));
    assert!(is_foreign(&store.create_key(&bucket, &owner).await));
    assert!(is_foreign(&store.set_key_enabled(&theirs.access_key_id, &bucket, &owner, false).await));
    assert!(is_foreign(&store.delete_key(&theirs.access_key_id, &owner).await));
    store.purge_bucket(&bucket, &owner).await.unwrap();
    let keys = iam().list_access_keys().user_name(&bucket).send().await.unwrap();
    assert_eq!(keys.access_key_metadata().len(), 1);
    assert!(iam().list_user_policies().user_name(&bucket).send().await.unwrap().policy_names().is_empty());
}

#[tokio::test]
async fn a_user_below_our_path_without_our_tag_is_not_ours() {
    let Tenant { store, owner, bucket, installation } = Tenant::new();
    let path = format!("/{}/", owner.mark.replace(':', "/"));
    iam().create_user().user_name(&bucket).path(path).send().await.unwrap();
    iam().create_access_key().user_name(&bucket).send().await.unwrap();
    assert!(store.keys(&owner).await.unwrap().is_empty());
    assert!(store.inventory(&installation).await.unwrap().keys.is_empty());
    assert!(is_foreign(&store.create_key(&bucket, &owner).await));
}

#[tokio::test]
async fn another_owners_key_is_not_deleted() {
    let tenant = Tenant::new();
    let Tenant { store, owner, bucket, .. } = &tenant;
    store.create_bucket(bucket, owner).await.unwrap();
    let key = store.create_key(bucket, owner).await.unwrap();
    let other = tenant.other();
    assert!(is_foreign(&store.delete_key(&key.access_key_id, &other).await));
    assert!(is_foreign(&store.create_key(bucket, &other).await));
    assert_eq!(store.keys(owner).await.unwrap(), [key.access_key_id]);
}
