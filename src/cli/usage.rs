//! Errors of the command line's grammar, in the same shape as all others.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind as ClapKind};

use super::exit::{self, Exit};
use super::output::{Format, Screen};
use super::{GlobalArgs, hint, output, suggestions};
use crate::features::tenants::SelectorError;
use crate::kernel::slug::SlugError;
use crate::kernel::word::WordError;
use crate::kernel::{Failure, Slug, shell};

/// A command line that Nexus cannot make sense of.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{message}")]
#[failure(Invalid, "usage")]
#[hints(hints.iter().cloned())]
pub struct UsageError {
    message: String,
    hints: Vec<String>,
}

impl UsageError {
    /// Of arguments that are right one by one and wrong together.
    #[must_use]
    pub fn new(message: impl Into<String>, hints: impl IntoIterator<Item = String>) -> Self {
        Self { message: message.into(), hints: hints.into_iter().collect() }
    }
}

/// Whether the command line asks for JSON. For errors in a command line that does not parse.
#[must_use]
pub fn wants_json(args: &[OsString]) -> bool {
    let short = args.iter().take_while(|arg| *arg != "--").filter_map(|arg| arg.to_str()).any(|arg| {
        let joined = arg.strip_prefix("-o").filter(|_| !arg.starts_with("--"));
        joined.is_some_and(|text| text.trim_start_matches('=') == "json")
    });
    short || ["-o", "--output"].iter().any(|flag| flag_value(args, flag).as_deref() == Some("json"))
}

/// The value of a flag, in words that need not make sense as a whole.
#[must_use]
pub fn flag_value(words: &[OsString], flag: &str) -> Option<String> {
    let words: Vec<_> =
        words.iter().take_while(|word| *word != "--").map(|word| word.to_string_lossy()).collect();
    words.iter().enumerate().find_map(|(index, word)| {
        let joined = word.strip_prefix(flag).and_then(|rest| rest.strip_prefix('='));
        let apart = || (word == flag).then(|| words.get(index + 1)).flatten().map(|next| &**next);
        joined.or_else(apart).map(ToOwned::to_owned)
    })
}

/// Shows help where that is what was asked for, else reports the error.
#[must_use]
pub fn report(error: &clap::Error, args: &[OsString]) -> Exit {
    let format = if wants_json(args) { Format::Json } else { Format::Table };
    let screen = Screen::new(&GlobalArgs { output: format, ..GlobalArgs::default() });
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            exit::conclude(&screen, show(&screen, error).map(|()| Exit::Done).map_err(Into::into))
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand if args.len() < 2 => {
            exit::conclude(&screen, show(&screen, error).map(|()| Exit::Done).map_err(Into::into))
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand if format == Format::Table => {
            screen.error(&screen.styled_for_errors(&error.render()));
            Exit::Usage
        }
        _ => exit::conclude(&screen, Err(of_clap(error, args).into())),
    }
}

/// Reports a command line that is not even parsed.
#[must_use]
pub(super) fn refuse(error: UsageError, args: &[OsString]) -> Exit {
    let format = if wants_json(args) { Format::Json } else { Format::Table };
    let screen = Screen::new(&GlobalArgs { output: format, ..GlobalArgs::default() });
    exit::conclude(&screen, Err(error.into()))
}

fn show(screen: &Screen, error: &clap::Error) -> Result<(), output::OutputError> {
    screen.raw(screen.styled_for_data(&error.render()).as_bytes())
}

fn of_clap(error: &clap::Error, args: &[OsString]) -> UsageError {
    let command = command_typed(args);
    let message = if error.kind() == ClapKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "a verb is missing".to_owned()
    } else {
        let said = || first_paragraph(&error.render().to_string());
        unspoken(error, &command).unwrap_or_else(said)
    };
    let mut hints = Vec::new();
    if let (ClapKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        hints.extend(verb_suggestions(&command, word));
    }
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
        let words: Vec<&str> = match error.get(kind) {
            Some(ContextValue::String(word)) => vec![word],
            Some(ContextValue::Strings(words)) => words.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let words: Vec<_> = words.into_iter().filter(|word| !suggestions::destroys(word)).take(2).collect();
        if !words.is_empty() {
            hints.push(format!("did you mean {}?", words.join(" or ")));
        }
    }
    match statement_suggestion(error, &command, args) {
        Some(hint) => hints.push(hint),
        None => hints.extend(slug_suggestion(error, &command)),
    }
    hints.extend(selector_suggestions(error));
    hints.extend(word_suggestion(error));
    hints.extend(value_of_another_tool(error, &command));
    hints.extend(flag_of_another_tool(error, &command));
    hints.extend(one_of_several(error, &command));
    hints.push(format!("{command} --help"));
    UsageError { message, hints }
}

/// What is said instead of clap's words where what was typed may be a password, and is not repeated:
/// a value of a flag that takes none, and what `user password` does not know what to do with.
fn unspoken(error: &clap::Error, command: &str) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let argument = text(ContextKind::InvalidArg);
    let of_password = command.starts_with("nexus user password");
    let value = text(ContextKind::InvalidValue);
    match error.kind() {
        ClapKind::ValueValidation if holds_login(value) => {
            let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
            let why = if why.contains(value) || why.contains('@') { String::new() } else { why };
            Some(format!("invalid value '…' for '{argument}'{why}"))
        }
        ClapKind::InvalidValue if holds_login(value) => Some(format!("invalid value '…' for '{argument}'")),
        ClapKind::UnknownArgument if holds_login(argument) => {
            Some("unexpected argument '…' found".to_owned())
        }
        ClapKind::InvalidSubcommand if holds_login(text(ContextKind::InvalidSubcommand)) => {
            Some("unrecognized subcommand '…'".to_owned())
        }
        ClapKind::TooManyValues => Some(format!("unexpected value '…' for '{argument}' found")),
        ClapKind::UnknownArgument if of_password && !argument.starts_with('-') => {
            Some("unexpected argument '…' found".to_owned())
        }
        ClapKind::ValueValidation if of_password && !text(ContextKind::InvalidValue).contains('@') => {
            let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
            Some(format!("invalid value '…' for '{argument}'{why}"))
        }
        _ => None,
    }
}

/// Whether a text looks like an address with a login in it, e.g. a connection URL: a password that was
/// not escaped may be anywhere in it.
fn holds_login(text: &str) -> bool {
    let before_at = text.rsplit_once('@').map_or("", |(before, _)| before);
    text.contains("://") || before_at.contains(':') || text.to_ascii_lowercase().contains("password=")
}

/// Verbs and their flags that clap names alone where another would do as well.
const ONE_OF: [(&str, &str, &str); 6] = [
    ("nexus exec", "<SQL", "the statement goes after --: nexus exec SLUG -- 'select 1'"),
    (
        "nexus token revoke",
        "<JTI>",
        "or those of somebody: --user E-MAIL, --tenant SLUG; of everybody: --all",
    ),
    ("nexus user update", "--email", "any of --email, --name and --set will do"),
    ("nexus role update", "--name", "any of --name and --description will do"),
    ("nexus group update", "--name", "any of --name and --description will do"),
    ("nexus api-key create", "--file", "or print the key: --reveal"),
];

fn one_of_several(error: &clap::Error, command: &str) -> Option<String> {
    let (_, flag, words) = ONE_OF.iter().find(|(verb, ..)| *verb == command)?;
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing))
            if error.kind() == ClapKind::MissingRequiredArgument
                && missing.iter().any(|name| name.starts_with(flag)) =>
        {
            Some((*words).to_owned())
        }
        _ => None,
    }
}

/// Clap's message without its label, on one line.
fn first_paragraph(rendered: &str) -> String {
    let lines = rendered.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

/// The command that was typed, as far as it is one.
pub(super) fn command_typed(args: &[OsString]) -> String {
    let grammar = super::grammar();
    let mut command = &grammar;
    let mut path = String::from("nexus");
    let mut words = args.iter().skip(1).filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if ["-o", "--output", "--context", "--config"].contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            let Some(inner) = command.find_subcommand(word) else { break };
            command = inner;
            path = format!("{path} {}", command.get_name());
        }
    }
    path
}

/// What is said for a word that is no verb of a command.
fn verb_suggestions(path: &str, word: &str) -> Vec<String> {
    let grammar = super::grammar();
    let mut command = &grammar;
    for name in path.split(' ').skip(1) {
        let Some(inner) = command.find_subcommand(name) else { return Vec::new() };
        command = inner;
    }
    suggestions::of_verb(command, path, word)
}

/// How a statement is typed that stands among the tenants of `exec`.
fn statement_suggestion(error: &clap::Error, command: &str, args: &[OsString]) -> Option<String> {
    std::error::Error::source(error)?.downcast_ref::<SlugError>()?;
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidValue) else { return None };
    let is_statement = typed.trim().contains(char::is_whitespace) && !holds_login(typed);
    if command != "nexus exec" || !is_statement || args.iter().any(|word| word == "--") {
        return None;
    }
    let words = args.iter().skip(1).map(|word| word.to_string_lossy()).filter(|word| word != typed);
    let words: Vec<String> = words.map(|word| shell::word(&word).into_owned()).collect();
    let words = words.join(" ");
    Some(format!("the statement goes after --: nexus {words} -- {}", shell::word(typed)))
}

/// The slug that a word comes to. None beside a verb that shuts out or destroys; one that is made up
/// only for a tenant that is yet to get it.
fn slug_suggestion(error: &clap::Error, command: &str) -> Option<String> {
    let reason = std::error::Error::source(error)?;
    reason.downcast_ref::<SlugError>()?;
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidValue) else { return None };
    if holds_login(typed) {
        return None;
    }
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        _ => "",
    };
    let verb = command.rsplit(' ').next().unwrap_or_default();
    let slug = match (command, argument) {
        ("nexus tenant create", _) | ("nexus tenant rename", "<NEW>") => Slug::suggest(typed),
        _ if suggestions::destroys(verb) || suggestions::shuts_out(verb) => None,
        _ => Slug::like(typed),
    };
    slug.map(|slug| format!("did you mean {slug}?"))
}

/// The word in lower case, where that is what was meant.
fn word_suggestion(error: &clap::Error) -> Option<String> {
    let reason = std::error::Error::source(error)?.downcast_ref::<WordError>()?;
    reason.nearest().map(|word| format!("did you mean {word}?"))
}

/// Values that other tools have: of which verb and flag, and the word here.
const VALUES_OF_OTHERS: [(&str, &str, &str, &str); 3] = [
    ("nexus job list", "--state", "failed", "dead"),
    ("nexus job list", "--state", "pending", "queued"),
    ("nexus job list", "--state", "waiting", "queued"),
];

fn value_of_another_tool(error: &clap::Error, command: &str) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let (flag, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let is_meant = |(verb, its, other, _): &&(&str, &str, &str, &str)| {
        *verb == command && flag.starts_with(its) && *other == value
    };
    VALUES_OF_OTHERS.iter().find(is_meant).map(|(.., word)| format!("did you mean {word}?"))
}

/// Flags that other tools have: of which verb, and what does the same.
const OF_OTHERS: [(&str, &str, &str); 3] = [
    ("nexus serve", "--port", "--bind 127.0.0.1:PORT"),
    ("nexus serve", "--host", "--bind ADDRESS:PORT"),
    ("nexus serve", "--listen", "--bind ADDRESS:PORT"),
];

fn flag_of_another_tool(error: &clap::Error, command: &str) -> Option<String> {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_meant = |(verb, flag, _): &&(&str, &str, &str)| *verb == command && flag == given;
    let (_, _, same) =
        OF_OTHERS.iter().find(is_meant).filter(|_| error.kind() == ClapKind::UnknownArgument)?;
    Some(format!("did you mean {same}?"))
}

fn selector_suggestions(error: &clap::Error) -> Vec<String> {
    let reason = std::error::Error::source(error).and_then(|reason| reason.downcast_ref::<SelectorError>());
    reason.map(Failure::hints).unwrap_or_default().iter().map(hint::sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_in_each_way_it_can_be_written() {
        let asks = |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "nexus -o json x",
            "nexus x --output json",
            "nexus --output=json",
            "nexus -ojson",
            "nexus -o=json",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in ["nexus -o yaml", "nexus json", "nexus tenant psql acme -- -o json", "nexus -o"] {
            assert!(!asks(line), "{line}");
        }
    }
}
