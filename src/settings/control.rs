//! `[context.NAME.control]`: the server of the control database.

use super::error::SettingsError;
use super::key::{Default, Key, Kind};
use super::server::{self, ServerSettings};
use super::values::SectionValues;

pub(super) const KEYS: &[Key] = &[
    server::HOST,
    server::PORT_KEY,
    server::USER,
    Key {
        name: "database",
        kind: Kind::Text,
        default: Default::Value("nexus"),
        help: "The control database; created when the installation is set up.",
    },
    server::PASSWORD,
    server::TLS,
    server::CA_FILE,
];

pub(super) fn read(section: &SectionValues<'_>) -> Result<ServerSettings, SettingsError> {
    server::read(section, "nexus")
}
