//! Selectors: which tenants are meant, as a person writes it, e.g. `tier=gold,state=active`.
//!
//! Conditions are separated by commas, and a tenant must meet all of them. Start reading at
//! [`Selector`]; `parse.rs` reads the text, `store.rs` turns it into SQL.

use time::OffsetDateTime;

use super::model::TenantState;
use crate::kernel::Word;

mod error;
mod fields;
mod parse;
mod store;

pub use error::SelectorError;
pub use fields::FIELDS;
pub(super) use store::push;

/// What a person can select by, labels apart; the names of JSON's fields.
pub const KEYS: [&str; 13] = [
    "state",
    "cluster",
    "store",
    "slug",
    "name",
    "created",
    "reason",
    "suspended",
    "suspended_by",
    "tier",
    "segment",
    "business_type",
    "module",
];

/// Conditions that a tenant must all meet. None: every tenant that is not gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    conditions: Vec<Condition>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// In one of these states, or in none of them.
    State { not: bool, any: Vec<TenantState> },
    /// With one of these texts, or with none of them.
    Text { field: TextField, not: bool, any: Vec<Pattern> },
    /// Asked for in this span of time, or outside it.
    Created { not: bool, from: Option<Moment>, before: Option<Moment> },
    /// Suspended since a moment in this span of time, or outside it.
    Suspended { not: bool, from: Option<Moment>, before: Option<Moment> },
    /// Suspended with one of these texts, or with none of them.
    Suspension { field: SuspensionField, not: bool, any: Vec<Pattern> },
    /// With one of these modules, or with none of them.
    Module { not: bool, any: Vec<Word> },
    /// With this label, or without it.
    Present { key: String, not: bool },
    /// With one of these values of a label; or with none of them, the label's absence included.
    Label { key: String, not: bool, any: Vec<String>, shorthand: bool },
}

/// What is compared as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextField {
    Cluster,
    Store,
    Slug,
    Name,
    Tier,
    Segment,
    BusinessType,
}

/// What is compared of a suspension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SuspensionField {
    Reason,
    By,
}

/// A text, a pattern of LIKE (manual, chapter 9.7.1), or a part of a text, whatever the case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Like(String),
    Part(String),
}

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    At(OffsetDateTime),
    /// So many seconds before the control database's clock.
    Ago(i64),
}

impl Selector {
    /// Those in a state.
    #[must_use]
    pub fn state(state: TenantState) -> Self {
        Self { conditions: vec![Condition::State { not: false, any: vec![state] }] }
    }

    /// Those in one of these states.
    #[must_use]
    pub fn states(any: &[TenantState]) -> Self {
        Self { conditions: vec![Condition::State { not: false, any: any.to_vec() }] }
    }

    /// Those on a server for databases.
    #[must_use]
    pub fn cluster(name: &str) -> Self {
        Self::text(TextField::Cluster, name)
    }

    /// Those in an object store.
    #[must_use]
    pub fn store(name: &str) -> Self {
        Self::text(TextField::Store, name)
    }

    /// Those with a module.
    #[must_use]
    pub fn module(word: Word) -> Self {
        Self { conditions: vec![Condition::Module { not: false, any: vec![word] }] }
    }

    fn text(field: TextField, text: &str) -> Self {
        let any = vec![Pattern::Exact(text.to_owned())];
        Self { conditions: vec![Condition::Text { field, not: false, any }] }
    }

    /// Those that fit all of several selectors.
    #[must_use]
    pub fn all_of(selectors: impl IntoIterator<Item = Self>) -> Self {
        Self { conditions: selectors.into_iter().flat_map(|it| it.conditions).collect() }
    }

    /// Whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether tenants that are gone are left out: unless their state is asked for.
    #[must_use]
    pub fn leaves_out_deleted(&self) -> bool {
        !self.asks_for(TenantState::Deleted)
    }

    /// Whether tenants in the trash are left out: unless their state is asked for.
    #[must_use]
    pub fn leaves_out_trashed(&self) -> bool {
        !self.asks_for(TenantState::Trashed)
    }

    /// Whether tenants in a pool are left out: unless their state is asked for.
    #[must_use]
    pub fn leaves_out_pooled(&self) -> bool {
        !self.asks_for(TenantState::Pooled)
    }

    fn asks_for(&self, state: TenantState) -> bool {
        self.conditions.iter().any(
            |condition| matches!(condition, Condition::State { not: false, any } if any.contains(&state)),
        )
    }

    /// Whether the indexes that lists are sorted by tell who fits, without a look at the rows: they
    /// hold the state and the placement, and leave out those that are gone.
    #[must_use]
    pub fn is_in_indexes(&self) -> bool {
        let held = |condition: &Condition| match condition {
            Condition::State { .. } => true,
            Condition::Text { field, .. } => matches!(field, TextField::Cluster | TextField::Store),
            Condition::Created { .. }
            | Condition::Suspended { .. }
            | Condition::Suspension { .. }
            | Condition::Module { .. }
            | Condition::Present { .. }
            | Condition::Label { .. } => false,
        };
        self.leaves_out_deleted() && self.conditions.iter().all(held)
    }

    /// The keys of labels that are asked for.
    #[must_use]
    pub fn label_keys(&self) -> Vec<&str> {
        let key = |condition| match condition {
            &Condition::Label { ref key, .. } | &Condition::Present { ref key, .. } => Some(key.as_str()),
            _ => None,
        };
        self.conditions.iter().filter_map(key).collect()
    }

    /// Label keys written without `label.` that look like a slip of one of [`KEYS`], with that key:
    /// for a hint where nothing was found.
    #[must_use]
    pub fn suspects(&self) -> Vec<(&str, &'static str)> {
        let suspect = |condition| match condition {
            &Condition::Label { ref key, shorthand: true, .. } => {
                Some((key.as_str(), parse::nearest_key(key)?))
            }
            _ => None,
        };
        self.conditions.iter().filter_map(suspect).collect()
    }
}
