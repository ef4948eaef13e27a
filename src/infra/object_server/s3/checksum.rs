//! What a client says its body's hashes are, in headers or after the body, and the proof of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use s3s::{S3Result, TrailingHeaders, s3_error};

use crate::infra::object_server::store::StoreError;
use crate::infra::object_server::store::object::{Algorithm, Checksums};
use crate::infra::object_server::store::receive::{Digested, Digests};

const PREFIX: &str = "x-amz-checksum-";

/// What the body's hashes must be.
#[derive(Debug, Default)]
pub(super) struct Expected {
    md5: Option<Vec<u8>>,
    /// Known before the body.
    stated: Checksums,
    /// Told after the body.
    trailing: Vec<Algorithm>,
    trailers: Option<TrailingHeaders>,
    /// To be computed and kept, though the client does not say what it is.
    wanted: Vec<Algorithm>,
}

/// Takes the checksums out of any input that has them.
macro_rules! stated {
    ($input:expr) => {
        $crate::infra::object_server::store::object::Checksums {
            crc32: $input.checksum_crc32.take(),
            crc32c: $input.checksum_crc32c.take(),
            crc64nvme: $input.checksum_crc64nvme.take(),
            sha1: $input.checksum_sha1.take(),
            sha256: $input.checksum_sha256.take(),
            composite: false,
        }
    };
}

/// Puts checksums into any output that has fields for them.
macro_rules! tell {
    ($output:expr, $checksums:expr) => {
        $output.checksum_crc32 = $checksums.crc32.clone();
        $output.checksum_crc32c = $checksums.crc32c.clone();
        $output.checksum_crc64nvme = $checksums.crc64nvme.clone();
        $output.checksum_sha1 = $checksums.sha1.clone();
        $output.checksum_sha256 = $checksums.sha256.clone();
    };
}

pub(super) use {stated, tell};

impl Expected {
    /// Gathers what a request says.
    pub(super) fn new(
        content_md5: Option<&str>,
        stated: Checksums,
        algorithm: Option<Algorithm>,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Self> {
        let md5 = content_md5
            .map(|text| STANDARD.decode(text).ok().filter(|md5| md5.len() == 16))
            .map(|md5| md5.ok_or_else(|| s3_error!(InvalidDigest)))
            .transpose()?;
        let announced = headers.get_all("x-amz-trailer").iter().filter_map(|v| v.to_str().ok());
        let trailing = announced
            .flat_map(|value| value.split(','))
            .filter_map(|name| {
                let name = name.trim().to_ascii_lowercase();
                Algorithm::parse(name.strip_prefix(PREFIX)?)
            })
            .collect();
        Ok(Self { md5, stated, trailing, trailers, wanted: algorithm.into_iter().collect() })
    }

    /// Also computes and keeps this one.
    pub(super) fn also(mut self, algorithm: Option<Algorithm>) -> Self {
        self.wanted.extend(algorithm);
        self
    }

    /// The hashes that the body must grow.
    pub(super) fn digests(&self) -> Digests {
        let mut algorithms = self.stated.algorithms();
        algorithms.extend(self.trailing.iter().chain(&self.wanted).copied());
        Digests::new(&algorithms)
    }

    /// Compares with what the body's hashes are.
    pub(super) fn verify(&self, digested: &Digested) -> Result<(), StoreError> {
        if self.md5.as_ref().is_some_and(|md5| *md5 != digested.md5) {
            return Err(StoreError::BadDigest("Content-MD5"));
        }
        for algorithm in self.stated.algorithms() {
            agree(algorithm, self.stated.get(algorithm), &digested.checksums)?;
        }
        for algorithm in &self.trailing {
            let name = format!("{PREFIX}{}", algorithm.name().to_ascii_lowercase());
            let told = self.trailers.as_ref().and_then(|trailers| {
                trailers.read(|map| map.get(&name).and_then(|v| v.to_str().ok()).map(str::to_owned)).flatten()
            });
            agree(*algorithm, told.as_deref(), &digested.checksums)?;
        }
        Ok(())
    }
}

/// Whether a checksum that a client states is the one that was computed.
pub(super) fn agree(
    algorithm: Algorithm,
    told: Option<&str>,
    computed: &Checksums,
) -> Result<(), StoreError> {
    match told {
        Some(told) if computed.get(algorithm) == Some(told) => Ok(()),
        _ => Err(StoreError::BadDigest(algorithm.name())),
    }
}
