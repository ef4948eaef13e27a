//! Making, finding and purging buckets.

use aws_sdk_s3::primitives::ByteStream;
use nexus::infra::objects::{FoundBucket, FoundKey, GarageStore, ObjectError, ObjectStore};
use nexus::kernel::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{admin, client, put, store, store_at, tenant, tenant_of};
use crate::support::garage::{self, REGION};

#[tokio::test]
async fn a_bucket_is_made_once_and_known_as_its_owners() {
    let (it, store) = (tenant(), store());
    assert!(!store.has_bucket(&it.bucket, &it.owner).await.unwrap());
    for _ in 0..2 {
        store.create_bucket(&it.bucket, &it.owner).await.unwrap();
        assert!(store.has_bucket(&it.bucket, &it.owner).await.unwrap());
    }
    assert_eq!(it.there().await, (vec![it.bucket.clone()], vec![]));
}

#[tokio::test]
async fn eight_racing_calls_make_one_bucket() {
    let it = tenant();
    let racing = (0..8).map(|_| {
        let it = it.clone();
        tokio::spawn(async move { store().create_bucket(&it.bucket, &it.owner).await })
    });
    for call in racing.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(it.there().await.0, [it.bucket]);
}

#[tokio::test]
async fn one_tenant_may_have_two_buckets() {
    let it = tenant();
    let second = tenant_of(&Uuid::new_v4()).bucket;
    for bucket in [&it.bucket, &second] {
        store().create_bucket(bucket, &it.owner).await.unwrap();
    }
    store().purge_bucket(&it.bucket, &it.owner).await.unwrap();
    assert_eq!(it.there().await.0, [second]);
}

#[tokio::test]
async fn what_was_not_made_for_the_owner_is_never_touched() {
    let (it, other, store) = (tenant(), tenant(), store());
    // Nobody's, by the cluster's own people.
    admin("CreateBucket", &json!({ "globalAlias": it.bucket }));
    // Another tenant's.
    let key = other.settled().await;
    put(&client(&key), &other.bucket, "k").await;
    for bucket in [&it.bucket, &other.bucket] {
        let foreign = |result: Result<(), ObjectError>| {
            assert!(matches!(result, Err(ObjectError::Foreign { .. })), "{result:?}");
        };
        foreign(store.has_bucket(bucket, &it.owner).await.map(|_| ()));
        foreign(store.create_bucket(bucket, &it.owner).await);
        foreign(store.purge_bucket(bucket, &it.owner).await);
        foreign(store.create_key(bucket, &it.owner).await.map(|_| ()));
        foreign(if bucket == &it.bucket {
            Err(ObjectError::Foreign { what: String::new() })
        } else {
            store.delete_key(&key.access_key_id, &it.owner).await
        });
    }
    assert_eq!(it.there().await, (vec![], vec![]));
    client(&key).get_object().bucket(&other.bucket).key("k").send().await.unwrap();
    let left = admin(&format!("GetBucketInfo?globalAlias={}", it.bucket), &Value::Null);
    assert_eq!(left["globalAliases"], json!([it.bucket]));
}

#[tokio::test]
async fn a_purge_takes_objects_and_unfinished_uploads_along() {
    let it = tenant();
    let key = it.settled().await;
    let s3 = client(&key);
    // More than a page, and keys that XML cannot carry or that mean something in a URL.
    let odd = ["a b+c%20d", "../x", "a//b", "ünï/日本", "q'uo\"te<&>", "ctrl\u{1}\n", "%2e%2e", "a?b#c&d=e"];
    for key in odd {
        put(&s3, &it.bucket, key).await;
    }
    let writes = (0..260).map(|n| {
        let (s3, bucket) = (s3.clone(), it.bucket.clone());
        tokio::spawn(async move { put(&s3, &bucket, &format!("many/{n}")).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    let upload = s3.create_multipart_upload().bucket(&it.bucket).key("begun").send().await.unwrap();
    let part = s3.upload_part().bucket(&it.bucket).key("begun").part_number(1);
    let part = part.upload_id(upload.upload_id().unwrap()).body(ByteStream::from_static(b"part"));
    part.send().await.unwrap();
    let id = admin(&format!("GetBucketInfo?globalAlias={}", it.bucket), &Value::Null)["id"].clone();

    store().purge_bucket(&it.bucket, &it.owner).await.unwrap();
    // The key is the owner's own affair.
    assert_eq!(it.there().await, (vec![], vec![key.access_key_id]));
    assert!(!store().has_bucket(&it.bucket, &it.owner).await.unwrap());
    store().purge_bucket(&it.bucket, &it.owner).await.unwrap();
    // A new bucket of that name is another one, and empty.
    store().create_bucket(&it.bucket, &it.owner).await.unwrap();
    let new = admin(&format!("GetBucketInfo?globalAlias={}", it.bucket), &Value::Null);
    assert_ne!(new["id"], id);
    assert_eq!((&new["objects"], &new["unfinishedUploads"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_purge_ends_while_the_tenant_goes_on_writing() {
    let it = tenant();
    let key = it.settled().await;
    let s3 = client(&key);
    put(&s3, &it.bucket, "first").await;
    let writer = {
        let bucket = it.bucket.clone();
        tokio::spawn(async move {
            let mut n = 0;
            let write = |n: i32| s3.put_object().bucket(&bucket).key(format!("k{n}")).send();
            while write(n).await.is_ok() {
                n += 1;
            }
        })
    };
    store().purge_bucket(&it.bucket, &it.owner).await.unwrap();
    writer.await.unwrap();
    assert_eq!(it.there().await.0, Vec::<String>::new());
}

#[tokio::test]
async fn the_inventory_names_what_one_installation_has_and_no_more() {
    let installation = Uuid::new_v4();
    let (one, two, stranger) = (tenant_of(&installation), tenant_of(&installation), tenant());
    let first = one.settled().await.access_key_id;
    let second = two.settled().await.access_key_id;
    stranger.settled().await;
    let spare = store().create_key(&two.bucket, &two.owner).await.unwrap().access_key_id;
    store().set_key_enabled(&second, &two.bucket, &two.owner, false).await.unwrap();
    // A name that somebody gave a bucket beside its own changes nothing.
    let id = admin(&format!("GetBucketInfo?globalAlias={}", one.bucket), &Value::Null)["id"].clone();
    let nickname = format!("a{}", Uuid::new_v4().simple());
    admin("AddBucketAlias", &json!({ "bucketId": id, "globalAlias": nickname }));

    let found = store().inventory(&one.installation).await.unwrap();
    let mut buckets =
        [&one, &two].map(|it| FoundBucket { name: it.bucket.clone(), mark: it.owner.mark.clone() });
    buckets.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(found.buckets, buckets);
    let key = |id: String, of: &super::Tenant, enabled| FoundKey {
        access_key_id: id,
        mark: of.owner.mark.clone(),
        buckets: vec![of.bucket.clone()],
        enabled,
    };
    let mut keys = [key(first, &one, true), key(second, &two, false), key(spare, &two, true)];
    keys.sort_by(|a, b| a.access_key_id.cmp(&b.access_key_id));
    assert_eq!(found.keys, keys);
}

#[tokio::test]
async fn a_check_tells_what_is_wrong_with_the_credentials() {
    let garage = garage::shared();
    store().check().await.unwrap();
    let refused = |result: Result<(), ObjectError>| match result {
        Err(ObjectError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let of = |token: &str, region: &str| {
        GarageStore::new(
            &garage.s3_endpoint,
            &garage.admin_endpoint,
            region,
            SecretString::from(token.to_owned()),
        )
    };
    assert!(refused(of("not the token", REGION).check().await).contains("token is wrong"));
    let scoped = admin("CreateAdminToken", &json!({ "name": "t", "scope": ["ListBuckets", "ListKeys"] }));
    let reason = refused(of(scoped["secretToken"].as_str().unwrap(), REGION).check().await);
    assert!(reason.contains("may not GetBucketInfo, CreateBucket"), "{reason}");
    let reason = refused(of(&garage.admin_token, "elsewhere").check().await);
    assert!(reason.contains("AuthorizationHeaderMalformed"), "{reason}");
    let nobody = store_at("http://127.0.0.1:9", "http://127.0.0.1:9").check().await;
    assert!(matches!(nobody, Err(ObjectError::Unavailable { .. })));
    let swapped = store_at(&garage.admin_endpoint, &garage.s3_endpoint).check().await;
    assert!(swapped.is_err());
}
