//! Buckets and what is in them, over S3.

use std::borrow::Cow;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Delete, EncodingType, ObjectIdentifier, Tag, Tagging,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::AT_ONCE;
use super::fault::Fault;
use super::users::TAG;
use crate::infra::objects::Owner;

/// S3's first region, which must not be named when a bucket is made (S3 API Reference, CreateBucket).
const FIRST_REGION: &str = "us-east-1";
/// What S3 says of a bucket that is not there.
const MISSING: &[&str] = &["NoSuchBucket"];

/// S3, with the administrator's rights.
pub(super) struct Buckets {
    pub(super) client: aws_sdk_s3::Client,
    pub(super) endpoint: String,
    pub(super) region: String,
    /// Whether the endpoint is AWS's own, which can list one region's buckets.
    pub(super) is_aws: bool,
}

/// Whose a bucket is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// There is no such bucket.
    Absent,
    /// It bears no mark.
    Unmarked,
    /// It bears this mark.
    Of(String),
}

impl Buckets {
    fn fault<E: ProvideErrorMetadata>(&self, action: &'static str) -> impl FnOnce(SdkError<E>) -> Fault {
        move |error| Fault::of(&self.endpoint, action, &error)
    }

    /// Whose a bucket is, by its tags.
    pub(super) async fn whose(&self, bucket: &str) -> Result<Whose, Fault> {
        let sent = self.client.get_bucket_tagging().bucket(bucket).send().await;
        match sent.map_err(self.fault("s3:GetBucketTagging")) {
            Ok(answer) => {
                let mark = answer.tag_set.into_iter().find(|tag| tag.key == TAG);
                Ok(mark.map_or(Whose::Unmarked, |tag| Whose::Of(tag.value)))
            }
            Err(fault) if fault.is(&["NoSuchTagSet"]) => Ok(Whose::Unmarked),
            Err(fault) if fault.is(MISSING) => Ok(Whose::Absent),
            Err(fault) => Err(fault),
        }
    }

    fn tag(&self, action: &'static str, owner: &Owner) -> Result<Tag, Fault> {
        let tag = Tag::builder().key(TAG).value(&owner.mark).build();
        tag.map_err(|_| Fault::nonsense(&self.endpoint, action, "a tag"))
    }

    /// Makes a bucket, with its mark where the service can; one that is there already is left as
    /// it is. `false` when the name is another account's.
    pub(super) async fn create(&self, bucket: &str, owner: &Owner) -> Result<bool, Fault> {
        let action = "s3:CreateBucket";
        let region =
            (self.region != FIRST_REGION).then(|| BucketLocationConstraint::from(self.region.as_str()));
        let configuration = CreateBucketConfiguration::builder()
            .set_location_constraint(region)
            .tags(self.tag(action, owner)?)
            .build();
        let request = self.client.create_bucket().bucket(bucket).create_bucket_configuration(configuration);
        match request.send().await.map_err(self.fault(action)) {
            Err(fault) if fault.is(&["BucketAlreadyExists"]) => Ok(false),
            Err(fault) if !fault.is(&["BucketAlreadyOwnedByYou"]) => Err(fault),
            _ => Ok(true),
        }
    }

    /// Marks a bucket that has no tags of its own: the call replaces all of them.
    pub(super) async fn mark(&self, bucket: &str, owner: &Owner) -> Result<(), Fault> {
        let action = "s3:PutBucketTagging";
        let tagging = Tagging::builder().tag_set(self.tag(action, owner)?).build();
        let tagging = tagging.map_err(|_| Fault::nonsense(&self.endpoint, action, "a tag"))?;
        let sent = self.client.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await;
        sent.map(drop).map_err(self.fault(action))
    }

    /// Names of all buckets of the account, in this region where the service can tell, with the
    /// times at which they were made.
    pub(super) async fn all(&self, prefix: Option<&str>) -> Result<Vec<(String, Option<DateTime>)>, Fault> {
        let mut found = Vec::new();
        let request = self
            .client
            .list_buckets()
            .set_prefix(prefix.map(str::to_owned))
            .set_bucket_region(self.is_aws.then(|| self.region.clone()));
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(self.fault("s3:ListAllMyBuckets"))?;
            let listed = page.buckets.into_iter().flatten();
            found.extend(listed.filter_map(|bucket| Some((bucket.name?, bucket.creation_date))));
        }
        Ok(found)
    }

    /// That S3 lets the administrator in.
    pub(super) async fn check(&self) -> Result<(), Fault> {
        let sent = self.client.list_buckets().max_buckets(1).send().await;
        sent.map(drop).map_err(self.fault("s3:ListAllMyBuckets"))
    }

    /// When a bucket was made.
    pub(super) async fn made(&self, bucket: &str) -> Result<Option<DateTime>, Fault> {
        let all = self.all(Some(bucket)).await?;
        Ok(all.into_iter().find(|(name, _)| name == bucket).and_then(|(_, made)| made))
    }

    /// Whether a bucket has no object, no old version of one, and no unfinished upload.
    pub(super) async fn is_empty(&self, bucket: &str) -> Result<bool, Fault> {
        Ok(self.versions(bucket).await?.is_empty() && self.uploads(bucket).await?.is_empty())
    }

    /// Up to 1,000 objects, old versions and delete markers.
    async fn versions(&self, bucket: &str) -> Result<Vec<(String, Option<String>)>, Fault> {
        let action = "s3:ListBucketVersions";
        let request = self.client.list_object_versions().bucket(bucket).encoding_type(EncodingType::Url);
        let page = match request.send().await.map_err(self.fault(action)) {
            Ok(page) => page,
            Err(fault) if fault.is(MISSING) => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        let encoding = page.encoding_type;
        let objects = page.versions.into_iter().flatten().map(|it| (it.key, it.version_id));
        let markers = page.delete_markers.into_iter().flatten().map(|it| (it.key, it.version_id));
        let all =
            objects.chain(markers).map(|(key, version)| Some((decoded(key?, encoding.as_ref())?, version)));
        let all: Option<_> = all.collect();
        all.ok_or_else(|| Fault::nonsense(&self.endpoint, action, "a key"))
    }

    /// Up to 1,000 unfinished uploads: key and upload.
    async fn uploads(&self, bucket: &str) -> Result<Vec<(String, String)>, Fault> {
        let action = "s3:ListBucketMultipartUploads";
        let request = self.client.list_multipart_uploads().bucket(bucket).encoding_type(EncodingType::Url);
        let page = match request.send().await.map_err(self.fault(action)) {
            Ok(page) => page,
            Err(fault) if fault.is(MISSING) => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        let encoding = page.encoding_type;
        let all = page.uploads.into_iter().flatten();
        let all = all.map(|it| Some((decoded(it.key?, encoding.as_ref())?, it.upload_id?)));
        let all: Option<_> = all.collect();
        all.ok_or_else(|| Fault::nonsense(&self.endpoint, action, "a key"))
    }

    /// Deletes all that is in a bucket.
    async fn drain(&self, bucket: &str) -> Result<(), Fault> {
        let action = "s3:AbortMultipartUpload";
        let mut last = Vec::new();
        loop {
            let uploads = self.uploads(bucket).await?;
            if uploads.is_empty() {
                break;
            }
            self.stuck(action, uploads == last)?;
            stream::iter(uploads.clone())
                .map(Ok)
                .try_for_each_concurrent(AT_ONCE, |(key, id)| self.abort(bucket, key, id))
                .await?;
            last = uploads;
        }
        let mut last = Vec::new();
        loop {
            let versions = self.versions(bucket).await?;
            if versions.is_empty() {
                return Ok(());
            }
            self.stuck("s3:DeleteObjectVersion", versions == last)?;
            self.delete_versions(bucket, &versions).await?;
            last = versions;
        }
    }

    /// A service that says "done" and does not do it would keep us busy for ever.
    fn stuck(&self, action: &'static str, is_same: bool) -> Result<(), Fault> {
        if is_same { Err(Fault::within(&self.endpoint, action, "NothingDeleted")) } else { Ok(()) }
    }

    async fn abort(&self, bucket: &str, key: String, id: String) -> Result<(), Fault> {
        let request = self.client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id);
        match request.send().await.map_err(self.fault("s3:AbortMultipartUpload")) {
            Err(fault) if !fault.is(&["NoSuchUpload", "NoSuchBucket"]) => Err(fault),
            _ => Ok(()),
        }
    }

    async fn delete_versions(
        &self,
        bucket: &str,
        versions: &[(String, Option<String>)],
    ) -> Result<(), Fault> {
        let action = "s3:DeleteObjectVersion";
        let lacks = |_| Fault::nonsense(&self.endpoint, action, "a key");
        let mut together = Vec::new();
        for (key, version) in versions {
            let version = version.clone();
            if fits_xml(key) {
                let object = ObjectIdentifier::builder().key(key).set_version_id(version).build();
                together.push(object.map_err(lacks)?);
            } else {
                let request = self.client.delete_object().bucket(bucket).key(key).set_version_id(version);
                request.send().await.map_err(self.fault(action))?;
            }
        }
        if together.is_empty() {
            return Ok(());
        }
        let list = Delete::builder().quiet(true).set_objects(Some(together)).build().map_err(lacks)?;
        let answer = self.client.delete_objects().bucket(bucket).delete(list).send().await;
        let answer = answer.map_err(self.fault(action))?;
        match answer.errors().first() {
            Some(error) => Err(Fault::within(&self.endpoint, action, error.code().unwrap_or("no code"))),
            None => Ok(()),
        }
    }

    /// Deletes a bucket and all that is in it. What is written meanwhile is deleted, too, twice.
    pub(super) async fn purge(&self, bucket: &str) -> Result<(), Fault> {
        let mut tries = 3;
        loop {
            self.drain(bucket).await?;
            let sent = self.client.delete_bucket().bucket(bucket).send().await;
            tries -= 1;
            match sent.map_err(self.fault("s3:DeleteBucket")) {
                Err(fault) if fault.is(&["BucketNotEmpty"]) && tries > 0 => {}
                Err(fault) if !fault.is(MISSING) => return Err(fault),
                _ => return Ok(()),
            }
        }
    }
}

/// A key as it is. Lists are asked to encode keys, because XML 1.0 (section 2.2) cannot carry all
/// of them; a service that did says so. A space is then `+` (S3 API Reference, ListObjectVersions).
fn decoded(key: String, encoding: Option<&EncodingType>) -> Option<String> {
    if encoding != Some(&EncodingType::Url) {
        return Some(key);
    }
    urlencoding::decode(&key.replace('+', " ")).ok().map(Cow::into_owned)
}

/// Whether a list in XML can carry the key as it is.
fn fits_xml(key: &str) -> bool {
    !key.contains(|it| it < ' ' || matches!(it, '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_the_service_says_that_it_wrote_it() {
        let url = Some(&EncodingType::Url);
        assert_eq!(decoded("a+b%2Bc%01%C3%BC/d".to_owned(), url).as_deref(), Some("a b+c\u{1}ü/d"));
        assert_eq!(decoded("a+b%2B".to_owned(), None).as_deref(), Some("a+b%2B"));
        assert_eq!(decoded("%FF".to_owned(), url), None);
    }

    #[test]
    fn keys_that_xml_cannot_carry_are_told_apart() {
        assert!(fits_xml("a/ü &+%<>"));
        assert!(!fits_xml("a\u{1}") && !fits_xml("a\r") && !fits_xml("\u{ffff}"));
    }
}
