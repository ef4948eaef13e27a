//! What operators call a tenant, and how much it may use: as flags.

use std::str::FromStr;

use clap::Args;

use super::super::arguments::{Limit, set_or_remove};
use crate::features::tenants::{Profile, ProfileChange, TenantError, UsageLimits};
use crate::kernel::Word;

/// Units of bytes; without one, bytes are meant.
const UNITS: [(&str, i64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// An amount of bytes, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostBytes(Option<i64>);

impl FromStr for MostBytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        let unit = UNITS.into_iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
        let (number, bytes) = unit.unwrap_or((text, 1));
        let number = number.trim().parse::<i64>().ok().filter(|number| *number >= 0);
        let all = number.and_then(|number| number.checked_mul(bytes));
        all.map(|all| Self(Some(all))).ok_or("an amount such as 500MB, 10GB or 2TiB, or 'none'")
    }
}

impl MostBytes {
    /// The bytes; `None`: no limit.
    pub(super) fn number(self) -> Option<i64> {
        self.0
    }
}

/// How much a tenant may use.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Limits")]
#[expect(clippy::struct_field_names, reason = "a field is its flag")]
pub struct LimitArgs {
    /// Maximum number of users, or 'none'
    #[arg(long, value_name = "N|none")]
    pub max_users: Option<Limit<i64>>,
    /// Maximum size of its files in all, e.g. 10GB, or 'none'
    #[arg(long, value_name = "SIZE|none")]
    pub max_storage: Option<MostBytes>,
    /// Maximum number of requests to the API in a calendar month (UTC), or 'none'
    #[arg(long, value_name = "N|none")]
    pub max_requests_a_month: Option<Limit<i64>>,
}

/// What operators call a new tenant, and how much it may use.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Profile")]
pub struct ProfileArgs {
    /// Set its tier, e.g. gold
    #[arg(long, value_name = "WORD", conflicts_with = "from")]
    pub tier: Option<Word>,
    /// Set its segment, e.g. enterprise
    #[arg(long, value_name = "WORD", conflicts_with = "from")]
    pub segment: Option<Word>,
    /// Set its type of business, e.g. law-firm
    #[arg(long, value_name = "WORD", conflicts_with = "from")]
    pub business_type: Option<Word>,
    /// Enable a module for it; may be repeated
    #[arg(long = "module", value_name = "WORD", conflicts_with = "from")]
    pub modules: Vec<Word>,
    /// How much it may use
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl ProfileArgs {
    /// The profile.
    pub(super) fn profile(&self) -> Result<Profile, TenantError> {
        let of = Profile {
            tier: self.tier.clone(),
            segment: self.segment.clone(),
            business_type: self.business_type.clone(),
            modules: Vec::new(),
            limits: self.limits.limits(),
        };
        ProfileChange { add_modules: self.modules.clone(), ..ProfileChange::default() }.of(&of)
    }
}

impl LimitArgs {
    fn limits(self) -> UsageLimits {
        UsageLimits {
            max_users: self.max_users.and_then(Limit::number),
            max_storage_bytes: self.max_storage.and_then(MostBytes::number),
            max_requests_a_month: self.max_requests_a_month.and_then(Limit::number),
        }
    }
}

/// What changes of what operators call a tenant, and of how much it may use.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Profile")]
pub struct ProfileChangeArgs {
    /// Set its tier, e.g. gold
    #[arg(long, value_name = "WORD")]
    pub tier: Option<Word>,
    /// Remove its tier
    #[arg(long, conflicts_with = "tier")]
    pub no_tier: bool,
    /// Set its segment, e.g. enterprise
    #[arg(long, value_name = "WORD")]
    pub segment: Option<Word>,
    /// Remove its segment
    #[arg(long, conflicts_with = "segment")]
    pub no_segment: bool,
    /// Set its type of business, e.g. law-firm
    #[arg(long, value_name = "WORD")]
    pub business_type: Option<Word>,
    /// Remove its type of business
    #[arg(long, conflicts_with = "business_type")]
    pub no_business_type: bool,
    /// Enable a module for it; may be repeated
    #[arg(long = "add-module", value_name = "WORD")]
    pub add_modules: Vec<Word>,
    /// Disable a module; may be repeated
    #[arg(long = "remove-module", value_name = "WORD")]
    pub remove_modules: Vec<Word>,
    /// How much it may use
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl ProfileChangeArgs {
    /// The change.
    pub(super) fn change(self) -> ProfileChange {
        ProfileChange {
            tier: set_or_remove(self.tier, self.no_tier),
            segment: set_or_remove(self.segment, self.no_segment),
            business_type: set_or_remove(self.business_type, self.no_business_type),
            modules: None,
            add_modules: self.add_modules,
            remove_modules: self.remove_modules,
            max_users: self.limits.max_users.map(Limit::number),
            max_storage_bytes: self.limits.max_storage.map(MostBytes::number),
            max_requests_a_month: self.limits.max_requests_a_month.map(Limit::number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_their_unit() {
        let bytes = |text: &str| text.parse::<MostBytes>().map(|most| most.0);
        assert_eq!(bytes("10GB"), Ok(Some(10_000_000_000)));
        assert_eq!(bytes("2 GiB"), Ok(Some(2 << 30)));
        assert_eq!(bytes("17"), Ok(Some(17)));
        assert_eq!(bytes("none"), Ok(None));
        for wrong in ["", "GB", "-1", "1.5GB", "9999999999TB", "10 XB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
