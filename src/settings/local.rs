//! `[local]`: the embedded stack.

use std::path::PathBuf;

use super::key::{Default, Key, Kind};
use super::values::SectionValues;

/// The embedded stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSettings {
    /// The folder of PostgreSQL's server programs; `None`: looked for in the usual places.
    pub postgres_bin: Option<PathBuf>,
    /// The S3 endpoint's port; `None`: a free one, kept from then on.
    pub s3_port: Option<u16>,
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "postgres_bin",
        kind: Kind::Path,
        default: Default::Words("searched for on PATH, through pg_config and in the distributions' folders"),
        help: "The folder of PostgreSQL's server programs.",
    },
    Key {
        name: "s3_port",
        kind: Kind::Number(1, 65535),
        default: Default::Words("a free one, kept from then on"),
        help: "The port of the S3 endpoint, on the loopback address.",
    },
];

impl LocalSettings {
    pub(super) fn read(section: &SectionValues<'_>) -> Self {
        Self {
            postgres_bin: section.path("postgres_bin"),
            s3_port: section.number("s3_port").and_then(|port| port.try_into().ok()),
        }
    }
}
