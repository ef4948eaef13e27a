//! A secret on standard input: one line, which nothing else sees.

use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::interrupt::Stdin;
use super::usage::UsageError;
use crate::infra::private_file;
use crate::kernel::{AnyFailure, Failure, SecretString, text};

/// Most bytes of a password.
const MAX_BYTES: usize = 1024;

/// What was given is no secret of one line.
#[derive(Debug, thiserror::Error, Failure)]
pub enum SecretInputError {
    /// What was given as a secret is empty.
    #[error("{0} is empty")]
    #[failure(Invalid, "secret_input_invalid")]
    Empty(&'static str),
    /// What was given as a secret is longer than anybody types.
    #[error("{0} is longer than {MAX_BYTES} bytes")]
    #[failure(Invalid, "secret_input_invalid")]
    Long(&'static str),
    /// A secret is followed by another line.
    #[error("{0} is followed by another line")]
    #[failure(Invalid, "secret_input_invalid")]
    Lines(&'static str),
    /// A secret is not text, or holds control characters.
    #[error("{0} is not UTF-8 text, or holds control characters")]
    #[failure(Invalid, "secret_input_invalid")]
    NotText(&'static str),
    /// Standard input could not be read.
    #[error("cannot read standard input: {0}")]
    #[failure(Invalid, "secret_input_invalid")]
    Read(io::Error),
}

/// Reads one line from standard input and cuts its end; `what`, e.g. "the password", names it in errors.
///
/// # Errors
/// When standard input holds anything but one line of text.
pub fn line_from_stdin(what: &'static str) -> Result<SecretString, SecretInputError> {
    line_from(&mut Stdin, what)
}

/// Reads one line from a file that only its owner may read.
///
/// # Errors
/// When the file is not private, or holds anything but one line of text.
pub fn line_from_file(path: &Path, what: &'static str) -> Result<SecretString, AnyFailure> {
    let content = private_file(path)?;
    Ok(line_from(&mut content.as_slice(), what)?)
}

/// Requires that a file is there that the command line names: another name is a wrong command line.
///
/// # Errors
/// When there is no such file.
pub fn must_be_there(path: &Path) -> Result<(), UsageError> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(UsageError::new(format!("cannot read {}: {error}", path.display()), Vec::new()))
        }
        _ => Ok(()),
    }
}

/// Reads a file that the command line names and only its owner may read.
///
/// # Errors
/// When there is no such file, which is a wrong command line, or it is not private.
pub fn private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, AnyFailure> {
    must_be_there(path)?;
    Ok(Zeroizing::new(private_file::read(path)?))
}

fn line_from(input: &mut dyn Read, what: &'static str) -> Result<SecretString, SecretInputError> {
    // Room for all that is read, so that no copy is left behind by growing; two bytes for the
    // line's end and one to see that there is more.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 3));
    input.take(MAX_BYTES as u64 + 3).read_to_end(&mut bytes).map_err(SecretInputError::Read)?;
    let line = text::bytes_without_mark(&bytes);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_BYTES {
        return Err(SecretInputError::Long(what));
    }
    if line.contains(&b'\n') {
        return Err(SecretInputError::Lines(what));
    }
    let secret = std::str::from_utf8(line).map_err(|_| SecretInputError::NotText(what))?;
    if secret.is_empty() {
        return Err(SecretInputError::Empty(what));
    }
    if secret.chars().any(char::is_control) {
        return Err(SecretInputError::NotText(what));
    }
    Ok(SecretString::from(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ExposeSecret;

    fn read(mut bytes: &[u8]) -> Result<String, SecretInputError> {
        line_from(&mut bytes, "the password").map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn one_line_is_a_password_and_nothing_else_is() {
        for input in ["correct horse", "correct horse\n", "correct horse\r\n", "\u{feff}correct horse\n"] {
            assert_eq!(read(input.as_bytes()).unwrap(), "correct horse");
        }
        assert_eq!(read(" x ".as_bytes()).unwrap(), " x ");
        assert!(matches!(read(b""), Err(SecretInputError::Empty(_))));
        assert!(matches!(read(b"\n"), Err(SecretInputError::Empty(_))));
        assert_eq!(read(b"a\nb").unwrap_err().to_string(), "the password is followed by another line");
        assert!(matches!(read(b"a\nb\n"), Err(SecretInputError::Lines(_))));
        assert!(matches!(read(b"a\0b"), Err(SecretInputError::NotText(_))));
        assert!(matches!(read(b"\xff"), Err(SecretInputError::NotText(_))));
        assert!(matches!(read(&[b'a'; 2000]), Err(SecretInputError::Long(_))));
        assert!(read(&[b'a'; 1024]).is_ok());
    }
}
