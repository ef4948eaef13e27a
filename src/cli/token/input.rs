//! What is typed for tokens, and how a token comes in: never on the command line.

use std::fs::File;
use std::io::{self, Read};

use clap::builder::TypedValueParser;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::arguments::{self, Input};
use super::super::interrupt::Stdin;
use super::super::moment::{Moment, MomentError};
use super::super::usage::UsageError;
use super::TokenInput;
use crate::features::tokens::Before;
use crate::infra::crypto::jwt;
use crate::infra::crypto::signing::Algorithm;
use crate::kernel::text::bytes_without_mark;
use crate::kernel::{AnyFailure, SecretString};

/// Reads a token, or an API key, from standard input or a file: one line.
///
/// # Errors
/// When it was put on the command line, or there is nothing to read.
pub fn token(from: &TokenInput) -> Result<SecretString, AnyFailure> {
    if !from.on_argv.is_empty() {
        // What was typed is not repeated: it may be a good token.
        return Err(UsageError::new(
            "a token does not belong on the command line, where the shell's history keeps it and every \
             user of this machine can read it",
            ["read it from a file: --file FILE".to_owned(), "or from standard input: … < FILE".to_owned()],
        )
        .into());
    }
    one_line(&from.file)
}

/// Reads one line from standard input or a file. More than any token has is cut, and then refused.
///
/// # Errors
/// When it cannot be read, is not text, or is empty.
pub fn one_line(from: &Input) -> Result<SecretString, AnyFailure> {
    let wrong = |what: String| AnyFailure::from(UsageError::new(what, Vec::new()));
    let most = jwt::MAX_BYTES + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    let read = match from {
        Input::Stdin => read_some(&mut Stdin, most, &mut bytes),
        Input::File(path) => File::open(path).and_then(|mut file| read_some(&mut file, most, &mut bytes)),
    };
    let place = match from {
        Input::Stdin => "standard input".to_owned(),
        Input::File(path) => path.display().to_string(),
    };
    read.map_err(|error| wrong(format!("cannot read {place}: {error}")))?;
    let text = std::str::from_utf8(bytes_without_mark(&bytes))
        .map_err(|_| wrong(format!("{place} holds no text")))?;
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(wrong(format!("{place} is empty")));
    }
    Ok(SecretString::from(text))
}

fn read_some(from: &mut dyn Read, most: usize, to: &mut Vec<u8>) -> io::Result<()> {
    from.take(most as u64).read_to_end(to).map(drop)
}

/// A time that is over. Whether it is over the control database knows.
///
/// # Errors
/// What is wrong with it.
pub fn past(text: &str) -> Result<Before, MomentError> {
    text.parse::<Moment>().map(|moment| match moment {
        Moment::At(time) => Before::Time(time),
        Moment::Ago(ago) => Before::Ago(ago),
    })
}

/// A token's id. What is none is not repeated: it may be the token itself.
///
/// # Errors
/// What is wrong with it.
pub fn jti(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| "a jti is a UUID; nexus token list shows them".to_owned())
}

/// An API key's id. What is none is not repeated: it may be the key itself.
///
/// # Errors
/// What is wrong with it.
pub fn key_id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| "an API key's id is a UUID; nexus api-key list shows them".to_owned())
}

/// How a key signs.
pub fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    arguments::word(Algorithm::ALL, Algorithm::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_is_not_repeated() {
        assert!(!jti("eyJhbGciOiJFZERTQSJ9").unwrap_err().contains("eyJ"));
    }
}
