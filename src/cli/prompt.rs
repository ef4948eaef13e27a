//! Questions, which only a terminal is asked. Elsewhere the flag that answers is named instead.

use std::io;

use dialoguer::{Confirm, Input, Password};

use super::Invocation;
use super::interrupt::Waiting;
use super::output::Screen;
use crate::kernel::{Failure, SecretString, Slug, shell};

/// A question without an answer. Nothing was done.
#[derive(Debug, thiserror::Error, Failure)]
pub enum PromptError {
    /// There is no terminal, and no flag that answers.
    #[error("{what} needs confirmation, and there is no terminal to ask on")]
    #[failure(Forbidden, "confirmation_required")]
    #[hint("to do it, pass {flags}")]
    Unconfirmed { what: String, flags: String },
    /// There is no terminal, and no flag that gives the value.
    #[error("{what} is missing, and there is no terminal to ask on")]
    #[failure(Forbidden, "input_required")]
    #[hint("pass {flag}")]
    NotGiven { what: String, flag: String },
    /// No file was named for a secret, and it is not to be printed.
    #[error("no place was chosen for {what}")]
    #[failure(Forbidden, "input_required")]
    #[hint("pass {flag}")]
    NoPlace { what: String, flag: String },
    /// The answer was no.
    #[error("nothing was done: {0} was not confirmed")]
    #[failure(Forbidden, "confirmation_declined")]
    Declined(String),
    /// `--confirm` names something else.
    #[error("--confirm {given} does not match: {what}")]
    #[failure(Forbidden, "confirmation_mismatch")]
    Mismatch {
        what: String,
        /// What `--confirm` says.
        given: String,
    },
    /// Ctrl-C.
    #[error("stopped; nothing was done")]
    #[failure(Interrupted, "interrupted")]
    Interrupted,
    /// The terminal failed.
    #[error("cannot ask on the terminal: {0}")]
    #[failure(Unavailable, "terminal_failed")]
    Terminal(io::Error),
}

impl From<dialoguer::Error> for PromptError {
    fn from(error: dialoguer::Error) -> Self {
        let dialoguer::Error::IO(error) = error;
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
    let answer = Input::new().with_prompt(what).validate_with(|text: &String| check(text)).interact_text();
    Ok(answer?)
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
    let question = Input::new().with_prompt(format!("{what} (optional)")).allow_empty(true);
    Ok(question.validate_with(|text: &String| check(text)).interact_text()?)
}

/// Asks for a password that exists, once and without showing it.
///
/// # Errors
/// [`PromptError::NotGiven`] without a terminal; Ctrl-C.
pub fn password(screen: &Screen, what: &str, flag: &str) -> Result<SecretString, PromptError> {
    needs_terminal(screen, what, flag)?;
    let _waiting = Waiting::at_terminal();
    Ok(Password::new().with_prompt(what).report(false).interact()?.into())
}

/// Asks for a new password, twice and without showing it.
///
/// # Errors
/// [`PromptError::NotGiven`] without a terminal; Ctrl-C.
pub fn new_password(screen: &Screen, what: &str, flag: &str) -> Result<SecretString, PromptError> {
    needs_terminal(screen, what, flag)?;
    let _waiting = Waiting::at_terminal();
    let answer = Password::new()
        .with_prompt(what)
        .with_confirmation(format!("{what}, again"), "the passwords differ")
        .report(false)
        .interact();
    Ok(answer?.into())
}

/// Asks yes or no; `--yes` answers.
///
/// # Errors
/// When the answer is no, or there is nobody to ask.
pub fn confirm(ctx: &Invocation, what: &str) -> Result<(), PromptError> {
    if ctx.global.yes {
        return Ok(());
    }
    if !ctx.screen.can_ask() {
        return Err(PromptError::Unconfirmed { what: what.to_owned(), flags: "--yes".to_owned() });
    }
    let _waiting = Waiting::at_terminal();
    if Confirm::new().with_prompt(format!("{what}?")).default(false).interact()? {
        Ok(())
    } else {
        Err(PromptError::Declined(what.to_owned()))
    }
}

/// Has the slug of what will be destroyed typed; `--yes --confirm SLUG` answers, and neither
/// alone does. `shown` are lines that say what will go.
///
/// # Errors
/// When something else is typed or given, or there is nobody to ask.
pub fn confirm_slug(
    ctx: &Invocation,
    what: &str,
    shown: &[String],
    slug: &Slug,
    given: Option<&Slug>,
) -> Result<(), PromptError> {
    confirm_word(ctx, what, shown, slug.as_str(), given.map(Slug::as_str))
}

/// The same for a word that is no slug, e.g. `local`.
///
/// # Errors
/// When something else is typed or given, or there is nobody to ask.
pub fn confirm_word(
    ctx: &Invocation,
    what: &str,
    shown: &[String],
    word: &str,
    given: Option<&str>,
) -> Result<(), PromptError> {
    match given {
        Some(given) if given != word => {
            return Err(PromptError::Mismatch { what: what.to_owned(), given: given.to_owned() });
        }
        Some(_) if ctx.global.yes => return Ok(()),
        _ => {}
    }
    if !ctx.screen.can_ask() {
        return Err(PromptError::Unconfirmed {
            what: what.to_owned(),
            flags: format!("--yes --confirm {}", shell::word(word)),
        });
    }
    type_word(ctx, what, shown, word)
}

/// Has a word typed on the terminal, after lines that say what will come.
///
/// # Errors
/// When something else is typed.
pub(super) fn type_word(
    ctx: &Invocation,
    what: &str,
    shown: &[String],
    word: &str,
) -> Result<(), PromptError> {
    for line in shown {
        ctx.screen.note(line);
    }
    let _waiting = Waiting::at_terminal();
    let typed: String = Input::new()
        .with_prompt(format!("{what}; type {word} to confirm"))
        .allow_empty(true)
        .interact_text()?;
    if typed.trim() == word { Ok(()) } else { Err(PromptError::Declined(what.to_owned())) }
}

fn needs_terminal(screen: &Screen, what: &str, flag: &str) -> Result<(), PromptError> {
    if screen.can_ask() {
        return Ok(());
    }
    // A label that begins a line on a terminal, within a sentence here.
    let mut letters = what.chars();
    let what = letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
    Err(PromptError::NotGiven { what, flag: flag.to_owned() })
}
