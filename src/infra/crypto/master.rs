//! Master keys: they wrap data keys and never seal anything else.
//!
//! [`MasterKey`] is the border: a key in a file is one kind; a key that never leaves a service
//! (AWS KMS, Vault's transit engine) is another, which is why wrapping is asynchronous and its
//! result opaque.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::random;
use super::seal::{OpenError, decrypt, encrypt, lengths};
use crate::infra::private_file::{self, PrivateFileError};
use crate::kernel::{ErrorKind, Failure};

/// What a master key's text begins with.
const PREFIX: &str = "nexus-master-key-v1:";
/// The wrapped key's format.
const FORMAT: u8 = 1;

/// Names a master key without telling anything of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeyId(String);

impl MasterKeyId {
    /// The text.
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

/// A key that wraps data keys.
#[async_trait]
pub trait MasterKey: Send + Sync + fmt::Debug {
    /// Its name.
    fn id(&self) -> &MasterKeyId;

    /// Wraps a data key for a place.
    async fn wrap(&self, data_key: &[u8; 32], place: &[&[u8]]) -> Result<Vec<u8>, MasterKeyError>;

    /// Unwraps it at the same place.
    async fn unwrap(&self, wrapped: &[u8], place: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, MasterKeyError>;
}

/// What can go wrong with a master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// Its file is not there.
    #[error("there is no master key at {0}")]
    Missing(String),
    /// Its file cannot be used.
    #[error("the master key's file cannot be used: {0}")]
    File(#[from] PrivateFileError),
    /// What is there is not a master key.
    #[error("{0} does not hold a master key")]
    Malformed(String),
    /// The data key was wrapped by another key, or changed, or moved.
    #[error("master key {id} does not open a data key: it was wrapped by another key, changed or moved")]
    Wrong {
        /// The key that was tried.
        id: String,
    },
}

impl Failure for MasterKeyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) | Self::File(PrivateFileError::Io { .. }) => ErrorKind::Unavailable,
            Self::File(PrivateFileError::Exists(_)) => ErrorKind::Conflict,
            Self::File(PrivateFileError::Open { .. } | PrivateFileError::NotAFile(_))
            | Self::Malformed(_)
            | Self::Wrong { .. } => ErrorKind::Integrity,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "master_key_missing",
            Self::File(_) => "master_key_file",
            Self::Malformed(_) => "master_key_malformed",
            Self::Wrong { .. } => "master_key_wrong",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing(_) => vec![
                "put the key back from where it is kept safe; without it no secret can be opened".to_owned(),
                "for a new installation make one: nexus init".to_owned(),
            ],
            Self::File(PrivateFileError::Open { path, .. }) => vec![format!("chmod 600 {}", path.display())],
            Self::Wrong { .. } => vec!["see which key is needed: nexus secret status".to_owned()],
            Self::File(_) | Self::Malformed(_) => Vec::new(),
        }
    }
}

/// A master key whose bytes are in this process.
pub struct LocalMasterKey {
    id: MasterKeyId,
    key: Zeroizing<[u8; 32]>,
}

impl LocalMasterKey {
    /// Of its bytes. HKDF-SHA-256 (RFC 5869) derives the wrapping key and the name from them, each
    /// under a label of its own, so that the name tells nothing of the key.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let mut name = [0; 6];
        let expand = Hkdf::<Sha256>::new(None, secret);
        // HKDF-Expand refuses only more than 255 hashes' worth of output.
        let _ = expand.expand(b"nexus master key v1: wrap", key.as_mut_slice());
        let _ = expand.expand(b"nexus master key v1: name", &mut name);
        let id = MasterKeyId(format!("mk-{}", URL_SAFE_NO_PAD.encode(name)));
        Self { id, key }
    }

    /// Of its text, `nexus-master-key-v1:` and 43 characters; `source` names it in an error.
    ///
    /// # Errors
    /// [`MasterKeyError::Malformed`].
    pub fn parse(text: &SecretString, source: &str) -> Result<Self, MasterKeyError> {
        let malformed = || MasterKeyError::Malformed(source.to_owned());
        let encoded = text.expose_secret().trim().strip_prefix(PREFIX).ok_or_else(malformed)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| malformed())?);
        let secret: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| malformed())?;
        Ok(Self::new(secret))
    }

    /// Of a file that only its owner may read.
    ///
    /// # Errors
    /// When it is not there, can be read by others, or holds something else.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let content = match private_file::read(path) {
            Err(PrivateFileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(MasterKeyError::Missing(path.display().to_string()));
            }
            other => Zeroizing::new(other?),
        };
        let name = path.display().to_string();
        let text = str::from_utf8(&content).map_err(|_| MasterKeyError::Malformed(name.clone()))?;
        Self::parse(&SecretString::from(text), &name)
    }

    /// Makes a new key in a new file; refuses to overwrite one.
    ///
    /// # Errors
    /// [`PrivateFileError::Exists`], or the system's word.
    pub fn create(path: &Path) -> Result<Self, MasterKeyError> {
        if let Some(folder) = path.parent() {
            private_file::create_dir(folder)?;
        }
        let text = Zeroizing::new(format!("{PREFIX}{}\n", random::text().as_str()));
        private_file::create(path, text.as_bytes())?;
        Self::read(path)
    }
}

impl fmt::Debug for LocalMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalMasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl MasterKey for LocalMasterKey {
    fn id(&self) -> &MasterKeyId {
        &self.id
    }

    async fn wrap(&self, data_key: &[u8; 32], place: &[&[u8]]) -> Result<Vec<u8>, MasterKeyError> {
        let nonce: [u8; 12] = random::bytes();
        let wrapped = encrypt(&self.key, &nonce, &self.associated(place), data_key);
        Ok([&[FORMAT], nonce.as_slice(), &wrapped].concat())
    }

    async fn unwrap(&self, wrapped: &[u8], place: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
        let opened = || -> Result<Zeroizing<[u8; 32]>, OpenError> {
            let (format, rest) = wrapped.split_first().ok_or(OpenError)?;
            let (nonce, sealed) = rest.split_first_chunk::<12>().ok_or(OpenError)?;
            if *format != FORMAT {
                return Err(OpenError);
            }
            let bytes = Zeroizing::new(decrypt(&self.key, nonce, &self.associated(place), sealed)?);
            let key: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| OpenError)?;
            Ok(Zeroizing::new(*key))
        };
        opened().map_err(|OpenError| MasterKeyError::Wrong { id: self.id.to_string() })
    }
}

impl LocalMasterKey {
    fn associated(&self, place: &[&[u8]]) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = vec![b"nexus wrapped data key", &[FORMAT], self.id.as_str().as_bytes()];
        parts.extend_from_slice(place);
        lengths(&parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_data_key_unwraps_at_its_place_with_its_master_key_only() {
        let (one, other) = (LocalMasterKey::new(&[1; 32]), LocalMasterKey::new(&[2; 32]));
        let wrapped = one.wrap(&[7; 32], &[b"tenant", b"id"]).await.unwrap();
        assert_eq!(*one.unwrap(&wrapped, &[b"tenant", b"id"]).await.unwrap(), [7; 32]);
        assert!(one.unwrap(&wrapped, &[b"tenan", b"tid"]).await.is_err());
        assert!(other.unwrap(&wrapped, &[b"tenant", b"id"]).await.is_err());
        for byte in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[byte] ^= 1;
            assert!(one.unwrap(&changed, &[b"tenant", b"id"]).await.is_err(), "byte {byte}");
            assert!(one.unwrap(&wrapped[..byte], &[b"tenant", b"id"]).await.is_err(), "length {byte}");
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/local.key");
        let made = LocalMasterKey::create(&path).unwrap();
        assert_eq!(LocalMasterKey::read(&path).unwrap().id(), made.id());
        let again = LocalMasterKey::create(&path).unwrap_err();
        assert!(matches!(again, MasterKeyError::File(PrivateFileError::Exists(_))));
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_without_being_repeated() {
        let error = LocalMasterKey::parse(&SecretString::from("hunter2"), "env:KEY").unwrap_err();
        assert_eq!(error.to_string(), "env:KEY does not hold a master key");
    }

    #[test]
    fn the_name_and_debug_tell_nothing_of_the_key() {
        let key = LocalMasterKey::new(&[0xAB; 32]);
        assert!(!format!("{key:?}").to_lowercase().contains("abab"));
        assert_eq!(key.id().as_str().len(), "mk-".len() + 8);
    }
}
