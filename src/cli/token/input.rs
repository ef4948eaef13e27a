//! What is typed for tokens, and how a token comes in: never on the command line.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use clap::builder::TypedValueParser;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::arguments::{self, Input};
use super::super::interrupt::Stdin;
use super::super::usage::UsageError;
use super::TokenInput;
use crate::features::iam::Permission;
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

/// A span of time: a whole number and `s`, `m`, `h` or `d`.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration is a whole number and s, m, h or d, e.g. 90s, 15m, 2h, 30d".to_owned();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // A hundred years are more than anybody means.
    number
        .checked_mul(seconds)
        .filter(|it| *it <= 100 * 366 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// A time that is over: RFC 3339, or how long ago. Whether it is over the control database knows.
///
/// # Errors
/// What is wrong with it.
pub fn past(text: &str) -> Result<Before, String> {
    if let Ok(ago) = duration(text) {
        return Ok(Before::Ago(ago));
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .map(Before::Time)
        .map_err(|_| "a time is written 2026-11-21T12:00:00Z, or 2h for two hours ago".to_owned())
}

/// `resource:action`.
///
/// # Errors
/// What is wrong with it.
pub fn permission(text: &str) -> Result<String, String> {
    match text.parse::<Permission>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a permission is written resource:action, e.g. invoice:read, '*' for any".to_owned()),
    }
}

/// `name=text`.
///
/// # Errors
/// What is wrong with it.
pub fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a claim is written name=text")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err("a claim's name has 1 to 64 letters, digits, '_', '-', '.', ':', '/'".to_owned());
    }
    Ok((name.to_owned(), arguments::one_line("a claim's text", value, 0..=1000)?))
}

/// A text of 1 to 200 characters, none of them white space or a control character.
///
/// # Errors
/// What is wrong with it.
pub fn plain(text: &str) -> Result<String, String> {
    let plain = crate::kernel::text::name(text).ok();
    let fits = |plain: &String| (1..=200).contains(&plain.len()) && !plain.contains(char::is_whitespace);
    plain.filter(fits).ok_or_else(|| "1 to 200 visible characters, without white space".to_owned())
}

/// A reason for a log.
///
/// # Errors
/// What is wrong with it.
pub fn reason(text: &str) -> Result<String, String> {
    arguments::one_line("a reason", text.trim(), 4..=500)
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
    fn a_span_of_time_has_a_number_and_a_unit() {
        let seconds = |text: &str| duration(text).map(|it| it.as_secs()).ok();
        assert_eq!(
            ["90s", "15m", "2h", "30d"].map(seconds),
            [Some(90), Some(900), Some(7200), Some(2_592_000)]
        );
        for wrong in
            ["", "15", "m", "-1m", "1.5h", "15 m", "15M", "99999999999999999999d", "200000d", "1h30m"]
        {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_that_is_over_is_a_date_or_a_span_ago() {
        assert!(past("2026-01-01T00:00:00Z").is_ok() && past("2h").is_ok());
        for wrong in ["yesterday", "2026-01-01"] {
            assert!(past(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn permissions_and_claims_have_their_form() {
        for good in ["invoice:read", "*:*", "invoice:*", "line-item_2:create"] {
            assert!(permission(good).is_ok(), "{good}");
        }
        for wrong in
            ["", ":", "invoice", "invoice:", ":read", "a:b:c", "Invoice:read", "in voice:read", "*x:read"]
        {
            assert!(permission(wrong).is_err(), "{wrong}");
        }
        assert_eq!(claim("plan=a=b"), Ok(("plan".to_owned(), "a=b".to_owned())));
        for wrong in ["plan", "=x", "a b=x", "a=\u{7}"] {
            assert!(claim(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_id_is_not_repeated() {
        assert!(!jti("eyJhbGciOiJFZERTQSJ9").unwrap_err().contains("eyJ"));
    }
}
