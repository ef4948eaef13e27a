//! Files by a tenant's own key, at a service that speaks AWS's S3.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use nexus::infra::objects::{BucketOpener, Circuit, ObjectStore, PresignedObject};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{Tenant, as_holder};

const CONTENT: &[u8] = b"hello, file";

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_signed_as_declared_and_what_was_uploaded_is_found_and_deleted() {
    let tenant = Tenant::new();
    let Tenant { store, owner, bucket, .. } = &tenant;
    store.create_bucket(bucket, owner).await.unwrap();
    let key = store.create_key(bucket, owner).await.unwrap();
    let opener = BucketOpener::new(store, Arc::new(Circuit::new(store.endpoint())));
    let own = opener.open(bucket, &key);
    assert_eq!(own.find("files/1").await.unwrap(), None);
    let digest = Sha256::digest(CONTENT);
    let object = PresignedObject { size: 11, content_type: "text/plain", sha256: Some(&digest) };
    let put = own.presign_put("files/1", &object, Duration::from_mins(15)).await.unwrap();
    let signed = put.url.expose_secret().to_lowercase();
    let names = signed.split("x-amz-signedheaders=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    for name in ["content-length", "content-type", "host", "if-none-match", "x-amz-checksum-sha256"] {
        assert!(names.split("%3b").any(|signed| signed == name), "{name} is not signed: {names}");
    }
    // This service lets in no presigned request at all; the tenant's app uploads it.
    let app = as_holder(&key).put_object().bucket(bucket).key("files/1").content_type("text/plain");
    app.body(ByteStream::from_static(CONTENT)).send().await.unwrap();
    let found = own.find("files/1").await.unwrap().unwrap();
    assert_eq!((found.size, found.content_type.as_str()), (11, "text/plain"));
    for _ in 0..2 {
        own.delete("files/1").await.unwrap();
    }
    assert_eq!(own.find("files/1").await.unwrap(), None);
    store.purge_bucket(bucket, owner).await.unwrap();
}
