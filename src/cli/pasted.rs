//! An address with a password in it, or a token, pasted where no argument takes one: refused before anything reads,
//! repeats or looks up a part of it.

use std::ffi::OsString;

use super::usage::{self, UsageError};
use crate::kernel::secret_shape;

/// What is said to a command line that holds a login; `None`: there is none in it.
#[must_use]
pub(super) fn refused(args: &[OsString]) -> Option<UsageError> {
    let words = args.iter().skip(1).take_while(|word| *word != "--").map(|word| word.to_string_lossy());
    let is_token = |word: &str| secret_shape::token(word).is_some();
    let suspects: Vec<_> = words.filter(|word| secret_shape::holds_secret(word)).collect();
    if suspects.is_empty() {
        return None;
    }
    let command = usage::command_typed(args);
    // A statement may say what it likes.
    if command == "nexus exec" && suspects.iter().all(|word| !word.starts_with('-')) {
        return None;
    }
    if suspects.iter().any(|word| is_token(word)) {
        return Some(token_refused(args));
    }
    Some(UsageError::new(
        "an argument holds an address with a login in it; it was not used",
        [
            "give the address without user and password; a password is read from a file or from standard \
             input, e.g. --password-file PATH, --dsn-file PATH"
                .to_owned(),
            format!("{command} --help"),
        ],
    ))
}

fn token_refused(args: &[OsString]) -> UsageError {
    UsageError::new(
        "an argument holds a token or a key; a token does not belong on the command line, where the \
         shell's history keeps it and every user of this machine can read it; it was not used",
        [
            "a token is read from a file or from standard input, e.g. nexus token verify --file FILE"
                .to_owned(),
            format!("{} --help", usage::command_typed(args)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(words: &[&str]) -> bool {
        let args: Vec<OsString> = ["nexus"].iter().chain(words).map(Into::into).collect();
        refused(&args).is_some()
    }

    #[test]
    fn a_login_is_found_wherever_it_was_pasted() {
        for word in [
            "postgres://u:p@h/d",
            "postgresql://u:p/x#y?z@h/d",
            "--source=shop=postgres://u:p@h/d",
            "https://u:p@h/x",
            "http://key@h:9000",
            "see postgres://u:p@h/d",
            "postgres://h/d?user=u&password=p",
            "host=h password=p",
            "host = h password = p",
            "PGPASSWORD=p",
            "h:5432:db:user:p",
        ] {
            assert!(is_refused(&["tenant", "create", word]), "{word}");
            assert!(!is_refused(&["tenant", "psql", "acme", "--", word]), "{word}");
            assert!(!is_refused(&["exec", "acme", word]) || word.starts_with('-'), "{word}");
        }
    }

    #[test]
    fn a_token_is_found_in_every_argument() {
        let body = "Ab-9_".repeat(9);
        for word in
            [format!("nxk_{body}"), format!("--name=nxr_{body}"), format!("eyJhbGciOiJFZERTQSJ9.eyJ.{body}")]
        {
            assert!(is_refused(&["group", "create", &word]), "{word}");
        }
        assert!(!is_refused(&["group", "create", "nxk_ci"]));
    }

    #[test]
    fn an_address_without_a_login_is_none() {
        for word in [
            "https://medium.example/@bob",
            "https://h.example see ann@acme.example",
            "ann@acme.example",
            "postgres://h/d",
            "password=x",
            "host=h password=",
            "http://h?x=password=",
        ] {
            assert!(!is_refused(&["tenant", "create", word]), "{word}");
        }
    }
}
