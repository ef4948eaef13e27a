//! The master key: wraps data keys. On this machine as a file or a resolved reference; behind the
//! trait there is room for a key that never leaves a key service.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use serde::Serialize;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::aead::{self, KEY_LEN, SealError};
use super::random::{self, RandomError};
use super::seal::length_prefixed;
use crate::infra::private_file::{self, PrivateFileError};
use crate::kernel::{Failure, shell};

/// How the one line of a master key begins.
const TEXT_PREFIX: &str = "nexus-master-key-v1:";
/// The version of a wrapped key that is written.
const WRAPPED_VERSION: u8 = 1;
/// Bytes of a local key's fingerprint.
const FINGERPRINT_LEN: usize = 8;
/// Characters of base64url for 32 bytes.
const TEXT_LEN: usize = 43;

/// Which master key, safe to print: a fingerprint of a local key, or a key service's own name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MasterKeyId(String);

impl MasterKeyId {
    /// An id as it was recorded.
    #[must_use]
    pub fn from_recorded(text: String) -> Self {
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Wraps and unwraps data keys. What it gives is opaque to the caller.
#[async_trait]
pub trait MasterKey: fmt::Debug + Send + Sync {
    /// Which key this is.
    fn id(&self) -> &MasterKeyId;

    /// Wraps a data key; it unwraps only with the same `aad`.
    ///
    /// # Errors
    /// [`MasterKeyError`] when the key cannot be used.
    async fn wrap(&self, data_key: &[u8; KEY_LEN], aad: &[u8]) -> Result<Vec<u8>, MasterKeyError>;

    /// Unwraps a data key.
    ///
    /// # Errors
    /// [`MasterKeyError::OtherKey`] when another master key wrapped it,
    /// [`MasterKeyError::Damaged`] when it or `aad` was changed.
    async fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<SecretBox<[u8; KEY_LEN]>, MasterKeyError>;

    /// A key for one purpose, which tells nothing of this one.
    fn derive(&self, purpose: &str) -> SecretBox<[u8; KEY_LEN]>;
}

/// Why a master key cannot be had, or did not unwrap.
#[derive(Debug, thiserror::Error, Failure)]
pub enum MasterKeyError {
    /// The key file does not exist.
    #[error("the master key file {} does not exist", .0.display())]
    #[failure(Integrity, "master_key_missing")]
    #[hint("on a new installation" => PlatformAction::SetUp)]
    #[hint("otherwise put the file back from where it is kept safe; no secret opens without it")]
    Missing(PathBuf),
    /// The key file cannot be read, may be read by others, or exists already.
    #[error("the master key: {0}")]
    #[failure(if matches!(_0, PrivateFileError::Exists(_)), Conflict, "master_key_exists")]
    #[failure(if matches!(_0, PrivateFileError::Open { .. }), Integrity, "master_key_open")]
    #[failure(Integrity, "master_key_unreadable")]
    #[hint(if let PrivateFileError::Open { path, .. } = _0, "chmod 600 {}", shell::path(path))]
    File(#[from] PrivateFileError),
    /// The text is not a master key.
    #[error(
        "{from} does not hold a master key: one line is expected, '{TEXT_PREFIX}' and {TEXT_LEN} characters of base64url"
    )]
    #[failure(Integrity, "master_key_malformed")]
    Text {
        /// Where the text came from: a path, or the name of a reference.
        from: String,
    },
    /// Another master key wrapped it.
    #[error("master key {needed} is needed, but {given} was given")]
    #[failure(Integrity, "master_key_mismatch")]
    #[hint(PlatformAction::ShowMasterKey)]
    #[hint(PlatformAction::ShowSettings)]
    #[details(needed, given)]
    OtherKey { needed: MasterKeyId, given: MasterKeyId },
    /// A wrapped data key was changed, or belongs elsewhere.
    #[error("a data key wrapped by master key {0} was changed, or belongs elsewhere")]
    #[failure(Integrity, "data_key_damaged")]
    Damaged(MasterKeyId),
    /// No random bytes for a master key.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// A key service does not answer.
    #[error("master key {id} cannot be reached: {reason}")]
    #[failure(Unavailable, "master_key_unavailable")]
    Unavailable { id: MasterKeyId, reason: String },
}

/// A master key that this process holds: 256 bits, used through two derived values, the wrapping
/// key and the fingerprint.
pub struct LocalMasterKey {
    id: MasterKeyId,
    fingerprint: [u8; FINGERPRINT_LEN],
    key: SecretBox<[u8; KEY_LEN]>,
    wrapping: SecretBox<[u8; KEY_LEN]>,
}

impl LocalMasterKey {
    /// Of the key's 32 bytes.
    #[must_use]
    pub fn from_bytes(key: SecretBox<[u8; KEY_LEN]>) -> Self {
        let mut fingerprint = [0; FINGERPRINT_LEN];
        let derived = expand(key.expose_secret(), b"nexus master key v1 fingerprint");
        fingerprint.copy_from_slice(&derived.expose_secret()[..FINGERPRINT_LEN]);
        let wrapping = expand(key.expose_secret(), b"nexus master key v1 wrap");
        Self { id: local_id(fingerprint), fingerprint, key, wrapping }
    }

    /// Of a resolved reference: an environment variable's value, a command's output. `from` names
    /// the reference in errors.
    ///
    /// # Errors
    /// [`MasterKeyError::Text`] when it is not one line of the right form.
    pub fn from_text(text: &SecretString, from: &str) -> Result<Self, MasterKeyError> {
        parse(text.expose_secret().as_bytes()).ok_or_else(|| MasterKeyError::Text { from: from.to_owned() })
    }

    /// Of a key file: an ordinary file that only its owner may read.
    ///
    /// # Errors
    /// [`MasterKeyError::Missing`], [`MasterKeyError::File`] when others may read it or it is a
    /// symbolic link, [`MasterKeyError::Text`].
    pub fn from_file(path: &Path) -> Result<Self, MasterKeyError> {
        let content = match private_file::read(path) {
            Err(PrivateFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(MasterKeyError::Missing(path.to_owned()));
            }
            read => Zeroizing::new(read?),
        };
        parse(&content).ok_or_else(|| MasterKeyError::Text { from: path.display().to_string() })
    }

    /// Makes a new key and its file, 0600, and the file's folder, 0700, where it is missing.
    ///
    /// # Errors
    /// [`MasterKeyError::File`] when the file exists (it is left as it is) or cannot be written,
    /// [`MasterKeyError::Random`].
    pub fn generate_key_file(path: &Path) -> Result<Self, MasterKeyError> {
        let key = Self::from_bytes(random::key()?);
        if let Some(folder) =
            path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        {
            private_file::create_dir(folder)?;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        private_file::check_dir(folder.unwrap_or(Path::new(".")))?;
        let text = key.expose_text();
        let line = Zeroizing::new([text.expose_secret().as_bytes(), b"\n"].concat());
        private_file::create(path, &line)?;
        Ok(key)
    }

    /// The one line that a key file holds, without its end: for whoever keeps the key elsewhere.
    #[must_use]
    pub fn expose_text(&self) -> SecretString {
        let encoded = random::base64url(self.key.expose_secret());
        let mut line = Zeroizing::new(String::with_capacity(TEXT_PREFIX.len() + TEXT_LEN));
        line.push_str(TEXT_PREFIX);
        line.push_str(encoded.expose_secret());
        SecretString::from(line.as_str())
    }

    fn aad(&self, aad: &[u8]) -> Vec<u8> {
        length_prefixed(&[b"nexus wrapped data key", &[WRAPPED_VERSION], &self.fingerprint, aad])
    }
}

#[async_trait]
impl MasterKey for LocalMasterKey {
    fn id(&self) -> &MasterKeyId {
        &self.id
    }

    /// Version 1: one byte version, 8 bytes fingerprint, 12 bytes nonce, 32 bytes, 16 bytes tag.
    async fn wrap(&self, data_key: &[u8; KEY_LEN], aad: &[u8]) -> Result<Vec<u8>, MasterKeyError> {
        let mut header = [WRAPPED_VERSION; 1 + FINGERPRINT_LEN];
        header[1..].copy_from_slice(&self.fingerprint);
        aead::seal(self.wrapping.expose_secret(), &header, &self.aad(aad), data_key).map_err(|error| {
            match error {
                SealError::Random(error) => MasterKeyError::Random(error),
                SealError::TooLong(_) => MasterKeyError::Damaged(self.id.clone()),
            }
        })
    }

    async fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<SecretBox<[u8; KEY_LEN]>, MasterKeyError> {
        let damaged = || MasterKeyError::Damaged(self.id.clone());
        let (version, rest) = wrapped.split_first().ok_or_else(damaged)?;
        let (fingerprint, body) = rest.split_first_chunk::<FINGERPRINT_LEN>().ok_or_else(damaged)?;
        if *version != WRAPPED_VERSION {
            return Err(damaged());
        }
        if *fingerprint != self.fingerprint {
            return Err(MasterKeyError::OtherKey { needed: local_id(*fingerprint), given: self.id.clone() });
        }
        let opened = aead::open(self.wrapping.expose_secret(), &self.aad(aad), body).ok_or_else(damaged)?;
        let mut key = SecretBox::new(Box::new([0; KEY_LEN]));
        if opened.expose_secret().len() != KEY_LEN {
            return Err(damaged());
        }
        key.expose_secret_mut().copy_from_slice(opened.expose_secret());
        Ok(key)
    }

    fn derive(&self, purpose: &str) -> SecretBox<[u8; KEY_LEN]> {
        expand(self.key.expose_secret(), format!("nexus master key v1 for {purpose}").as_bytes())
    }
}

impl fmt::Debug for LocalMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalMasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn local_id(fingerprint: [u8; FINGERPRINT_LEN]) -> MasterKeyId {
    MasterKeyId(format!("mk-{:016x}", u64::from_be_bytes(fingerprint)))
}

/// The first block of HKDF-Expand with SHA-256 (RFC 5869, section 2.3): 32 bytes for one purpose.
fn expand(key: &[u8; KEY_LEN], purpose: &[u8]) -> SecretBox<[u8; KEY_LEN]> {
    let mut mac = hmac_sha256(key);
    mac.update(purpose);
    mac.update(&[1]);
    let mut output = mac.finalize().into_bytes();
    let mut derived = SecretBox::new(Box::new([0; KEY_LEN]));
    derived.expose_secret_mut().copy_from_slice(&output);
    output.as_mut_slice().zeroize();
    derived
}

/// HMAC pads a key shorter than its block with zeros (RFC 2104, section 2); done here, because a
/// key of the block's own length cannot be refused.
fn hmac_sha256(key: &[u8; KEY_LEN]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY_LEN].copy_from_slice(key);
    Hmac::new((&*block).into())
}

/// One line: the prefix and 32 bytes of base64url; white space may follow.
fn parse(text: &[u8]) -> Option<LocalMasterKey> {
    let encoded = text.trim_ascii_end().strip_prefix(TEXT_PREFIX.as_bytes())?;
    if encoded.len() != TEXT_LEN {
        return None;
    }
    let mut key = SecretBox::new(Box::new([0; KEY_LEN]));
    let written = URL_SAFE_NO_PAD.decode_slice(encoded, key.expose_secret_mut()).ok()?;
    (written == KEY_LEN).then(|| LocalMasterKey::from_bytes(key))
}

#[cfg(test)]
mod tests;
