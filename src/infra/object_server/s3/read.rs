//! Reading objects: whole, in part, or only what is known of them.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hyper::HeaderMap;
use hyper::header::{CONTENT_RANGE, ETAG, HeaderName, HeaderValue};
use s3s::dto::{
    ChecksumMode, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range,
    StreamingBlob,
};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Error, S3Request, S3Response, S3Result, StdError, s3_error};
use tokio::io::{AsyncReadExt, Take};
use tokio_util::io::ReaderStream;

use super::Endpoint;
use super::checksum::tell;
use super::described::{check_key, check_version, etag_match, refuse, seconds, timestamp};
use super::errors::s3;
use super::lenient::Asked;
use crate::infra::object_server::blocking::blocking;
use crate::infra::object_server::store::bucket::OpenObject;
use crate::infra::object_server::store::condition::{ReadConditions, Verdict};
use crate::infra::object_server::store::failed;
use crate::infra::object_server::store::object::ObjectHeader;

/// Bytes that are read from the disk at a time.
const CHUNK: usize = 256 << 10;

/// The four conditions of a read, out of any input that has them.
macro_rules! conditions {
    ($input:expr) => {
        ReadConditions {
            if_match: $input.if_match.take().map(etag_match),
            if_none_match: $input.if_none_match.take().map(etag_match),
            if_modified_since: $input.if_modified_since.take().map(seconds),
            if_unmodified_since: $input.if_unmodified_since.take().map(seconds),
        }
    };
}

/// The conditions of a read and its range, out of an input, or as they were found beside it.
macro_rules! asked {
    ($extensions:expr, $input:expr, $header:expr) => {
        match $extensions.get::<Asked>() {
            Some(asked) => (asked.conditions.clone(), asked.range_of(&$header)),
            None => (conditions!($input), $input.range.take()),
        }
    };
}

/// What both GET and HEAD tell of an object.
macro_rules! output {
    ($kind:ident, $header:expr, $span:expr, $mode:expr) => {{
        let (header, span): (&ObjectHeader, &Span) = (&$header, &$span);
        let described = header.described.clone();
        let mut output = $kind {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: described.cache_control,
            content_disposition: described.content_disposition,
            content_encoding: described.content_encoding,
            content_language: described.content_language,
            content_length: i64::try_from(span.length).ok(),
            content_range: span
                .partial
                .then(|| format!("bytes {}-{}/{}", span.start, span.start + span.length - 1, header.size)),
            content_type: Some(described.content_type.unwrap_or_else(|| "binary/octet-stream".to_owned())),
            e_tag: Some(ETag::Strong(header.etag.clone())),
            expires: described.expires.map(timestamp),
            last_modified: Some(timestamp(header.modified)),
            metadata: Some(described.metadata.into_iter().collect()),
            ..Default::default()
        };
        // A checksum is of the whole, so it is of no use with a part.
        let asked = $mode.as_ref().is_some_and(|m: &ChecksumMode| m.as_str() == "ENABLED");
        if asked && !span.partial && !header.checksums.algorithms().is_empty() {
            tell!(output, header.checksums);
            output.checksum_type = Some(super::checksum_type(header.checksums.composite));
        }
        output
    }};
}

/// Which bytes are sent.
struct Span {
    start: u64,
    length: u64,
    partial: bool,
}

impl Endpoint {
    pub(super) async fn get(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let mut input = req.input;
        check_version(input.version_id.as_deref())?;
        refuse!(input; part_number, sse_customer_algorithm, sse_customer_key, expected_bucket_owner);
        let open = self.open(&input.bucket, input.key).await?;
        let (conditions, range) = asked!(req.extensions, input, open.header);
        let span = plan(&open.header, &conditions, range)?;
        let mut output = output!(GetObjectOutput, open.header, span, input.checksum_mode);
        output.body = Some(body(open, &span).await?);
        Ok(S3Response::new(output))
    }

    pub(super) async fn head(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let mut input = req.input;
        check_version(input.version_id.as_deref())?;
        refuse!(input; part_number, sse_customer_algorithm, sse_customer_key, expected_bucket_owner);
        let open = self.open(&input.bucket, input.key).await?;
        let (conditions, range) = asked!(req.extensions, input, open.header);
        let span = plan(&open.header, &conditions, range)?;
        let output = output!(HeadObjectOutput, open.header, span, input.checksum_mode);
        let status = span.partial.then_some(hyper::StatusCode::PARTIAL_CONTENT);
        Ok(S3Response { status, ..S3Response::new(output) })
    }

    pub(super) async fn open(&self, bucket: &str, key: String) -> S3Result<OpenObject> {
        check_key(&key)?;
        let bucket = self.state.bucket(bucket).map_err(s3)?;
        blocking(move || bucket.open(&key)).await.map_err(s3)
    }
}

fn plan(header: &ObjectHeader, conditions: &ReadConditions, range: Option<Range>) -> S3Result<Span> {
    match conditions.judge(&header.etag, header.modified) {
        Verdict::Read => {}
        Verdict::Failed => return Err(s3_error!(PreconditionFailed)),
        Verdict::NotModified => {
            let etag = format!("\"{}\"", header.etag);
            return Err(with_header(s3_error!(NotModified), ETAG, &etag));
        }
    }
    let Some(range) = range else {
        return Ok(Span { start: 0, length: header.size, partial: false });
    };
    // A suffix of nothing is as unsatisfiable as a start behind the end.
    match range.check(header.size) {
        Ok(span) if span.start < span.end => {
            Ok(Span { start: span.start, length: span.end - span.start, partial: true })
        }
        _ => Err(with_header(s3_error!(InvalidRange), CONTENT_RANGE, &format!("bytes */{}", header.size))),
    }
}

fn with_header(mut error: S3Error, name: HeaderName, value: &str) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
    error.set_headers(headers);
    error
}

async fn body(open: OpenObject, span: &Span) -> S3Result<StreamingBlob> {
    let (start, length) = (open.body_offset + span.start, span.length);
    let file = blocking(move || {
        let mut file: File = open.file;
        file.seek(SeekFrom::Start(start)).map_err(failed("seek", std::path::Path::new("object")))?;
        Ok(file)
    })
    .await
    .map_err(s3)?;
    let reader = tokio::fs::File::from_std(file).take(length);
    let left = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(StreamingBlob::new(FileBody { inner: ReaderStream::with_capacity(reader, CHUNK), left }))
}

/// A stretch of a file, sent piece by piece.
struct FileBody {
    inner: ReaderStream<Take<tokio::fs::File>>,
    left: usize,
}

impl Stream for FileBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.inner).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.left = self.left.saturating_sub(bytes.len());
        }
        next.map_err(Into::into)
    }
}

impl ByteStream for FileBody {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.left)
    }
}
