//! A bound on the chunks of an `aws-chunked` body. The S3 library gathers each chunk before it
//! passes it on, because a chunk's signature covers the whole of it; without a bound a client could
//! make the server hold gigabytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{HeaderMap, Request};
use s3s::StdError;

/// Largest chunk. The SDKs send 64 KiB to 1 MiB; some send a small body as a single one.
const MAX_CHUNK: u64 = 64 << 20;

/// Puts the guard in front of a body that comes in chunks.
pub(crate) fn guard(request: Request<Incoming>) -> Request<s3s::Body> {
    if is_chunked(request.headers()) {
        request.map(|inner| s3s::Body::http_body_unsync(Guarded { inner, place: Position::SIZE }))
    } else {
        request.map(s3s::Body::from)
    }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let hash = headers.get("x-amz-content-sha256").map(hyper::header::HeaderValue::as_bytes);
    hash.is_some_and(|hash| hash.starts_with(b"STREAMING-"))
}

/// Where in the framing `<hex size>[;extension]\r\n<data>\r\n` the next byte is.
#[derive(Debug, Clone, Copy)]
enum Position {
    /// In the size, which is so much up to here.
    Size(u64),
    /// Behind the size, in its line.
    Extension(u64),
    /// So many bytes are left, the line's end behind the data among them.
    Data(u64),
    /// Behind the last chunk.
    Trailer,
}

impl Position {
    const SIZE: Self = Self::Size(0);

    /// Goes over bytes; `None` when a chunk is too large.
    fn pass(mut self, mut bytes: &[u8]) -> Option<Self> {
        while let Some((first, rest)) = bytes.split_first() {
            (self, bytes) = match self {
                Self::Trailer => return Some(self),
                Self::Data(left) => {
                    let step = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let left = left - step as u64;
                    (if left == 0 { Self::SIZE } else { Self::Data(left) }, &bytes[step..])
                }
                Self::Size(size) => match char::from(*first).to_digit(16) {
                    Some(digit) => {
                        let size = size * 16 + u64::from(digit);
                        if size > MAX_CHUNK {
                            return None;
                        }
                        (Self::Size(size), rest)
                    }
                    None => (Self::Extension(size), rest),
                },
                Self::Extension(size) if *first != b'\n' => (Self::Extension(size), rest),
                Self::Extension(0) => (Self::Trailer, rest),
                Self::Extension(size) => (Self::Data(size + 2), rest),
            };
        }
        Some(self)
    }
}

struct Guarded {
    inner: Incoming,
    place: Position,
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            match self.place.pass(data) {
                Some(place) => self.place = place,
                None => return Poll::Ready(Some(Err("a chunk of the body is too large".into()))),
            }
        }
        polled.map_err(Into::into)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(body: &[u8], piece: usize) -> bool {
        body.chunks(piece).try_fold(Position::SIZE, Position::pass).is_some()
    }

    #[test]
    fn only_a_chunk_that_is_too_large_is_refused_however_it_is_cut() {
        // The data looks like an absurd size; only its place tells that it is none.
        let fine =
            b"a;chunk-signature=0\r\nffffffffff\r\n4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:ffffffffff\r\n\r\n";
        let large = b"4\r\nabcd\r\nfffffffff;chunk-signature=0\r\nab";
        for piece in 1..=fine.len() {
            assert!(passes(fine, piece), "{piece}");
            assert!(!passes(large, piece), "{piece}");
        }
    }
}
