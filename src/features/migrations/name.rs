//! The name of a set, and the name of its history table.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Most bytes of an identifier; PostgreSQL silently cuts a longer one (manual, chapter 4.1.1).
const LONGEST: usize = 63;

/// 1 to 40 lower-case letters, digits, hyphens and underscores, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SetName(String);

/// Why a text is not the name of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a set's name: 1 to 40 of a-z, 0-9, '-' and '_', beginning with a letter")]
pub struct SetNameError(String);

impl SetName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SetName {
    type Err = SetNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let good = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(SetNameError(text.to_owned())) }
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A history table: schema and table, both such that they mean the same with quotes and without,
/// because sqlx writes them without.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct HistoryTable(String);

/// Why a text is not the name of a history table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryTableError {
    /// Not of the shape.
    #[error(
        "{0:?} is not a history table: SCHEMA.TABLE, each 1 to 63 of a-z, 0-9 and '_', not beginning with a digit"
    )]
    Shape(String),
    /// A schema that is not the operator's.
    #[error("schema {0:?} is not for an operator's tables; take another, e.g. public")]
    Schema(String),
}

impl HistoryTable {
    /// The table that sqlx's own tools look for where nothing else is said.
    #[must_use]
    pub fn usual() -> Self {
        Self("public._sqlx_migrations".to_owned())
    }

    /// The usual table with the name of a set at its end.
    #[must_use]
    pub fn of_set(set: &SetName) -> Self {
        Self(format!("public._sqlx_migrations_{}", set.as_str().replace('-', "_")))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HistoryTable {
    type Err = HistoryTableError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (schema, table) = text.split_once('.').unwrap_or(("public", text));
        if !is_plain(schema) || !is_plain(table) {
            return Err(HistoryTableError::Shape(text.to_owned()));
        }
        // Nexus's own tables are in schema nexus; pg_ is the server's (manual, chapter 5.9.5).
        if matches!(schema, "nexus" | "information_schema") || schema.starts_with("pg_") {
            return Err(HistoryTableError::Schema(schema.to_owned()));
        }
        Ok(Self(format!("{schema}.{table}")))
    }
}

impl fmt::Display for HistoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an identifier is the same with quotes and without.
fn is_plain(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_a_short_plain_name() {
        assert_eq!("shop_2-eu".parse::<SetName>().unwrap().as_str(), "shop_2-eu");
        for bad in ["", "1a", "Shop", "a b", "../x", "a.b", "a\"b", &"a".repeat(41)] {
            assert!(bad.parse::<SetName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_history_table_needs_no_quotes() {
        let table = |text: &str| text.parse::<HistoryTable>().map(|it| it.to_string());
        assert_eq!(table("app.history").unwrap(), "app.history");
        assert_eq!(table("history").unwrap(), "public.history");
        for bad in ["", ".", "a.", ".a", "a.b.c", "A.b", "a b", "a.b; drop table c", "a.\"b\"", "1.b"] {
            assert!(matches!(table(bad), Err(HistoryTableError::Shape(_))), "{bad}");
        }
        for foreign in ["nexus.x", "pg_catalog.x", "information_schema.x"] {
            assert!(matches!(table(foreign), Err(HistoryTableError::Schema(_))), "{foreign}");
        }
        let long = "a".repeat(64);
        assert!(table(&long).is_err());
    }

    #[test]
    fn the_table_that_is_offered_instead_is_a_history_table() {
        for name in ["shop", "shop-eu", &"a".repeat(40)] {
            let offered = HistoryTable::of_set(&name.parse().unwrap());
            assert_eq!(offered.as_str().parse::<HistoryTable>().unwrap(), offered);
        }
    }
}
