//! `[context.NAME.store]`: the object store in which tenants' buckets are placed.

use super::SecretSetting;
use super::error::SettingsError;
use super::key::{Default, Key, Kind};
use super::values::SectionValues;

/// How buckets and scoped keys are made in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreDriver {
    /// The S3 endpoint that `nexus` itself serves.
    Local,
    /// Garage, whose buckets and keys are made at another address.
    Garage {
        /// Its admin interface: a URL.
        admin_endpoint: String,
    },
}

/// An object store.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// How buckets and scoped keys are made in it.
    pub driver: StoreDriver,
    /// Its S3 endpoint: a URL.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The token with which buckets and keys are made.
    pub admin_token: SecretSetting,
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "driver",
        kind: Kind::Word(&["local", "garage"]),
        default: Default::Value("local"),
        help: "How buckets and scoped keys are created: local is the S3 endpoint that nexus itself serves. Other stores are registered one by one.",
    },
    Key { name: "endpoint", kind: Kind::Url, default: Default::Required, help: "The S3 endpoint's URL." },
    Key {
        name: "admin_endpoint",
        kind: Kind::Url,
        default: Default::Words("none; driver garage needs it"),
        help: "Where buckets and keys are created, if that is elsewhere: the URL of Garage's admin interface.",
    },
    Key {
        name: "region",
        kind: Kind::Text,
        default: Default::Value("us-east-1"),
        help: "The region that requests are signed for.",
    },
    Key {
        name: "admin_token",
        kind: Kind::Secret,
        default: Default::Required,
        help: "Where the token is stored with which buckets and keys are created.",
    },
];

impl StoreSettings {
    pub(super) fn read(section: &SectionValues<'_>) -> Result<Self, SettingsError> {
        section.required("admin_token")?;
        let driver = match section.text("driver") {
            Some("garage") => StoreDriver::Garage {
                admin_endpoint: section.required("admin_endpoint")?.trim_end_matches('/').to_owned(),
            },
            _ => StoreDriver::Local,
        };
        Ok(Self {
            driver,
            endpoint: section.required("endpoint")?.trim_end_matches('/').to_owned(),
            region: section.text("region").unwrap_or("us-east-1").to_owned(),
            admin_token: section
                .secret("admin_token")
                .ok_or_else(|| SettingsError::Missing { key: section.key("admin_token") })?,
        })
    }
}
