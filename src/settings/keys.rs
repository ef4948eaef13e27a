//! `[context.NAME.keys]`: where the master key comes from.

use super::home::Home;
use super::key::{Default, Key, Kind};
use super::values::SectionValues;
use super::{ContextName, SecretRef, SecretSetting};

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// The master key; made when the installation is set up, where this is a file.
    pub master: SecretSetting,
}

pub(super) const KEYS: &[Key] = &[Key {
    name: "master",
    kind: Kind::Secret,
    default: Default::Value("file:$NEXUS_HOME/keys/NAME.key"),
    help: "Where the master key is stored; created when the installation is set up, where this is a file.",
}];

impl KeySettings {
    pub(super) fn read(section: &SectionValues<'_>, home: &Home, context: &ContextName) -> Self {
        let usual = || SecretSetting {
            key: section.key("master"),
            reference: SecretRef::File(home.keys().join(format!("{context}.key"))),
        };
        Self { master: section.secret("master").unwrap_or_else(usual) }
    }
}
