//! One tenant's key at another tenant's bucket.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::{client, put, request, status, tenant};

#[tokio::test]
async fn a_key_is_refused_at_every_other_bucket() {
    let (one, two) = (tenant(), tenant());
    let (key, victim) = (one.settled().await, client(&two.settled().await));
    let (s3, own, theirs) = (client(&key), one.bucket.as_str(), two.bucket.as_str());
    put(&victim, theirs, "secret").await;
    put(&s3, own, "k").await;
    let upload = victim.create_multipart_upload().bucket(theirs).key("begun").send().await.unwrap();
    let upload = upload.upload_id().unwrap();
    let mine = s3.create_multipart_upload().bucket(own).key("mine").send().await.unwrap();
    let source = format!("{theirs}/secret");

    let statuses = [
        ("get", status(s3.get_object().bucket(theirs).key("secret").send().await)),
        ("head", status(s3.head_object().bucket(theirs).key("secret").send().await)),
        ("put", status(s3.put_object().bucket(theirs).key("k").send().await)),
        ("list", status(s3.list_objects_v2().bucket(theirs).send().await)),
        ("list, old", status(s3.list_objects().bucket(theirs).send().await)),
        ("delete", status(s3.delete_object().bucket(theirs).key("secret").send().await)),
        ("copy from", status(s3.copy_object().bucket(own).key("k").copy_source(&source).send().await)),
        (
            "copy to",
            status(s3.copy_object().bucket(theirs).key("k").copy_source(format!("{own}/k")).send().await),
        ),
        ("begin upload", status(s3.create_multipart_upload().bucket(theirs).key("k").send().await)),
        ("uploads", status(s3.list_multipart_uploads().bucket(theirs).send().await)),
        (
            "abort",
            status(s3.abort_multipart_upload().bucket(theirs).key("begun").upload_id(upload).send().await),
        ),
        (
            "part",
            status(
                s3.upload_part().bucket(theirs).key("begun").upload_id(upload).part_number(1).send().await,
            ),
        ),
        (
            "part from",
            status(
                s3.upload_part_copy()
                    .bucket(own)
                    .key("mine")
                    .upload_id(mine.upload_id().unwrap())
                    .part_number(1)
                    .copy_source(&source)
                    .send()
                    .await,
            ),
        ),
        ("delete many", {
            let one = ObjectIdentifier::builder().key("secret").build().unwrap();
            let orders = Delete::builder().objects(one).build().unwrap();
            status(s3.delete_objects().bucket(theirs).delete(orders).send().await)
        }),
        ("make a bucket", status(s3.create_bucket().bucket(tenant().bucket).send().await)),
        ("delete the bucket", status(s3.delete_bucket().bucket(theirs).send().await)),
        ("delete its own bucket", status(s3.delete_bucket().bucket(own).send().await)),
    ];
    for (what, status) in statuses {
        assert_eq!(status, 403, "{what}");
    }
    let config = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let get = s3.get_object().bucket(theirs).key("secret").presigned(config).await.unwrap();
    assert_eq!(request("GET", get.uri(), "").0, 403);
    let dots = s3.get_object().bucket(own).key(format!("../{theirs}/secret")).send().await;
    assert_eq!(status(dots), 404);
    let listed = s3.list_buckets().send().await.unwrap();
    let listed: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert!(listed.contains(&own) && !listed.contains(&theirs), "{listed:?}");
    let got = victim.get_object().bucket(theirs).key("secret").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "content");
}
