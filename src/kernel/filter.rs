//! What lists are filtered by: the fields that a list allows, each compared in ways that fit its type.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::word::{WordError, require_lower_case};
use super::{Email, Word, suggest, text};

/// Most values of one condition.
const MOST_VALUES: usize = 100;
/// Most characters of a value.
const LONGEST: usize = 200;

/// How a field is compared with what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// It is this.
    Eq,
    /// It is something else, or nothing.
    Ne,
    /// It is less, or before.
    Lt,
    /// It is more, or after.
    Gt,
    /// It is one of several, written with commas between them.
    In,
    /// This is part of it, whatever the case.
    Contains,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Eq, Self::Ne, Self::Lt, Self::Gt, Self::In, Self::Contains];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Gt => "gt",
            Self::In => "in",
            Self::Contains => "contains",
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType<'a> {
    /// A text of one line.
    Text,
    /// One of these words.
    Word(&'a [&'a str]),
    /// A [`Word`] that operators choose.
    AnyWord,
    /// A name without upper case.
    LowerCase,
    /// An e-mail address; conditions hold what addresses are compared by.
    Address,
    /// `true` or `false`.
    Flag,
    /// A moment (RFC 3339).
    Time,
    /// A day, such as 2026-11-30.
    Day,
    /// A number.
    Number,
}

/// A field that a list may be filtered by.
#[derive(Debug, Clone, Copy)]
pub struct FilterField {
    pub name: &'static str,
    pub kind: FieldType<'static>,
    /// How it may be compared.
    pub operators: &'static [Operator],
    /// What it is, for the API's page: "In this state".
    pub about: &'static str,
}

/// A value that a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum FilterValue {
    Text(String),
    Flag(bool),
    Time(OffsetDateTime),
    Number(serde_json::Number),
}

/// A comparison that a row must meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub field: String,
    pub operator: Operator,
    /// One at least; several where one of them is enough.
    pub values: Vec<FilterValue>,
}

/// Why a comparison is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    pub reason: String,
    /// The nearest name that would be right.
    pub nearest: Option<String>,
}

impl FilterError {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), nearest: None }
    }
}

impl From<WordError> for FilterError {
    fn from(error: WordError) -> Self {
        Self { reason: error.to_string(), nearest: error.nearest() }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The field and the operator of a parameter's name: `state` and nothing, `created_at` and `gt`.
#[must_use]
pub fn parts(parameter: &str) -> (&str, Option<&str>) {
    match parameter.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((field, operator)) => (field, Some(operator)),
        None => (parameter, None),
    }
}

impl Condition {
    /// A comparison of a field of this type; without an operator, it is this.
    ///
    /// # Errors
    /// [`FilterError`] where the field is not compared so, or the value is not of its type.
    pub fn parse(
        (field, kind): (&str, FieldType<'_>),
        allowed: &[Operator],
        (operator, value): (Option<&str>, &str),
    ) -> Result<Self, FilterError> {
        let word = operator.unwrap_or(Operator::Eq.as_str());
        let Some(operator) = allowed.iter().copied().find(|it| it.as_str() == word) else {
            let known: Vec<&str> = allowed.iter().map(|it| it.as_str()).collect();
            let nearest = suggest::nearest(word, known.iter().copied());
            return Err(FilterError {
                reason: format!("{field} is compared by {}", known.join(", ")),
                nearest: nearest.map(|it| format!("{field}[{it}]")),
            });
        };
        let values = match operator {
            Operator::In => {
                let all: Vec<&str> = value.split(',').collect();
                if all.len() > MOST_VALUES {
                    return Err(FilterError::new(format!("it has at most {MOST_VALUES} values")));
                }
                all.into_iter().map(|one| kind.read(one)).collect::<Result<_, _>>()?
            }
            Operator::Contains => {
                let part = line(value)?;
                match kind {
                    FieldType::Address => {
                        Email::keys_of_part(&part).into_iter().map(FilterValue::Text).collect()
                    }
                    _ => vec![FilterValue::Text(part)],
                }
            }
            _ => vec![kind.read(value)?],
        };
        Ok(Self { field: field.to_owned(), operator, values })
    }

    /// The values that are texts.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        for value in &self.values {
            if let FilterValue::Text(text) = value {
                texts.push(text.as_str());
            }
        }
        texts
    }
}

impl FieldType<'_> {
    fn read(self, given: &str) -> Result<FilterValue, FilterError> {
        Ok(match self {
            Self::Text => FilterValue::Text(line(given)?),
            Self::Word(known) => {
                let Some(word) = known.iter().find(|word| **word == given) else {
                    return Err(FilterError {
                        reason: format!("it is one of {}", known.join(", ")),
                        nearest: suggest::nearest(&given.to_lowercase(), known.iter().copied())
                            .map(str::to_owned),
                    });
                };
                FilterValue::Text((*word).to_owned())
            }
            Self::AnyWord => FilterValue::Text(given.parse::<Word>()?.to_string()),
            Self::LowerCase => {
                require_lower_case(given)?;
                FilterValue::Text(line(given)?)
            }
            Self::Address => {
                let address = given.parse::<Email>().map_err(|error| FilterError::new(error.to_string()))?;
                FilterValue::Text(address.key())
            }
            Self::Flag => match given {
                "true" => FilterValue::Flag(true),
                "false" => FilterValue::Flag(false),
                _ => return Err(FilterError::new("it is true or false")),
            },
            Self::Time => {
                let at = OffsetDateTime::parse(given, &Rfc3339);
                FilterValue::Time(at.map_err(|_| FilterError::new("it is a moment (RFC 3339)"))?)
            }
            Self::Day => {
                if !is_day(given) {
                    return Err(FilterError::new("it is a day, such as 2026-11-30"));
                }
                FilterValue::Text(given.to_owned())
            }
            Self::Number => {
                let number = serde_json::from_str(given);
                FilterValue::Number(number.map_err(|_| FilterError::new("it is a number"))?)
            }
        })
    }
}

fn line(given: &str) -> Result<String, FilterError> {
    text::one_line("it", given, 1..=LONGEST).map_err(FilterError::new)
}

/// Whether a text is a day of the calendar as ISO 8601 writes it, with four digits for the year.
#[must_use]
pub fn is_day(text: &str) -> bool {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    text.len() == 10 && time::Date::parse(text, &format).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: FieldType<'_>, parameter: &str, value: &str) -> Result<Condition, FilterError> {
        let (field, operator) = parts(parameter);
        Condition::parse((field, kind), &Operator::ALL, (operator, value))
    }

    #[test]
    fn a_name_without_an_operator_means_equal() {
        assert_eq!(parts("created_at[gt]"), ("created_at", Some("gt")));
        assert_eq!(parts("fields[team][in]"), ("fields[team]", Some("in")));
        let plain = parsed(FieldType::Text, "name", "Ann").unwrap();
        assert_eq!(plain, parsed(FieldType::Text, "name[eq]", "Ann").unwrap());
        assert_eq!(plain.operator, Operator::Eq);
    }

    #[test]
    fn values_are_of_the_type_of_their_field() {
        let words = FieldType::Word(&["active", "locked"]);
        assert_eq!(parsed(words, "state[in]", "active,locked").unwrap().texts(), ["active", "locked"]);
        let wrong = parsed(words, "state", "activ").unwrap_err();
        assert_eq!(wrong.nearest.as_deref(), Some("active"));
        for (kind, value, right) in [
            (words, "ACTIVE", "active"),
            (FieldType::AnyWord, "Gold", "gold"),
            (FieldType::LowerCase, "EU1", "eu1"),
        ] {
            let refused = parsed(kind, "it[in]", &format!("{right},{value}")).unwrap_err();
            assert_eq!(refused.nearest.as_deref(), Some(right), "{kind:?}");
            assert_eq!(parsed(kind, "it", right).unwrap().texts(), [right]);
        }
        assert_eq!(
            parsed(FieldType::Address, "email", "Ann@ACME.example").unwrap().texts(),
            ["ann@acme.example"]
        );
        for (kind, good, bad) in [
            (FieldType::Flag, "true", "yes"),
            (FieldType::Time, "2026-11-30T12:00:00Z", "2026-11-30"),
            (FieldType::Day, "2028-02-29", "2027-02-29"),
            (FieldType::Number, "-1.5e3", "1,5"),
            (FieldType::Text, "a b", "a\0b"),
        ] {
            assert!(parsed(kind, "it", good).is_ok(), "{kind:?} {good}");
            assert!(parsed(kind, "it", bad).is_err(), "{kind:?} {bad}");
        }
    }

    #[test]
    fn an_operator_that_a_field_does_not_have_is_refused_with_the_nearest() {
        let given = (Some("gte"), "2026-11-30T12:00:00Z");
        let wrong = Condition::parse(("created_at", FieldType::Time), &[Operator::Lt, Operator::Gt], given);
        let wrong = wrong.unwrap_err();
        assert_eq!(wrong.nearest.as_deref(), Some("created_at[gt]"));
        assert_eq!(wrong.reason, "created_at is compared by lt, gt");
    }

    #[test]
    fn one_condition_has_at_most_a_hundred_values() {
        let many = vec!["a"; 101].join(",");
        assert!(parsed(FieldType::Text, "name[in]", &many).is_err());
        assert!(parsed(FieldType::Text, "name[in]", &many[2..]).is_ok());
    }
}
