//! What can be wrong with settings.

use std::io;
use std::path::{Path, PathBuf};

use super::context_name::ContextNameError;
use super::home::Home;
use super::secret_ref::SecretRefError;
use super::trust::Distrust;
use super::values::Origin;
use crate::kernel::hint::PlatformAction;
use crate::kernel::{Failure, Hint, shell, suggest};

/// What a key would have taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Expected {
    /// In words.
    #[error("{0}")]
    Words(String),
    /// One of several words.
    #[error("one of {}", .0.join(", "))]
    OneOf(&'static [&'static str]),
    /// The issuer of tokens.
    #[error("an https URL without a user, a query or a fragment; http is for this machine alone")]
    Issuer {
        /// The same URL as clients write it, where that is all that is wrong.
        written: Option<String>,
    },
    /// A reference to a secret.
    #[error("a reference to a secret: {0}")]
    Secret(SecretRefError),
}

/// What can be wrong with settings. No message repeats a value that could be a secret.
#[derive(Debug, thiserror::Error, Failure)]
pub enum SettingsError {
    /// The settings file that was named does not exist.
    #[error("there is no settings file {}", file.display())]
    #[failure(Invalid, "settings_file_missing")]
    #[hint(if let Origin::Environment(name) = origin, "unset {name}")]
    #[hint(else, "name none to use the usual places")]
    NoFile { file: PathBuf, origin: Origin },
    /// The settings file cannot be read.
    #[error("cannot read the settings file {}: {source}", file.display())]
    #[failure(Invalid, "settings_file_unreadable")]
    Unreadable { file: PathBuf, source: io::Error },
    /// The settings file is a folder, a device, or far too long.
    #[error("{} is not a settings file: not an ordinary file, or longer than 1 MiB", file.display())]
    #[failure(Invalid, "settings_file_unreadable")]
    NotSettings { file: PathBuf },
    /// A file or folder that somebody else could have written.
    #[error("the {what} {} is not trusted: {reason}", path.display())]
    #[failure(if *what == HOME, Forbidden, "home_untrusted")]
    #[failure(Forbidden, "settings_file_untrusted")]
    #[hints(distrusted(what, path, reason))]
    Untrusted {
        what: &'static str,
        path: PathBuf,
        #[source]
        reason: Distrust,
    },
    /// The settings file is not TOML.
    #[error("{}:{line}: {reason}", file.display())]
    #[failure(Invalid, "settings_syntax")]
    Syntax {
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        reason: String,
    },
    /// A key that Nexus does not know.
    #[error("{origin}: unknown key {key:?}")]
    #[failure(Invalid, "settings_key_unknown")]
    #[hint(if let Some(key) = nearest, "did you mean {key}?")]
    #[hint(else, "the keys there are: {}", known.join(", "))]
    #[details(key)]
    UnknownKey {
        key: String,
        origin: Origin,
        /// The key that was meant, perhaps.
        nearest: Option<String>,
        known: Vec<String>,
    },
    /// A variable that looks like a key's, but is not one.
    #[error("the variable {name} does not stand for a key")]
    #[failure(Invalid, "settings_variable_unknown")]
    #[hint(if let Some(name) = nearest, "did you mean {name}?")]
    #[hint(else, "unset {name}")]
    #[details(variable = name)]
    UnknownVariable {
        name: String,
        /// The variable that was meant, perhaps.
        nearest: Option<String>,
    },
    /// A value that its key cannot take.
    #[error("{origin}: {key} must be {expected}{}", .shown.as_ref().map(|text| format!(", not {text:?}")).unwrap_or_default())]
    #[failure(Invalid, "settings_value_invalid")]
    #[hints(if matches!(expected, Expected::Secret(_)), super::secret_ref::forms())]
    #[hint(else if let Expected::Issuer { written } = expected, "{}", issuer_hint(written.as_deref()))]
    #[hint(else if let Some(word) = meant(shown.as_deref(), expected), "did you mean {word}?")]
    #[details(key)]
    Value {
        key: String,
        /// What was given, where it can be no secret.
        shown: Option<String>,
        expected: Expected,
        origin: Origin,
    },
    /// A key that must be set is not.
    #[error("{key} is not set")]
    #[failure(Invalid, "settings_key_missing")]
    #[hint("set it in nexus.toml, or as {}", super::key::variable(key))]
    #[hint("every key and what it takes: docs/configuration.md")]
    #[details(key)]
    Missing { key: String },
    /// A context that is not configured.
    #[error("there is no context {name:?}")]
    #[failure(NotFound, "context_unknown")]
    #[hint(if let Some(name) = suggest::alike(name, known.iter().map(String::as_str)), "did you mean {}?", shell::word(name))]
    #[hint(PlatformAction::ListContexts)]
    #[hint(if let Some(file) = file, "describe it in {} under [context.{name}]", file.display())]
    #[hint(else, "describe it in nexus.toml under [context.{name}]")]
    UnknownContext {
        name: String,
        known: Vec<String>,
        /// The file that was read.
        file: Option<PathBuf>,
    },
    /// A name that no context can have.
    #[error("{name:?} cannot name a context: {reason}")]
    #[failure(Invalid, "context_name_invalid")]
    ContextName { name: String, reason: ContextNameError },
    /// `context = "…"`, where tables of contexts belong.
    #[error("{origin}: context holds a table for each context, not a value")]
    #[failure(Invalid, "settings_value_invalid")]
    #[hint("to choose the context that is used, write default_context = \"NAME\"")]
    ContextIsATable { origin: Origin },
    /// A server is given for the embedded stack.
    #[error("{key} is set, but the context local is the embedded stack and has its own servers")]
    #[failure(Invalid, "context_local_is_embedded")]
    #[hint("give the context another name, e.g. [context.prod.control]")]
    LocalIsEmbedded { key: String },
    /// Mail would go to another machine unencrypted.
    #[error(
        "{section}smtp_tls is none, and smtp_host is another machine: mail and password could be read on the way"
    )]
    #[failure(Invalid, "mail_unencrypted")]
    #[hint("set smtp_tls = \"starttls\", or \"implicit\" for port 465")]
    #[hint("or, where nobody else can read on the network path, set smtp_plaintext = \"allow\"")]
    MailUnencrypted {
        /// The section, with a dot at its end.
        section: String,
    },
    /// There is no data folder.
    #[error("neither NEXUS_HOME nor HOME is set, so there is no data folder")]
    #[failure(Invalid, "home_unknown")]
    #[hint("export NEXUS_HOME=/path/to/a/folder")]
    NoHome,
    /// A settings file could not be changed.
    #[error("cannot write the settings file {}: {source}", file.display())]
    #[failure(Invalid, "settings_file_unwritable")]
    Unwritable { file: PathBuf, source: io::Error },
}

impl SettingsError {
    /// That the folder which Nexus keeps things under is not trusted.
    #[must_use]
    pub fn untrusted_home(home: &Home, reason: Distrust) -> Self {
        Self::Untrusted { what: HOME, path: home.path().to_owned(), reason }
    }
}

/// What [`SettingsError::Untrusted`] calls the folder under which all is kept.
const HOME: &str = "folder";

/// The same of a settings file.
pub(super) const SETTINGS_FILE: &str = "settings file";

/// What to do about a file or a folder that is not trusted.
fn distrusted(what: &str, path: &Path, reason: &Distrust) -> Vec<Hint> {
    let hints = reason.hints();
    let or = if hints.is_empty() { "" } else { "or " };
    let other = match what {
        HOME => {
            Some(Hint::from(format!("{or}name a folder of your own: export NEXUS_HOME={}", own_folder())))
        }
        SETTINGS_FILE => Some(Hint::new(
            format!("{or}read it and use a copy"),
            PlatformAction::UseCopyOfSettings(name(path)),
        )),
        _ => None,
    };
    hints.into_iter().map(Hint::from).chain(other).collect()
}

/// What an issuer is to be.
fn issuer_hint(written: Option<&str>) -> String {
    match written {
        Some(written) => format!("write it as clients do: {written}"),
        None => format!(
            "use the URL at which clients reach the API, e.g. https://api.example.com; without one it is {}",
            super::serve::ISSUER
        ),
    }
}

/// The word that was probably meant by another one.
fn meant<'a>(shown: Option<&str>, expected: &Expected) -> Option<&'a str> {
    let Expected::OneOf(words) = expected else { return None };
    suggest::nearest(shown?, words.iter().copied())
}

/// A folder that nobody else can write, whoever asks.
fn own_folder() -> &'static str {
    if nix::unistd::geteuid().is_root() { "/var/lib/nexus" } else { "\"$HOME/.local/share/nexus\"" }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
