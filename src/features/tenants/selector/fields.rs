//! What lists of tenants may be filtered by, field by field, as conditions of a selector.

use time::{Duration, OffsetDateTime};

use super::{Condition, Moment, Pattern, Selector, TextField};
use crate::features::tenants::model::TenantState;
use crate::kernel::filter::{self, FieldType, FilterField, FilterValue, Operator};
use crate::kernel::word::words_of;

/// The words of the states.
const STATES: [&str; TenantState::ALL.len()] = words_of!(TenantState);

/// The fields.
pub const FIELDS: &[FilterField] = {
    use Operator::{Contains, Eq, Gt, In, Lt, Ne};
    const SOME: &[Operator] = &[Eq, Ne, In];
    const PART: &[Operator] = &[Eq, Ne, In, Contains];
    &[
        FilterField {
            name: "state",
            kind: FieldType::Word(&STATES),
            operators: SOME,
            about: "In this state: provisioning, pooled, active, suspended, trashed, deleting or deleted; without it, \
                    all but the pooled, the trashed and the deleted",
        },
        FilterField { name: "slug", kind: FieldType::LowerCase, operators: PART, about: "With this slug" },
        FilterField { name: "name", kind: FieldType::Text, operators: PART, about: "With this name" },
        FilterField { name: "cluster", kind: FieldType::LowerCase, operators: SOME, about: "On this server" },
        FilterField {
            name: "store",
            kind: FieldType::LowerCase,
            operators: SOME,
            about: "In this object store",
        },
        FilterField { name: "tier", kind: FieldType::AnyWord, operators: SOME, about: "Of this tier" },
        FilterField { name: "segment", kind: FieldType::AnyWord, operators: SOME, about: "Of this segment" },
        FilterField {
            name: "business_type",
            kind: FieldType::AnyWord,
            operators: SOME,
            about: "Of this type of business",
        },
        FilterField {
            name: "created_at",
            kind: FieldType::Time,
            operators: &[Lt, Gt],
            about: "Created at this moment",
        },
    ]
};

impl Selector {
    /// Those that meet a condition on one of [`FIELDS`].
    #[must_use]
    pub fn field(condition: &filter::Condition) -> Self {
        let conditions = match condition.field.as_str() {
            "state" => vec![states(condition)],
            "slug" => vec![texts(TextField::Slug, condition)],
            "name" => vec![texts(TextField::Name, condition)],
            "cluster" => vec![texts(TextField::Cluster, condition)],
            "store" => vec![texts(TextField::Store, condition)],
            "tier" => vec![texts(TextField::Tier, condition)],
            "segment" => vec![texts(TextField::Segment, condition)],
            "business_type" => vec![texts(TextField::BusinessType, condition)],
            "created_at" => condition.values.iter().filter_map(|value| created(condition, value)).collect(),
            // None that the list allows.
            _ => Vec::new(),
        };
        Self { conditions }
    }
}

fn states(condition: &filter::Condition) -> Condition {
    let words = condition.texts();
    let any = TenantState::ALL.into_iter().filter(|state| words.contains(&state.as_str())).collect();
    Condition::State { not: condition.operator == Operator::Ne, any }
}

fn texts(field: TextField, condition: &filter::Condition) -> Condition {
    let pattern = |text: &str| match condition.operator {
        Operator::Contains => Pattern::Part(text.to_owned()),
        _ => Pattern::Exact(text.to_owned()),
    };
    let any = condition.texts().into_iter().map(pattern).collect();
    Condition::Text { field, not: condition.operator == Operator::Ne, any }
}

fn created(condition: &filter::Condition, value: &FilterValue) -> Option<Condition> {
    let FilterValue::Time(at) = value else { return None };
    let moment = |at: OffsetDateTime| Some(Moment::At(at));
    let (from, before) = match condition.operator {
        Operator::Lt => (None, moment(*at)),
        // Moments in the database are of whole microseconds.
        _ => (moment(at.checked_add(Duration::MICROSECOND)?), None),
    };
    Some(Condition::Created { not: false, from, before })
}
