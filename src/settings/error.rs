//! What can be wrong with settings.

use std::io;
use std::path::{Path, PathBuf};

use super::context_name::ContextNameError;
use super::home::Home;
use super::secret_ref::SecretRefError;
use super::trust::Distrust;
use super::values::Origin;
use crate::kernel::{ErrorKind, Failure, shell, suggest};

/// What a key would have taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Expected {
    /// In words.
    #[error("{0}")]
    Words(String),
    /// One of several words.
    #[error("one of {}", .0.join(", "))]
    OneOf(&'static [&'static str]),
    /// A reference to a secret.
    #[error("a reference to a secret: {0}")]
    Secret(SecretRefError),
}

/// What can be wrong with settings. No message repeats a value that could be a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that was named is not there.
    #[error("there is no settings file {}", file.display())]
    NoFile {
        /// The file.
        file: PathBuf,
        /// Who named it.
        origin: Origin,
    },
    /// A file that is there cannot be read.
    #[error("cannot read the settings file {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A folder, a device, or far too long.
    #[error("{} is no settings file: not an ordinary file, or longer than 1 MiB", file.display())]
    NotSettings {
        /// The file.
        file: PathBuf,
    },
    /// A file or folder that somebody else could have written.
    #[error("the {what} {} is not trusted: {reason}", path.display())]
    Untrusted {
        /// What it is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What makes it so.
        #[source]
        reason: Distrust,
    },
    /// Not TOML.
    #[error("{}:{line}: {reason}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's word, which repeats nothing of the file.
        reason: String,
    },
    /// A key that Nexus does not know.
    #[error("{origin}: unknown key {key:?}")]
    UnknownKey {
        /// Its whole path.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The key that was meant, perhaps.
        nearest: Option<String>,
        /// The keys that could stand there.
        known: Vec<String>,
    },
    /// A variable that looks like a key's, and is none.
    #[error("the variable {name} stands for no key")]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The variable that was meant, perhaps.
        nearest: Option<String>,
    },
    /// A value that its key cannot take.
    #[error("{origin}: {key} must be {expected}{}", .shown.as_ref().map(|text| format!(", not {text:?}")).unwrap_or_default())]
    Value {
        /// The key's whole path.
        key: String,
        /// What was given, where it can be no secret.
        shown: Option<String>,
        /// What the key takes.
        expected: Expected,
        /// Where it stands.
        origin: Origin,
    },
    /// A key that must be set is not.
    #[error("{key} is not set")]
    Missing {
        /// The key's whole path.
        key: String,
    },
    /// A context that nothing describes.
    #[error("there is no context {name:?}")]
    UnknownContext {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
        /// The file that was read.
        file: Option<PathBuf>,
    },
    /// Not a context's name.
    #[error("{name:?} cannot name a context: {reason}")]
    ContextName {
        /// What was given.
        name: String,
        /// The rule.
        reason: ContextNameError,
    },
    /// `context = "…"`, where tables of contexts belong.
    #[error("{origin}: context holds a table for each context, not a value")]
    ContextIsATable {
        /// Where it stands.
        origin: Origin,
    },
    /// A server is given for the embedded stack.
    #[error("{key} is set, but the context local is the embedded stack and has its own servers")]
    LocalIsEmbedded {
        /// The key's whole path.
        key: String,
    },
    /// No folder to keep anything in.
    #[error("neither NEXUS_HOME nor HOME is set, so there is no folder to keep anything in")]
    NoHome,
    /// A settings file could not be changed.
    #[error("cannot write the settings file {}: {source}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl Failure for SettingsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownContext { .. } => ErrorKind::NotFound,
            Self::Untrusted { .. } => ErrorKind::Forbidden,
            _ => ErrorKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoFile { .. } => "settings_file_missing",
            Self::Unreadable { .. } | Self::NotSettings { .. } => "settings_file_unreadable",
            Self::Untrusted { what: HOME, .. } => "home_untrusted",
            Self::Untrusted { .. } => "settings_file_untrusted",
            Self::Syntax { .. } => "settings_syntax",
            Self::UnknownKey { .. } => "settings_key_unknown",
            Self::UnknownVariable { .. } => "settings_variable_unknown",
            Self::Value { .. } | Self::ContextIsATable { .. } => "settings_value_invalid",
            Self::Missing { .. } => "settings_key_missing",
            Self::UnknownContext { .. } => "context_unknown",
            Self::ContextName { .. } => "context_name_invalid",
            Self::LocalIsEmbedded { .. } => "context_local_is_embedded",
            Self::NoHome => "home_unknown",
            Self::Unwritable { .. } => "settings_file_unwritable",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoFile { origin: Origin::Environment(name), .. } => vec![format!("unset {name}")],
            Self::NoFile { .. } => vec!["leave --config out to use the usual places".to_owned()],
            Self::Untrusted { what, path, reason } => {
                let other = match *what {
                    HOME => Some(format!("name a folder of your own: export NEXUS_HOME={}", own_folder())),
                    SETTINGS_FILE => {
                        Some(format!("read it and use a copy: nexus --config COPY_OF_{} …", name(path)))
                    }
                    _ => None,
                };
                let mut hints = reason.hints();
                let or = if hints.is_empty() { "" } else { "or " };
                hints.extend(other.map(|other| format!("{or}{other}")));
                hints
            }
            Self::UnknownKey { nearest: Some(key), .. } => vec![format!("did you mean {key}?")],
            Self::UnknownKey { known, .. } => vec![format!("the keys there are: {}", known.join(", "))],
            Self::UnknownVariable { nearest: Some(name), .. } => vec![format!("did you mean {name}?")],
            Self::UnknownVariable { name, .. } => vec![format!("unset {name}")],
            Self::Value { expected: Expected::Secret(_), .. } => super::secret_ref::forms(),
            Self::Value { shown: Some(text), expected: Expected::OneOf(words), .. } => {
                let near = suggest::nearest(text, words.iter().copied());
                near.map(|word| format!("did you mean {word}?")).into_iter().collect()
            }
            Self::Missing { key } => vec![
                format!("set it in nexus.toml, or as {}", super::key::variable(key)),
                "every key and what it takes: docs/configuration.md".to_owned(),
            ],
            Self::UnknownContext { name, known, file } => {
                let near = suggest::alike(name, known.iter().map(String::as_str));
                let near = near.map(|name| format!("did you mean {}?", shell::word(name)));
                let place = match file {
                    Some(file) => format!("describe it in {} under [context.{name}]", file.display()),
                    None => format!("describe it in nexus.toml under [context.{name}]"),
                };
                near.into_iter().chain(["nexus context list".to_owned(), place]).collect()
            }
            Self::ContextIsATable { .. } => {
                vec!["to choose the context that is used, write default_context = \"NAME\"".to_owned()]
            }
            Self::LocalIsEmbedded { .. } => {
                vec!["give the context another name, e.g. [context.prod.control]".to_owned()]
            }
            Self::NoHome => vec!["export NEXUS_HOME=/path/to/a/folder".to_owned()],
            _ => Vec::new(),
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::UnknownKey { key, .. } | Self::Value { key, .. } | Self::Missing { key } => {
                serde_json::json!({ "key": key })
            }
            Self::UnknownVariable { name, .. } => serde_json::json!({ "variable": name }),
            _ => serde_json::Value::Null,
        }
    }
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

/// A folder that nobody else can write, whoever asks.
fn own_folder() -> &'static str {
    if nix::unistd::geteuid().is_root() { "/var/lib/nexus" } else { "\"$HOME/.local/share/nexus\"" }
}

fn name(path: &Path) -> String {
    shell::word(&path.file_name().unwrap_or_default().to_string_lossy()).into_owned()
}
