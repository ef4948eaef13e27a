//! The number of tenants, typed or given with `--yes --confirm N`: what shuts out, changes or
//! destroys several existing tenants goes on only then.

use std::ffi::OsString;
use std::str::FromStr;

use clap::Args;

use super::{Invocation, prompt};
use crate::kernel::slug::SlugError;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Failure, Slug, shell};

/// How many of them are named before the question.
pub(super) const NAMED: usize = 5;
/// A longer command is not repeated in a hint.
const LONGEST: usize = 600;

/// The answer where there is nobody to ask.
#[derive(Debug, Clone, Args)]
pub struct ConfirmArgs {
    /// Confirm the number of tenants, where there is no terminal to type it on
    #[arg(long, value_name = "N")]
    pub confirm: Option<usize>,
}

impl ConfirmArgs {
    /// For what can be undone; `doing` says what comes, e.g. `suspending`.
    #[must_use]
    pub fn asking<'a>(&self, doing: &'a str) -> Asking<'a> {
        Asking { doing, given: self.confirm.map(Meant::Number), destroys: false }
    }

    /// The same where `left` are still to be changed of those that an earlier run of the command was
    /// confirmed for: the number that was right then is right again.
    #[must_use]
    pub fn of_a_repeat(&self, left: usize, earlier: Option<usize>) -> Self {
        let repeated = self.confirm.is_some() && self.confirm == earlier;
        Self { confirm: if repeated && earlier > Some(left) { Some(left) } else { self.confirm } }
    }
}

/// What `--confirm` says: which tenant is meant, or how many are. No slug begins with a digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// This one.
    One(Slug),
    /// So many.
    Number(usize),
}

impl FromStr for Meant {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Number).or_else(|_| text.parse().map(Self::One))
    }
}

/// What is about to be done to tenants.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// What comes, e.g. `suspending`.
    pub doing: &'a str,
    /// What `--confirm` says.
    pub given: Option<Meant>,
    /// Whether something is destroyed: then one tenant is confirmed, too, by its slug, and several
    /// that were named are confirmed like a selection. One that was named takes no number.
    pub destroys: bool,
}

impl Asking<'_> {
    /// Has it confirmed that these are meant. `selected`: they were chosen by what they are, not by
    /// their names.
    ///
    /// # Errors
    /// When something else is typed or given, or there is nobody to ask.
    pub fn confirm(&self, ctx: &Invocation, slugs: &[&str], selected: bool) -> Result<(), AnyFailure> {
        match (slugs, &self.given) {
            ([slug], given) if self.destroys => self.one(ctx, slug, given.as_ref(), selected),
            (_, Some(Meant::One(given))) => {
                let what = format!("{} {}", self.doing, counted(slugs.len(), "tenant"));
                let again = again(ctx, slugs.len());
                Err(NumberError::Mismatch { what, given: given.to_string(), again }.into())
            }
            (_, Some(Meant::Number(given))) => number(ctx, self.doing, slugs, Some(*given)),
            (_, None) if selected || self.destroys => number(ctx, self.doing, slugs, None),
            (_, None) => Ok(()),
        }
    }

    fn one(
        &self,
        ctx: &Invocation,
        slug: &str,
        given: Option<&Meant>,
        selected: bool,
    ) -> Result<(), AnyFailure> {
        let given = match given {
            Some(Meant::Number(1)) if selected => Some(slug),
            Some(Meant::One(given)) => Some(given.as_str()),
            Some(Meant::Number(wrong)) if selected => {
                return number(ctx, self.doing, &[slug], Some(*wrong));
            }
            Some(Meant::Number(number)) => return Err(not_a_slug(ctx, self.doing, slug, *number).into()),
            None => None,
        };
        let shown = [format!("context {}: {slug}", ctx.settings()?.context)];
        let what = format!("{} tenant {slug}", self.doing);
        Ok(prompt::confirm_word(ctx, &what, &shown, slug, given)?)
    }
}

/// That one tenant was confirmed by a number.
pub(super) fn not_a_slug(ctx: &Invocation, doing: &str, slug: &str, given: usize) -> impl Failure + use<> {
    let what = format!("{doing} tenant {slug}");
    NumberError::Mismatch { what, given: given.to_string(), again: again(ctx, slug) }
}

/// The number was not confirmed. Nothing was done.
#[derive(Debug, thiserror::Error, Failure)]
enum NumberError {
    /// There is no terminal, and no number was given.
    #[error("{what} needs confirmation, and there is no terminal to ask on")]
    #[failure(Forbidden, "confirmation_required")]
    #[hint("to do it: {again}")]
    Unconfirmed { what: String, again: String },
    /// `--confirm` says something else.
    #[error("--confirm {given} does not match: {what}")]
    #[failure(Forbidden, "confirmation_mismatch")]
    #[hint("if these are meant: {again}")]
    Mismatch { what: String, given: String, again: String },
}

/// Has the number of tenants typed. `doing` says what comes, e.g. `suspending`; `given` is what
/// `--confirm` says. One tenant needs no number, and a wrong one is refused all the same.
///
/// # Errors
/// When another number is typed or given, or there is nobody to ask.
pub fn number(ctx: &Invocation, doing: &str, slugs: &[&str], given: Option<usize>) -> Result<(), AnyFailure> {
    let shown = [format!("context {}: {}", ctx.loaded.context, some_of(slugs))];
    number_of(ctx, (doing, "tenant"), slugs.len(), &shown, given)
}

/// The same for things that are no tenants; `shown` are lines that say which.
///
/// # Errors
/// As [`number`].
pub(super) fn number_of(
    ctx: &Invocation,
    (doing, noun): (&str, &str),
    count: usize,
    shown: &[String],
    given: Option<usize>,
) -> Result<(), AnyFailure> {
    let what = format!("{doing} {}", counted(count, noun));
    match given {
        Some(given) if given != count => {
            let given = given.to_string();
            return Err(NumberError::Mismatch { what, given, again: again(ctx, count) }.into());
        }
        Some(_) if ctx.global.yes => return Ok(()),
        _ if count < 2 => return Ok(()),
        _ => {}
    }
    if !ctx.screen.can_ask() {
        return Err(NumberError::Unconfirmed { what, again: again(ctx, count) }.into());
    }
    Ok(prompt::type_word(ctx, &what, shown, &count.to_string())?)
}

/// The first of them, and how many more there are.
fn some_of(slugs: &[&str]) -> String {
    let first = slugs[..slugs.len().min(NAMED)].join(", ");
    match slugs.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn again(ctx: &Invocation, meant: impl std::fmt::Display) -> String {
    let mut flags = format!("--confirm {meant}");
    if !ctx.global.yes {
        flags.insert_str(0, "--yes ");
    }
    command_with(std::env::args_os().skip(1), ctx.screen.installation(), &flags)
}

/// The command that was typed, with other flags of confirmation. The flags that say which installation
/// stand first, where nobody who shows a hint adds them again.
fn command_with(words: impl Iterator<Item = OsString>, installation: &str, flags: &str) -> String {
    const DROPPED: [&str; 3] = ["--confirm", "--context", "--config"];
    let mut line = format!("nexus{installation}");
    let (mut placed, mut drop_next) = (false, false);
    for word in words {
        let word = word.to_string_lossy();
        if std::mem::take(&mut drop_next) {
            continue;
        }
        if !placed && DROPPED.contains(&&*word) {
            drop_next = true;
            continue;
        }
        let joined = |flag: &&str| word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='));
        if !placed && DROPPED.iter().any(joined) {
            continue;
        }
        if !placed && word == "--" {
            line.push(' ');
            line.push_str(flags);
            placed = true;
        }
        line.push(' ');
        line.push_str(&shell::word(&word));
    }
    if !placed {
        line.push(' ');
        line.push_str(flags);
    }
    if line.len() > LONGEST { format!("the same command with {flags}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(line: &[&str]) -> String {
        command_with(line.iter().map(OsString::from), "", "--yes --confirm 3")
    }

    #[test]
    fn the_command_is_repeated_with_the_right_number_and_can_be_pasted() {
        for (typed, expected) in [
            (
                &["tenant", "suspend", "--all", "--reason", "it's late"][..],
                "nexus tenant suspend --all --reason 'it'\\''s late' --yes --confirm 3",
            ),
            (
                &["-o", "json", "--context", "prod", "tenant", "resume", "--where=a=b", "--confirm", "2"],
                "nexus -o json tenant resume --where=a=b --yes --confirm 3",
            ),
            (
                &["tenant", "resume", "--all", "--confirm=4", "--config=x"],
                "nexus tenant resume --all --yes --confirm 3",
            ),
            (
                &["exec", "--all", "--write", "--", "delete from a", "--confirm"],
                "nexus exec --all --write --yes --confirm 3 -- 'delete from a' --confirm",
            ),
        ] {
            assert_eq!(again(typed), expected);
        }
        let typed = ["tenant", "resume", "--all", "--context", "prod"].map(OsString::from);
        assert_eq!(
            command_with(typed.into_iter(), " --context prod", "--confirm 3"),
            "nexus --context prod tenant resume --all --confirm 3"
        );
        let many: Vec<String> = (0..500).map(|n| format!("cust-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(again(&many), "the same command with --yes --confirm 3");
    }

    #[test]
    fn the_first_five_are_named() {
        assert_eq!(some_of(&["a", "b"]), "a, b");
        assert_eq!(some_of(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
