//! Listings: buckets of the key, objects of a bucket.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    Bucket, CommonPrefix, ETag, EncodingType, ListBucketsInput, ListBucketsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass, Owner,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Endpoint;
use super::access::Signer;
use super::described::{refuse, timestamp};
use super::errors::s3;
use crate::infra::object_server::blocking::blocking;
use crate::infra::object_server::names::percent_encode;
use crate::infra::object_server::store::index::{Listing, Query};

/// No page is longer ("ListObjectsV2", Amazon S3 API Reference).
const MAX_PAGE: usize = 1000;

/// How names are written in an answer.
pub(super) struct Spelling(bool);

impl Spelling {
    pub(super) fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(_) => Err(s3_error!(InvalidArgument, "the encoding type is url")),
        }
    }

    pub(super) fn spell(&self, name: &str) -> String {
        if self.0 { percent_encode(name) } else { name.to_owned() }
    }
}

impl Endpoint {
    /// The key's own buckets that exist.
    pub(super) fn own_buckets(
        &self,
        req: &S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        refuse!(req.input; continuation_token);
        let Some(Signer(record)) = req.extensions.get() else {
            return Err(s3_error!(AccessDenied));
        };
        let prefix = req.input.prefix.clone().unwrap_or_default();
        let mut buckets: Vec<Bucket> = Vec::new();
        for name in record.buckets.iter().filter(|name| name.starts_with(&prefix)) {
            if let Ok(bucket) = self.state.bucket(name) {
                buckets.push(Bucket {
                    bucket_region: None,
                    creation_date: Some(timestamp(bucket.facts.created_at)),
                    name: Some(name.clone()),
                });
            }
        }
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(owner(&record.owner)),
            prefix: req.input.prefix.clone(),
            ..Default::default()
        }))
    }

    pub(super) async fn list_v2(
        &self,
        input: ListObjectsV2Input,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        refuse!(input; optional_object_attributes, expected_bucket_owner);
        let spelling = Spelling::of(input.encoding_type.as_ref())?;
        let after = match &input.continuation_token {
            Some(token) => from_token(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let limit = limit(input.max_keys)?;
        let (owner_mark, page) = self
            .page(&input.bucket, input.prefix.as_deref(), input.delimiter.as_deref(), after, limit)
            .await?;
        let owner = input.fetch_owner.unwrap_or(false).then(|| owner(&owner_mark));
        let count = page.objects.len() + page.groups.len();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(spelling.spell(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|d| spelling.spell(d)),
            start_after: input.start_after.as_deref().map(|s| spelling.spell(s)),
            max_keys: i32::try_from(limit).ok(),
            key_count: i32::try_from(count).ok(),
            is_truncated: Some(page.next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: page.next.as_deref().map(to_token),
            common_prefixes: Some(groups(&page, &spelling)),
            contents: Some(objects(page, &spelling, owner.as_ref())),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    pub(super) async fn list_v1(&self, input: ListObjectsInput) -> S3Result<S3Response<ListObjectsOutput>> {
        refuse!(input; optional_object_attributes, expected_bucket_owner);
        let spelling = Spelling::of(input.encoding_type.as_ref())?;
        let after = input.marker.clone().unwrap_or_default();
        let limit = limit(input.max_keys)?;
        let (owner_mark, page) = self
            .page(&input.bucket, input.prefix.as_deref(), input.delimiter.as_deref(), after, limit)
            .await?;
        let owner = owner(&owner_mark);
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(spelling.spell(input.prefix.as_deref().unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|d| spelling.spell(d)),
            marker: Some(spelling.spell(input.marker.as_deref().unwrap_or_default())),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.as_deref().map(|next| spelling.spell(next)),
            common_prefixes: Some(groups(&page, &spelling)),
            contents: Some(objects(page, &spelling, Some(&owner))),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn page(
        &self,
        bucket: &str,
        prefix: Option<&str>,
        delimiter: Option<&str>,
        after: String,
        limit: usize,
    ) -> S3Result<(String, Listing)> {
        let bucket = self.state.bucket(bucket).map_err(s3)?;
        let query = Query {
            prefix: prefix.unwrap_or_default().to_owned(),
            delimiter: delimiter.unwrap_or_default().to_owned(),
            after,
            limit,
        };
        let page = blocking(move || bucket.list(&query).map(|page| (bucket.facts.owner.clone(), page)));
        page.await.map_err(s3)
    }
}

fn limit(max_keys: Option<i32>) -> S3Result<usize> {
    let asked = usize::try_from(max_keys.unwrap_or(1000));
    asked.map(|asked| asked.min(MAX_PAGE)).map_err(|_| s3_error!(InvalidArgument, "max-keys is negative"))
}

fn owner(mark: &str) -> Owner {
    Owner { display_name: None, id: Some(mark.to_owned()) }
}

fn groups(page: &Listing, spelling: &Spelling) -> Vec<CommonPrefix> {
    page.groups.iter().map(|group| CommonPrefix { prefix: Some(spelling.spell(group)) }).collect()
}

fn objects(page: Listing, spelling: &Spelling, owner: Option<&Owner>) -> Vec<Object> {
    let tell = |(key, entry): (String, crate::infra::object_server::store::index::Entry)| Object {
        key: Some(spelling.spell(&key)),
        size: i64::try_from(entry.size).ok(),
        e_tag: Some(ETag::Strong(entry.etag)),
        last_modified: Some(timestamp(entry.modified)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        owner: owner.cloned(),
        ..Default::default()
    };
    page.objects.into_iter().map(tell).collect()
}

fn to_token(next: &str) -> String {
    URL_SAFE_NO_PAD.encode(next)
}

fn from_token(token: &str) -> S3Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not one of this endpoint"))
}
