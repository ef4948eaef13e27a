//! What operators call a tenant, in words of their own, and how much it may use.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

use super::error::TenantError;
use crate::kernel::Word;

/// Most modules of a tenant.
pub const MOST_MODULES: usize = 50;

/// What operators call a tenant, and how much it may use. What is not set is not written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, FromRow)]
pub struct Profile {
    /// What it pays for, e.g. `gold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Word>,
    /// Which market it is of, e.g. `enterprise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Word>,
    /// What it does, e.g. `law-firm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_type: Option<Word>,
    /// The modules that are enabled for it; sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Word>,
    /// How much it may use.
    #[sqlx(flatten)]
    #[serde(default, skip_serializing_if = "UsageLimits::is_none")]
    pub limits: UsageLimits,
}

/// How much a tenant may use; null is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, FromRow, ToSchema)]
pub struct UsageLimits {
    /// Users; deleted ones do not count
    #[serde(default)]
    #[schema(minimum = 0, example = 100)]
    pub max_users: Option<i64>,
    /// Bytes of its files
    #[serde(default)]
    #[schema(minimum = 0, example = 10_000_000_000_i64)]
    pub max_storage_bytes: Option<i64>,
    /// Requests to the API in a calendar month (UTC)
    #[serde(default)]
    #[schema(minimum = 0, example = 1_000_000)]
    pub max_requests_a_month: Option<i64>,
}

impl UsageLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What is to be changed of a [`Profile`]. `None` leaves it; `Some(None)` takes it off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    pub tier: Option<Option<Word>>,
    pub segment: Option<Option<Word>>,
    pub business_type: Option<Option<Word>>,
    /// Exactly these modules from now on.
    pub modules: Option<BTreeSet<Word>>,
    /// Modules that it has from now on.
    pub add_modules: Vec<Word>,
    /// Modules that it has no longer.
    pub remove_modules: Vec<Word>,
    pub max_users: Option<Option<i64>>,
    pub max_storage_bytes: Option<Option<i64>>,
    pub max_requests_a_month: Option<Option<i64>>,
}

impl ProfileChange {
    /// What a profile would be after it.
    ///
    /// # Errors
    /// [`TenantError::ModuleTwice`]; [`TenantError::TooManyModules`].
    pub fn of(&self, before: &Profile) -> Result<Profile, TenantError> {
        if let Some(module) = self.add_modules.iter().find(|module| self.remove_modules.contains(module)) {
            return Err(TenantError::ModuleTwice { module: module.to_string() });
        }
        let given = self.modules.clone();
        let mut modules = given.unwrap_or_else(|| before.modules.iter().cloned().collect());
        modules.extend(self.add_modules.iter().cloned());
        modules.retain(|module| !self.remove_modules.contains(module));
        let limits = before.limits;
        Ok(Profile {
            tier: self.tier.clone().unwrap_or_else(|| before.tier.clone()),
            segment: self.segment.clone().unwrap_or_else(|| before.segment.clone()),
            business_type: self.business_type.clone().unwrap_or_else(|| before.business_type.clone()),
            modules: listed(modules)?,
            limits: UsageLimits {
                max_users: self.max_users.unwrap_or(limits.max_users),
                max_storage_bytes: self.max_storage_bytes.unwrap_or(limits.max_storage_bytes),
                max_requests_a_month: self.max_requests_a_month.unwrap_or(limits.max_requests_a_month),
            },
        })
    }
}

fn listed(modules: BTreeSet<Word>) -> Result<Vec<Word>, TenantError> {
    if modules.len() > MOST_MODULES {
        return Err(TenantError::TooManyModules { count: modules.len(), most: MOST_MODULES });
    }
    Ok(modules.into_iter().collect())
}

/// Where `now` bears what a change made of it, each part that the change touched as it was before; `None` where one
/// of them was changed again since.
pub(super) fn put_back(now: &Profile, (before, after): (&Profile, &Profile)) -> Option<Profile> {
    let mut back = now.clone();
    part(&mut back.tier, (&before.tier, &after.tier))?;
    part(&mut back.segment, (&before.segment, &after.segment))?;
    part(&mut back.business_type, (&before.business_type, &after.business_type))?;
    part(&mut back.modules, (&before.modules, &after.modules))?;
    let (old, new) = (&before.limits, &after.limits);
    part(&mut back.limits.max_users, (&old.max_users, &new.max_users))?;
    part(&mut back.limits.max_storage_bytes, (&old.max_storage_bytes, &new.max_storage_bytes))?;
    part(&mut back.limits.max_requests_a_month, (&old.max_requests_a_month, &new.max_requests_a_month))?;
    Some(back)
}

fn part<T: Clone + PartialEq>(now: &mut T, (before, after): (&T, &T)) -> Option<()> {
    if before == after || now == before {
        return Some(());
    }
    (now == after).then(|| now.clone_from(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word {
        text.parse().unwrap()
    }

    fn with(modules: &[&str]) -> Profile {
        Profile { modules: modules.iter().map(|it| word(it)).collect(), ..Profile::default() }
    }

    #[test]
    fn modules_are_added_and_removed_and_kept_sorted() {
        let change = ProfileChange {
            add_modules: vec![word("billing"), word("crm")],
            remove_modules: vec![word("hr")],
            ..ProfileChange::default()
        };
        assert_eq!(change.of(&with(&["crm", "hr"])).unwrap(), with(&["billing", "crm"]));
        let both = ProfileChange {
            add_modules: vec![word("hr")],
            remove_modules: vec![word("hr")],
            ..ProfileChange::default()
        };
        assert!(matches!(both.of(&Profile::default()), Err(TenantError::ModuleTwice { .. })));
        let many = (0..=MOST_MODULES).map(|at| word(&format!("m{at}"))).collect();
        let many = ProfileChange { modules: Some(many), ..ProfileChange::default() };
        assert!(matches!(
            many.of(&Profile::default()),
            Err(TenantError::TooManyModules { count: 51, most: 50 })
        ));
    }

    #[test]
    fn what_was_changed_again_since_is_not_put_back() {
        let gold = Profile { tier: Some(word("gold")), ..with(&["crm"]) };
        let silver = Profile { tier: Some(word("silver")), ..with(&["crm"]) };
        let now = Profile { segment: Some(word("smb")), ..silver.clone() };
        let back = Profile { segment: Some(word("smb")), ..gold.clone() };
        assert_eq!(put_back(&now, (&gold, &silver)), Some(back.clone()));
        assert_eq!(put_back(&back, (&gold, &silver)), Some(back));
        let other = Profile { tier: Some(word("bronze")), ..gold.clone() };
        assert_eq!(put_back(&other, (&gold, &silver)), None);
    }
}
