//! Which tenants are looked at, where nothing said means all.

use clap::Args;

use super::super::complete;
use crate::features::fleet::Wanted;
use crate::features::tenants::{Selector, TenantRef};

/// The tenants that are looked at: all, unless it is said.
#[derive(Debug, Clone, Args)]
pub struct WideSelection {
    /// Only these tenants, by slug or id
    #[arg(value_name = "SLUG|ID", conflicts_with_all = ["all", "conditions"], add = complete::tenants())]
    pub names: Vec<TenantRef>,
    /// Every tenant: the default
    #[arg(long, conflicts_with = "conditions")]
    pub all: bool,
    /// Only tenants that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…")]
    pub conditions: Vec<Selector>,
}

impl WideSelection {
    /// Who is meant.
    #[must_use]
    pub fn wanted(self) -> Wanted {
        if self.names.is_empty() {
            Wanted::Matching(Selector::all_of(self.conditions))
        } else {
            Wanted::Named(self.names)
        }
    }
}
