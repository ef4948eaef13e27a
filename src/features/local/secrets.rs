//! The two secrets of the stack: the superuser's password and the S3 endpoint's admin token.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::infra::private_file::{self, PrivateFileError};
use crate::kernel::SecretString;

use super::LocalError;

/// Reads the secret in a 0600 file. `None` when there is no such file.
///
/// # Errors
/// When the file can be read by others, or the system refuses.
pub(super) fn read(path: &Path) -> Result<Option<SecretString>, LocalError> {
    match private_file::read(path) {
        Ok(content) => {
            let content = Zeroizing::new(content);
            let text = Zeroizing::new(String::from_utf8_lossy(&content).into_owned());
            Ok(Some(SecretString::from(text.trim_end())))
        }
        Err(PrivateFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads the secret in a 0600 file, after making one of 256 random bits if there is none.
///
/// # Errors
/// As for [`read`], and when the system gives no random bytes.
pub(super) fn read_or_make(path: &Path) -> Result<SecretString, LocalError> {
    if let Some(secret) = read(path)? {
        return Ok(secret);
    }
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(LocalError::Random)?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    match private_file::create(path, text.as_bytes()) {
        Ok(()) => Ok(SecretString::from(text.as_str())),
        // Somebody was quicker: theirs counts.
        Err(PrivateFileError::Exists(_)) => read_or_make(path),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ExposeSecret;

    #[test]
    fn a_secret_is_made_once_and_has_256_bits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(read(&path).unwrap().is_none());
        let first = read_or_make(&path).unwrap();
        assert_eq!(first.expose_secret().len(), 43);
        assert_eq!(read_or_make(&path).unwrap().expose_secret(), first.expose_secret());
    }
}
