//! Which tenants a verb is for: names, all, or those that meet conditions.

use clap::Args;

use super::super::complete;
use crate::app::App;
use crate::features::tenants::{self, Selector, TenantRef};
use crate::kernel::{AnyFailure, Caller};

/// The tenants that a verb is for. One of the three ways must be used, and only one.
#[derive(Debug, Clone, Args)]
#[group(id = "tenants", required = true, multiple = true)]
pub struct TenantSelection {
    /// The tenants, by slug or id
    #[arg(value_name = "SLUG|ID", conflicts_with_all = ["all", "conditions"], add = complete::tenants())]
    pub names: Vec<TenantRef>,
    /// Every tenant
    #[arg(long, conflicts_with = "conditions")]
    pub all: bool,
    /// Those that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…", add = complete::selectors())]
    pub conditions: Vec<Selector>,
}

/// A tenant that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// How services find it.
    pub tenant: TenantRef,
    /// Its slug; where it was named, what was typed.
    pub slug: String,
}

impl TenantSelection {
    /// The one tenant that was named, if it was one. A verb answers its failure as its own; with
    /// many each has its row.
    #[must_use]
    pub fn one(&self) -> Option<&TenantRef> {
        match &*self.names {
            [name] => Some(name),
            _ => None,
        }
    }

    /// The chosen tenants, those that are gone left out: by slug, or as they were named. Whether a
    /// name is that of a tenant is found out when it is used. A name that is typed twice counts once.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn tenants(&self, app: &mut App, caller: &Caller) -> Result<Vec<Selected>, AnyFailure> {
        if !self.names.is_empty() {
            let mut chosen: Vec<Selected> = Vec::new();
            for name in &self.names {
                if chosen.iter().all(|other| other.tenant != *name) {
                    chosen.push(Selected { tenant: name.clone(), slug: name.to_string() });
                }
            }
            return Ok(chosen);
        }
        let selector = Selector::all_of(self.conditions.clone());
        let found = tenants::select(&mut app.control, caller, &selector).await?;
        Ok(found.into_iter().map(|(id, slug)| Selected { tenant: TenantRef::Id(id), slug }).collect())
    }
}
