//! Signed uploads and downloads by a tenant's own key, at a service that speaks AWS's S3.

use std::sync::Arc;
use std::time::Duration;

use nexus::infra::objects::{BucketOpener, Circuit, FoundObject, ObjectStore, PresignedObject};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::Tenant;
use crate::support::api::send_to;

const CONTENT: &[u8] = b"hello, file";

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_signed_found_as_declared_and_deleted() {
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
    let headers: Vec<String> = put.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let url = put.url.expose_secret().to_owned();
    let sent = tokio::task::spawn_blocking(move || send_to("PUT", &url, &headers, CONTENT)).await.unwrap();
    assert_eq!(sent.status, 200, "{sent:?}");
    let found = own.find("files/1").await.unwrap().unwrap();
    let sha256 = Some(digest.to_vec());
    assert_eq!(found, FoundObject { size: 11, content_type: "text/plain".to_owned(), sha256 });
    let shown = ("attachment; filename=\"a.txt\"", "text/plain");
    let get = own.presign_get("files/1", shown, Duration::from_mins(15)).await.unwrap();
    let url = get.url.expose_secret().to_owned();
    let got = tokio::task::spawn_blocking(move || send_to("GET", &url, &[], &[])).await.unwrap();
    assert_eq!((got.status, got.body.as_bytes()), (200, CONTENT));
    assert_eq!(got.header("content-disposition"), Some("attachment; filename=\"a.txt\""));
    own.delete(&["files/1", "files/2"]).await.unwrap();
    assert_eq!(own.find("files/1").await.unwrap(), None);
    store.purge_bucket(bucket, owner).await.unwrap();
}
