//! Which tenants a verb is for: names, all, or those that meet conditions.

use clap::Args;

use super::super::confirm::Asking;
use super::super::{Invocation, complete};
use crate::app::Session;
use crate::features::provisioning::Selected;
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
    /// Tenants that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…", add = complete::selectors())]
    pub conditions: Vec<Selector>,
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

    /// Whether tenants are chosen by what they are, not by their names: a person may not know which.
    #[must_use]
    pub fn is_selection(&self) -> bool {
        self.names.is_empty()
    }

    /// The chosen tenants, each held by its id, so that what is counted now is what is changed later.
    /// A name that nobody has stays as it is, and so does its failure.
    async fn fixed(&self, app: &mut Session, caller: &Caller) -> Result<Vec<Selected>, AnyFailure> {
        let typed = self.tenants(app, caller).await?;
        if self.is_selection() {
            return Ok(typed);
        }
        let mut chosen: Vec<Selected> = Vec::new();
        for one in typed {
            let one = match tenants::find(&mut app.control, caller, &one.tenant).await? {
                Some(found) => Selected { tenant: TenantRef::Id(found.id), slug: found.slug },
                None => one,
            };
            if !chosen.contains(&one) {
                chosen.push(one);
            }
        }
        Ok(chosen)
    }

    /// The chosen tenants, as [`TenantSelection::fixed`], once the user has confirmed how many they are; a
    /// dry run asks nobody.
    pub async fn confirmed(
        &self,
        app: &mut Session,
        caller: &Caller,
        asking: &Asking<'_>,
        ctx: &Invocation,
    ) -> Result<Vec<Selected>, AnyFailure> {
        let chosen = self.fixed(app, caller).await?;
        if chosen.is_empty() && self.is_selection() {
            self.say_that_none_match(app, caller, ctx).await?;
        }
        if !ctx.global.dry_run {
            let slugs: Vec<&str> = chosen.iter().map(|one| one.slug.as_str()).collect();
            asking.confirm(ctx, &slugs, self.is_selection())?;
        }
        Ok(chosen)
    }

    /// Says that the conditions are met by nobody, and which labels there are where one of theirs is
    /// not known at all.
    async fn say_that_none_match(
        &self,
        app: &mut Session,
        caller: &Caller,
        ctx: &Invocation,
    ) -> Result<(), AnyFailure> {
        let selector = Selector::all_of(self.conditions.clone());
        none_match(&selector, app, caller, ctx).await
    }

    /// The chosen tenants, those that are gone left out: by slug, or as they were named. Whether a
    /// name is that of a tenant is found out when it is used. A name that is typed twice counts once.
    pub async fn tenants(&self, app: &mut Session, caller: &Caller) -> Result<Vec<Selected>, AnyFailure> {
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

/// Says that a selector lets nobody through. A label's key that no tenant has may be a slip, so the
/// keys that there are are named then.
pub(super) async fn none_match(
    selector: &Selector,
    app: &mut Session,
    caller: &Caller,
    ctx: &Invocation,
) -> Result<(), AnyFailure> {
    let mut said = "no tenants match".to_owned();
    let asked = selector.label_keys();
    if !asked.is_empty() {
        let known = tenants::label_keys(&mut app.control, caller).await?;
        if asked.iter().any(|key| !known.iter().any(|known| known == key)) {
            let keys = known.join(", ");
            let labels = if keys.is_empty() { "no tenant has a label" } else { "known label keys: " };
            said.extend(["; ", labels, &keys]);
        }
    }
    ctx.screen.note(&said);
    for (key, nearest) in selector.suspects() {
        ctx.screen.note(&format!("{key} was taken for a label; did you mean {nearest}?"));
    }
    Ok(())
}
