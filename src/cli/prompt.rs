//! Questions, which only a terminal is asked. Elsewhere the flag that answers is named instead.

use std::io::{self, BufRead, stdin};

use dialoguer::console::{Key, Term};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::Invocation;
use super::interrupt::Waiting;
use super::output::Screen;
use crate::kernel::{ErrorKind, Failure, SecretString, Slug, shell};

/// A question without an answer. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is no terminal, and no flag that answers.
    #[error("{what} must be confirmed, and there is no terminal to ask on")]
    Unconfirmed {
        /// What is about to happen.
        what: String,
        /// The flags that answer.
        flags: String,
    },
    /// There is no terminal, and no flag that gives the value.
    #[error("{what} is not given, and there is no terminal to ask on")]
    NotGiven {
        /// What is asked for.
        what: String,
        /// The flag that gives it.
        flag: String,
    },
    /// The answer was no.
    #[error("nothing was done: {0} was not confirmed")]
    Declined(String),
    /// `--confirm` names something else.
    #[error("--confirm says {given}, but {what} was asked for")]
    Mismatch {
        /// What is about to happen.
        what: String,
        /// What `--confirm` says.
        given: String,
    },
    /// The input ended (Ctrl-D) where a value was asked for.
    #[error("nothing was done: {0} was not given")]
    Ended(String),
    /// Ctrl-C.
    #[error("stopped; nothing was done")]
    Interrupted,
    /// The terminal failed.
    #[error("cannot ask on the terminal: {0}")]
    Terminal(io::Error),
}

impl Failure for PromptError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Terminal(_) => ErrorKind::Unavailable,
            _ => ErrorKind::Forbidden,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unconfirmed { .. } => "confirmation_required",
            Self::NotGiven { .. } | Self::Ended(_) => "input_required",
            Self::Declined(_) => "confirmation_declined",
            Self::Mismatch { .. } => "confirmation_mismatch",
            Self::Interrupted => "interrupted",
            Self::Terminal(_) => "terminal_failed",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unconfirmed { flags, .. } => vec![format!("to do it, pass {flags}")],
            Self::NotGiven { flag, .. } => vec![format!("pass {flag}")],
            _ => Vec::new(),
        }
    }
}

impl From<io::Error> for PromptError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::Interrupted { Self::Interrupted } else { Self::Terminal(error) }
    }
}

/// Asks for a text. `check` says what is wrong with an answer, and the question comes again.
///
/// # Errors
/// [`PromptError::NotGiven`] without a terminal; Ctrl-C.
pub fn text(
    screen: &Screen,
    what: &str,
    flag: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, PromptError> {
    needs_terminal(screen, what, flag)?;
    let _waiting = Waiting::at_terminal();
    answer(what, false, check)
}

/// The same for a text that may be left out: an empty answer is one.
///
/// # Errors
/// [`PromptError::NotGiven`] without a terminal; Ctrl-C.
pub fn optional_text(
    screen: &Screen,
    what: &str,
    flag: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, PromptError> {
    needs_terminal(screen, what, flag)?;
    let _waiting = Waiting::at_terminal();
    answer(&format!("{what} (may be left empty)"), true, check)
}

/// Asks for a password that exists, once and without showing it.
///
/// # Errors
/// [`PromptError::NotGiven`] without a terminal; Ctrl-C.
pub fn password(screen: &Screen, what: &str, flag: &str) -> Result<SecretString, PromptError> {
    needs_terminal(screen, what, flag)?;
    let _waiting = Waiting::at_terminal();
    let password = hidden(what, what)?;
    Ok(SecretString::from(password.as_str()))
}

/// Asks for a new password, twice and without showing it.
///
/// # Errors
/// [`PromptError::NotGiven`] without a terminal; Ctrl-C.
pub fn new_password(screen: &Screen, what: &str, flag: &str) -> Result<SecretString, PromptError> {
    needs_terminal(screen, what, flag)?;
    let _waiting = Waiting::at_terminal();
    loop {
        let password = hidden(what, what)?;
        if *password == *hidden(&format!("{what}, once more"), what)? {
            return Ok(SecretString::from(password.as_str()));
        }
        Term::stderr().write_line("error: the two differ")?;
    }
}

/// Asks yes or no; `--yes` answers.
///
/// # Errors
/// When the answer is no, or there is nobody to ask.
pub fn confirm(on: &Invocation, what: &str) -> Result<(), PromptError> {
    if on.global.yes {
        return Ok(());
    }
    if !on.screen.can_ask() {
        return Err(PromptError::Unconfirmed { what: what.to_owned(), flags: "--yes".to_owned() });
    }
    let _waiting = Waiting::at_terminal();
    if yes(&format!("{what}?"))? { Ok(()) } else { Err(PromptError::Declined(what.to_owned())) }
}

/// Has the slug of what will be destroyed typed; `--yes --confirm SLUG` answers, and neither
/// alone does. `shown` are lines that say what will go.
///
/// # Errors
/// When something else is typed or given, or there is nobody to ask.
pub fn confirm_slug(
    on: &Invocation,
    what: &str,
    shown: &[String],
    slug: &Slug,
    given: Option<&Slug>,
) -> Result<(), PromptError> {
    confirm_word(on, what, shown, slug.as_str(), given.map(Slug::as_str))
}

/// The same for a word that is no slug, e.g. `local`.
///
/// # Errors
/// When something else is typed or given, or there is nobody to ask.
pub fn confirm_word(
    on: &Invocation,
    what: &str,
    shown: &[String],
    word: &str,
    given: Option<&str>,
) -> Result<(), PromptError> {
    match given {
        Some(given) if given != word => {
            return Err(PromptError::Mismatch { what: what.to_owned(), given: given.to_owned() });
        }
        Some(_) if on.global.yes => return Ok(()),
        _ => {}
    }
    if !on.screen.can_ask() {
        return Err(PromptError::Unconfirmed {
            what: what.to_owned(),
            flags: format!("--yes --confirm {}", shell::word(word)),
        });
    }
    type_word(on, what, shown, word)
}

/// Has a word typed on the terminal, after lines that say what will come.
///
/// # Errors
/// When something else is typed.
pub(super) fn type_word(
    on: &Invocation,
    what: &str,
    shown: &[String],
    word: &str,
) -> Result<(), PromptError> {
    for line in shown {
        on.screen.note(line);
    }
    let _waiting = Waiting::at_terminal();
    let typed = line(&format!("{what}; type {word} to confirm"))?;
    if typed.is_some_and(|typed| typed.trim() == word) {
        Ok(())
    } else {
        Err(PromptError::Declined(what.to_owned()))
    }
}

/// Asks until an answer passes. The terminal's own editing of lines says where the input ends.
fn answer(
    question: &str,
    may_be_empty: bool,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<String, PromptError> {
    loop {
        let Some(answer) = line(question)? else { return Err(PromptError::Ended(question.to_owned())) };
        match check(&answer) {
            _ if answer.is_empty() && !may_be_empty => {}
            Ok(()) => return Ok(answer),
            Err(why) => Term::stderr().write_line(&format!("error: {why}"))?,
        }
    }
}

/// Reads one line; `None`: the input ended.
fn line(question: &str) -> Result<Option<String>, PromptError> {
    let term = Term::stderr();
    term.write_str(&format!("{question}: "))?;
    let mut line = String::new();
    let is_whole = stdin().lock().read_line(&mut line)? > 0 && line.ends_with('\n');
    if !is_whole {
        term.write_line("")?;
    }
    let text = line.trim_end_matches(['\n', '\r']);
    Ok((is_whole || !text.is_empty()).then(|| text.to_owned()))
}

/// Reads one line that is not shown, and not empty. Ctrl-C puts the terminal back, see
/// [`Waiting::at_terminal`].
fn hidden(question: &str, what: &str) -> Result<Zeroizing<String>, PromptError> {
    let term = Term::stderr();
    loop {
        term.write_str(&format!("{question}: "))?;
        let before = tcgetattr(stdin()).map_err(io::Error::from)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(stdin(), SetArg::TCSAFLUSH, &silent).map_err(io::Error::from)?;
        let mut line = Zeroizing::new(String::new());
        let read = stdin().lock().read_line(&mut line);
        tcsetattr(stdin(), SetArg::TCSANOW, &before).map_err(io::Error::from)?;
        term.write_line("")?;
        if read? == 0 {
            return Err(PromptError::Ended(what.to_owned()));
        }
        let length = line.trim_end_matches(['\n', '\r']).len();
        line.truncate(length);
        if !line.is_empty() {
            return Ok(line);
        }
    }
}

/// Reads one key: `y` or not.
fn yes(question: &str) -> Result<bool, PromptError> {
    let term = Term::stderr();
    term.write_str(&format!("{question} [y/N] "))?;
    let answer = loop {
        match term.read_key() {
            Ok(Key::Char('y' | 'Y')) => break true,
            // Ctrl-D, which is NUL where it was typed before the question came.
            Ok(Key::Char('n' | 'N' | '\u{4}' | '\0') | Key::Enter) => break false,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break false,
            Err(error) => return Err(error.into()),
        }
    };
    term.write_line(if answer { "yes" } else { "no" })?;
    Ok(answer)
}

fn needs_terminal(screen: &Screen, what: &str, flag: &str) -> Result<(), PromptError> {
    if screen.can_ask() {
        return Ok(());
    }
    Err(PromptError::NotGiven { what: what.to_owned(), flag: flag.to_owned() })
}
