//! What a key can do, and what it cannot.

use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use nexus::infra::objects::{ObjectError, ObjectStore};
use secrecy::ExposeSecret;

use super::{REGION, Tenant, as_holder, as_root, iam, name, store};
use crate::support::moto;
use crate::support::proxy::{Fault, Proxy};

fn status<E: ProvideErrorMetadata>(error: &SdkError<E>) -> u16 {
    error.raw_response().unwrap().status().as_u16()
}

#[tokio::test]
async fn a_tenants_key_reads_writes_lists_and_deletes_in_its_bucket() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    let key = store.create_key(&bucket, &owner).await.unwrap();
    let s3 = as_holder(&key);
    s3.put_object().bucket(&bucket).key("a").body(ByteStream::from_static(b"1")).send().await.unwrap();
    let read = s3.get_object().bucket(&bucket).key("a").send().await.unwrap();
    assert_eq!(read.body.collect().await.unwrap().to_vec(), b"1");
    assert_eq!(s3.list_objects_v2().bucket(&bucket).send().await.unwrap().contents().len(), 1);
    let upload = s3.create_multipart_upload().bucket(&bucket).key("b").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    s3.abort_multipart_upload().bucket(&bucket).key("b").upload_id(id).send().await.unwrap();
    s3.delete_object().bucket(&bucket).key("a").send().await.unwrap();
    assert!(store.has_bucket(&bucket, &owner).await.unwrap());
    assert_eq!(store.keys(&owner).await.unwrap(), [key.access_key_id]);
}

/// The service does not check the source of a copy, so this says nothing of copies.
#[tokio::test]
async fn a_tenants_key_is_refused_at_another_tenants_bucket() {
    let (one, two) = (Tenant::new(), Tenant::new());
    one.store.create_bucket(&one.bucket, &one.owner).await.unwrap();
    two.store.create_bucket(&two.bucket, &two.owner).await.unwrap();
    let s3 = as_holder(&one.store.create_key(&one.bucket, &one.owner).await.unwrap());
    let theirs = &two.bucket;
    let admin = as_root();
    admin.put_object().bucket(theirs).key("a").body(ByteStream::from_static(b"1")).send().await.unwrap();
    let get = s3.get_object().bucket(theirs).key("a").send().await.unwrap_err();
    let put = s3.put_object().bucket(theirs).key("a").send().await.unwrap_err();
    let list = s3.list_objects_v2().bucket(theirs).send().await.unwrap_err();
    let delete = s3.delete_object().bucket(theirs).key("a").send().await.unwrap_err();
    assert_eq!([status(&get), status(&put), status(&list), status(&delete)], [403; 4]);
    let read = admin.get_object().bucket(theirs).key("a").send().await.unwrap();
    assert_eq!(read.body.collect().await.unwrap().to_vec(), b"1");
}

#[tokio::test]
async fn a_tenants_key_neither_deletes_nor_reconfigures_its_bucket() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    let s3 = as_holder(&store.create_key(&bucket, &owner).await.unwrap());
    let delete = s3.delete_bucket().bucket(&bucket).send().await.unwrap_err();
    let policy = s3.put_bucket_policy().bucket(&bucket).policy("{}").send().await.unwrap_err();
    let tags = s3.delete_bucket_tagging().bucket(&bucket).send().await.unwrap_err();
    assert_eq!([status(&delete), status(&policy), status(&tags)], [403; 3]);
    assert!(store.has_bucket(&bucket, &owner).await.unwrap());
}

#[tokio::test]
async fn a_deleted_key_is_refused_and_its_user_is_gone() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    let key = store.create_key(&bucket, &owner).await.unwrap();
    store.delete_key(&key.access_key_id, &owner).await.unwrap();
    store.delete_key(&key.access_key_id, &owner).await.unwrap();
    let list = as_holder(&key).list_objects_v2().bucket(&bucket).send().await.unwrap_err();
    assert_eq!(list.code(), Some("InvalidAccessKeyId"));
    let user = iam().get_user().user_name(&bucket).send().await.unwrap_err();
    assert_eq!(user.code(), Some("NoSuchEntity"));
}

#[tokio::test]
async fn a_key_can_be_replaced_while_the_old_one_works() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    let old = store.create_key(&bucket, &owner).await.unwrap();
    let new = store.create_key(&bucket, &owner).await.unwrap();
    as_holder(&old).list_objects_v2().bucket(&bucket).send().await.unwrap();
    store.delete_key(&old.access_key_id, &owner).await.unwrap();
    as_holder(&new).list_objects_v2().bucket(&bucket).send().await.unwrap();
    assert_eq!(store.keys(&owner).await.unwrap(), [new.access_key_id]);
}

#[tokio::test]
async fn a_third_key_is_refused_with_the_reason() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    store.create_bucket(&bucket, &owner).await.unwrap();
    store.create_key(&bucket, &owner).await.unwrap();
    store.create_key(&bucket, &owner).await.unwrap();
    let error = store.create_key(&bucket, &owner).await.unwrap_err();
    assert!(error.to_string().contains("has two access keys"), "{error}");
    assert_eq!(store.keys(&owner).await.unwrap().len(), 2);
}

/// AWS refuses a new key for some seconds; this service does not, so a proxy does.
#[tokio::test]
async fn a_new_key_is_given_out_when_s3_accepts_it() {
    let proxy = Proxy::before(&moto::shared().endpoint);
    let Tenant { store, owner, bucket, .. } = Tenant::at(&proxy.endpoint, REGION);
    store.create_bucket(&bucket, &owner).await.unwrap();
    proxy.break_requests(&format!("GET /{bucket}/?list-type=2"), Fault::Forbidden);
    let made = store.create_key(&bucket, &owner);
    let settles = async {
        while proxy.met() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy.fix();
    };
    let (key, ()) =
        tokio::time::timeout(Duration::from_mins(1), async { tokio::join!(made, settles) }).await.unwrap();
    as_holder(&key.unwrap()).list_objects_v2().bucket(&bucket).send().await.unwrap();
}

#[tokio::test]
async fn a_key_that_opens_nothing_is_not_left_behind() {
    let Tenant { store, owner, bucket, .. } = Tenant::new();
    let error = store.create_key(&bucket, &owner).await.unwrap_err();
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
    assert!(store.keys(&owner).await.unwrap().is_empty());
    assert!(iam().get_user().user_name(&bucket).send().await.is_err());
}

/// The service keeps the state of a key and accepts one that is turned off all the same, so this
/// shows what IAM is told, not that S3 refuses.
#[tokio::test]
async fn a_key_is_turned_off_and_on_again() {
    let tenant = Tenant::new();
    let Tenant { store, owner, bucket, installation } = &tenant;
    store.create_bucket(bucket, owner).await.unwrap();
    let key = store.create_key(bucket, owner).await.unwrap().access_key_id;
    for enabled in [false, false, true, true] {
        store.set_key_enabled(&key, bucket, owner, enabled).await.unwrap();
        assert_eq!(store.inventory(installation).await.unwrap().keys[0].enabled, enabled);
    }
    store.delete_key(&key, owner).await.unwrap();
    store.set_key_enabled(&key, bucket, owner, false).await.unwrap();
    assert!(store.set_key_enabled(&key, bucket, owner, true).await.is_err());
}

#[tokio::test]
async fn the_first_region_works_as_the_others_do() {
    let Tenant { store, owner, bucket, .. } = Tenant::at(&moto::shared().endpoint, "us-east-1");
    store.create_bucket(&bucket, &owner).await.unwrap();
    store.create_bucket(&bucket, &owner).await.unwrap();
    store.create_key(&bucket, &owner).await.unwrap();
    assert!(store.has_bucket(&bucket, &owner).await.unwrap());
}

#[tokio::test]
async fn the_administrators_key_is_checked_before_it_is_used() {
    let moto = moto::shared();
    Tenant::new().store.check().await.unwrap();
    let wrong_id = store(&moto.endpoint, REGION, "AKIANOBODY", &moto.secret_key);
    let wrong_secret = store(&moto.endpoint, REGION, &moto.access_key_id, "not-the-secret");
    for (store, secret) in [(wrong_id, &*moto.secret_key), (wrong_secret, "not-the-secret")] {
        let error = store.check().await.unwrap_err();
        assert!(matches!(error, ObjectError::Refused { .. }));
        assert!(error.to_string().contains("the administrator's access key is not good"), "{error}");
        assert!(!format!("{error} {error:?}").contains(secret));
        assert!(store.create_bucket(&name(), &Tenant::new().owner).await.is_err());
    }
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let moto = moto::shared();
    let Tenant { store: admin, owner, bucket, .. } = Tenant::new();
    admin.create_bucket(&bucket, &owner).await.unwrap();
    let key = admin.create_key(&bucket, &owner).await.unwrap();
    let tenant = store(&moto.endpoint, REGION, &key.access_key_id, key.secret.expose_secret());
    let error = tenant.create_bucket(&name(), &owner).await.unwrap_err();
    assert!(error.to_string().contains("s3:GetBucketTagging: AccessDenied"), "{error}");
}
