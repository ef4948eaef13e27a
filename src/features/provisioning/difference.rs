//! What a tenant has that is not what was given.

use std::fmt;

use crate::features::tenants::Profile;
use crate::kernel::{Labels, Word};

/// One of a tenant's settings that is not what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub what: &'static str,
    pub is: String,
    pub given: String,
}

impl Difference {
    pub(super) fn of(what: &'static str, given: Option<&str>, is: &str) -> Option<Self> {
        let given = given.filter(|given| *given != is)?;
        Some(Self { what, is: is.to_owned(), given: given.to_owned() })
    }

    /// Labels that were not given are nobody's matter.
    pub(super) fn of_labels(given: &Labels, is: &Labels) -> Option<Self> {
        let differ = given.iter().any(|(key, value)| is.get(key) != Some(value));
        let text = |labels: &Labels| {
            let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            pairs.join(",")
        };
        differ.then(|| Self { what: "labels", is: text(is), given: text(given) })
    }

    /// What of a profile was not given is nobody's matter, and neither are modules beside those.
    pub(super) fn of_profile(given: &Profile, is: &Profile) -> Vec<Self> {
        let word = |what, given: &Option<Word>, is: &Option<Word>| {
            let text = |word: &Option<Word>| word.as_ref().map(ToString::to_string);
            Self::of(what, text(given).as_deref(), &text(is).unwrap_or_default())
        };
        let limit = |what, given: Option<i64>, is: Option<i64>| {
            let text = |limit: Option<i64>| limit.map(|limit| limit.to_string());
            Self::of(what, text(given).as_deref(), &text(is).unwrap_or_default())
        };
        let list = |modules: &[Word]| modules.iter().map(Word::as_str).collect::<Vec<_>>().join(",");
        let lacks = given.modules.iter().any(|module| !is.modules.contains(module));
        let modules =
            lacks.then(|| Self { what: "modules", is: list(&is.modules), given: list(&given.modules) });
        let (wanted, has) = (&given.limits, &is.limits);
        let all = [
            word("tier", &given.tier, &is.tier),
            word("segment", &given.segment, &is.segment),
            word("business_type", &given.business_type, &is.business_type),
            modules,
            limit("max_users", wanted.max_users, has.max_users),
            limit("max_storage_bytes", wanted.max_storage_bytes, has.max_storage_bytes),
            limit("max_requests_a_month", wanted.max_requests_a_month, has.max_requests_a_month),
        ];
        all.into_iter().flatten().collect()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, is, given } = self;
        let verb = if matches!(*what, "labels" | "modules") { "are" } else { "is" };
        let is = if is.is_empty() { "not set".to_owned() } else { format!("{is:?}") };
        write!(f, "its {what} {verb} {is}, not {given:?}")
    }
}
