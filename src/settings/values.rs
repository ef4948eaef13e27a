//! Values as they were set, each with where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::key::{ANY, Key, Kind, SECTIONS, Section};
use super::{ContextName, SecretRef, SecretSetting};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A settings file, and the line in it, from 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value as it was set, checked against its key. A secret's value is its reference.
#[derive(Debug, Clone)]
pub struct Value {
    /// The text; a relative path is already made absolute.
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Every value that was set, by its whole path.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    /// The value of a whole path, e.g. `context.prod.control.host`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path)
    }

    /// The whole paths of all values that are set.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// One section's values.
    #[must_use]
    pub fn section(&self, path: &str) -> SectionValues<'_> {
        SectionValues { values: self, path: path.to_owned() }
    }

    /// The contexts that any value belongs to.
    #[must_use]
    pub fn contexts(&self) -> Vec<ContextName> {
        let name = |path: &String| path.strip_prefix("context.")?.split('.').next()?.parse().ok();
        let mut names: Vec<_> = self.0.keys().filter_map(name).collect();
        names.dedup();
        names
    }

    /// Checks a value against its key and takes it, over an older one. `folder` is what a
    /// relative path counts from.
    pub(super) fn set(
        &mut self,
        path: String,
        kind: Kind,
        text: &str,
        origin: Origin,
        folder: &Path,
    ) -> Result<(), SettingsError> {
        if let Err(expected) = kind.check(text) {
            let shown = kind.may_repeat(text).then(|| text.into());
            return Err(SettingsError::Value { key: path, shown, expected, origin });
        }
        let text = match kind {
            Kind::Path => folder.join(text).display().to_string(),
            Kind::Secret => match text.parse::<SecretRef>() {
                Ok(reference) => reference.relative_to(folder).to_text(),
                Err(_) => text.to_owned(),
            },
            _ => text.to_owned(),
        };
        self.0.insert(path, Value { text, origin });
        Ok(())
    }
}

/// Finds the description of a whole path.
#[must_use]
pub fn describe(path: &str) -> Option<(&'static Section, &'static Key)> {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let generic = match table.strip_prefix("context.").and_then(|rest| rest.split_once('.')) {
        Some((_, section)) => format!("context.NAME.{section}"),
        None => table.to_owned(),
    };
    let section = SECTIONS.iter().find(|section| section.path == generic)?;
    let is_it = |key: &&Key| key.name == name || key.name == ANY && !name.is_empty();
    section.keys.iter().find(is_it).map(|key| (section, key))
}

/// One section's values, all of them checked.
#[derive(Debug, Clone)]
pub struct SectionValues<'a> {
    values: &'a Values,
    path: String,
}

impl SectionValues<'_> {
    /// The text of a key, if it is set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(&self.key(name)).map(|value| value.text.as_str())
    }

    /// The number of a key, if it is set.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        self.text(name)?.parse().ok()
    }

    /// The path of a key, if it is set.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// The reference to a secret, if it is set.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<SecretSetting> {
        Some(SecretSetting { key: self.key(name), reference: self.text(name)?.parse().ok()? })
    }

    /// The text of a key that must be set.
    ///
    /// # Errors
    /// When it is not.
    pub fn required(&self, name: &str) -> Result<&str, SettingsError> {
        self.text(name).ok_or_else(|| SettingsError::Missing { key: self.key(name) })
    }

    /// The whole path of the first value that is set, if any is.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        let prefix = self.key("");
        self.values.0.keys().find(|path| path.starts_with(&prefix)).cloned()
    }

    /// The whole paths of all values that are set.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let prefix = self.key("");
        self.values.0.keys().filter(|path| path.starts_with(&prefix)).cloned().collect()
    }

    /// The whole path of a key.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}
