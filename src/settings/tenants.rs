//! `[context.NAME.tenants]`: limits of tenants.

use std::time::Duration;

use super::key::{Default, Key, Kind};
use super::values::SectionValues;

/// Limits of tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSettings {
    /// Most connections that a tenant's login may hold at once.
    pub connection_limit: u32,
    /// How long an invitation of a tenant's first admin is good for.
    pub invitation_ttl: Duration,
    /// How many days a deleted tenant is kept before it may be purged.
    pub retention_days: u32,
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "connection_limit",
        kind: Kind::Number(1, 10_000),
        default: Default::Value("20"),
        help: "Most connections that a tenant's login may hold at once.",
    },
    Key {
        name: "invitation_ttl_hours",
        kind: Kind::Number(1, 8_760),
        default: Default::Value("168"),
        help: "How many hours an invitation of a tenant's first admin is valid.",
    },
    Key {
        name: "retention_days",
        kind: Kind::Number(0, 3_650),
        default: Default::Value("30"),
        help: "How many days a deleted tenant is kept before it may be purged.",
    },
];

impl TenantSettings {
    pub(super) fn read(section: &SectionValues<'_>) -> Self {
        let hours = section.number("invitation_ttl_hours").unwrap_or(168);
        Self {
            connection_limit: section.number("connection_limit").unwrap_or(20),
            retention_days: section.number("retention_days").unwrap_or(30),
            invitation_ttl: Duration::from_secs(u64::from(hours) * 3600),
        }
    }
}
