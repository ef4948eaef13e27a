//! What a custom field is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::error::IamError;
use crate::infra::db::stored_as_text;
use crate::kernel::{Description, Expected, text};

/// Most choices of a field.
const MOST_CHOICES: usize = 100;

/// Whether users or groups have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum AppliesTo {
    Users,
    Groups,
}
stored_as_text!(AppliesTo);

impl AppliesTo {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Users, Self::Groups];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
        }
    }
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum CustomFieldType {
    /// One line of 1 to 1,000 characters.
    Text,
    Number,
    Boolean,
    /// A day, such as 2026-11-30.
    Date,
    /// One of the field's choices.
    Choice,
}
stored_as_text!(CustomFieldType);

impl CustomFieldType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Number, Self::Boolean, Self::Date, Self::Choice];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Choice => "choice",
        }
    }
}

/// The name of a field: a small letter, then up to 62 small letters, digits and underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldName(String);

impl FieldName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if text.len() <= 63 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err("a field's name is a small letter, then up to 62 small letters, digits and underscores"
            .to_owned())
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which field: by its id, or by what has it and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRef {
    Id(Uuid),
    Named(AppliesTo, FieldName),
}

impl FieldRef {
    pub(super) fn is(&self, field: &CustomField) -> bool {
        match self {
            Self::Id(id) => *id == field.id,
            Self::Named(applies_to, name) => *applies_to == field.applies_to && name.as_str() == field.name,
        }
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Named(applies_to, name) => write!(f, "{name} of {}", applies_to.as_str()),
        }
    }
}

/// A field that a tenant added to its users or groups.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow, ToSchema)]
pub struct CustomField {
    pub id: Uuid,
    pub applies_to: AppliesTo,
    #[schema(example = "department")]
    pub name: String,
    #[serde(rename = "type")]
    pub kind: CustomFieldType,
    /// The allowed values of type choice; none for other types.
    #[schema(example = json!(["sales", "finance"]))]
    pub choices: Vec<String>,
    /// Whether a new user or group, or one whose fields change, must have a value.
    pub required: bool,
    pub description: String,
    /// When it was created (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A field to be added.
#[derive(Debug, Clone)]
pub struct NewCustomField {
    pub applies_to: AppliesTo,
    pub name: FieldName,
    pub kind: CustomFieldType,
    pub choices: Vec<String>,
    pub required: bool,
    pub description: Description,
}

/// What is to be changed of a field; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct CustomFieldUpdate {
    pub choices: Option<Vec<String>>,
    pub required: Option<bool>,
    pub description: Option<Description>,
    pub expected: Expected,
}

/// What is wrong with a value that was given for a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongField {
    /// Where the row is that it stands in, of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    pub name: String,
    pub reason: String,
    /// The name or the choice that may have been meant.
    pub nearest: Option<String>,
}

impl fmt::Display for WrongField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(row) = self.row {
            write!(f, "row {row}: ")?;
        }
        write!(f, "custom field {}: {}", self.name, self.reason)
    }
}

/// The choices of a field as they are kept; only a choice has some.
pub(super) fn checked_choices(
    name: &FieldName,
    kind: CustomFieldType,
    given: &[String],
) -> Result<Vec<String>, IamError> {
    let refused = |reason: &str| Err(IamError::refused_field(name, reason));
    let mut kept: Vec<String> = Vec::new();
    for choice in given {
        // A comma separates values of a filter.
        match text::one_line("a choice", choice, 1..=100) {
            Ok(choice) if choice.contains(',') => return refused("a choice has no comma"),
            Ok(choice) if kept.contains(&choice) => return refused("a choice is given twice"),
            Ok(choice) => kept.push(choice),
            Err(reason) => return refused(&reason),
        }
    }
    match (kind, kept.len()) {
        (CustomFieldType::Choice, 1..=MOST_CHOICES) => Ok(kept),
        (CustomFieldType::Choice, _) => refused("type choice needs 1 to 100 values to choose from"),
        (_, 0) => Ok(kept),
        _ => refused("only a choice has choices"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_fields_of_json_are() {
        for good in ["a", "department", "level_2", &"a".repeat(63)] {
            assert!(good.parse::<FieldName>().is_ok(), "{good}");
        }
        for bad in ["", "2nd", "Team", "a-b", "a b", "größe", "a[b]", &"a".repeat(64)] {
            assert!(bad.parse::<FieldName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_choice_has_choices_and_none_twice() {
        let name: FieldName = "team".parse().unwrap();
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let checked = |kind, all: &[&str]| checked_choices(&name, kind, &texts(all));
        assert_eq!(checked(CustomFieldType::Choice, &["eu", "us"]).unwrap(), ["eu", "us"]);
        assert!(checked(CustomFieldType::Text, &[]).is_ok());
        for (kind, wrong) in [
            (CustomFieldType::Choice, &[][..]),
            (CustomFieldType::Choice, &["eu", "eu"]),
            (CustomFieldType::Choice, &["a,b"]),
            (CustomFieldType::Choice, &[""]),
            (CustomFieldType::Text, &["eu"]),
        ] {
            assert!(checked(kind, wrong).is_err(), "{wrong:?}");
        }
    }
}
