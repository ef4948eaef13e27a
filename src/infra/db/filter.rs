//! Conditions of a list as SQL. Columns are the caller's own words, values are bound.

use sqlx::{Postgres, QueryBuilder};
use time::OffsetDateTime;

use crate::kernel::filter::{Condition, FilterValue, Operator};

/// Appends ` and` that a column meets a condition. `column` is an expression of the statement.
pub fn push_condition(query: &mut QueryBuilder<Postgres>, column: &str, condition: &Condition) {
    let comparison = match condition.operator {
        Operator::Eq => "=",
        Operator::Ne => "is distinct from",
        Operator::Lt => "<",
        Operator::Gt => ">",
        Operator::In => return push_any(query, column, &condition.values),
        Operator::Contains => return push_contains(query, column, condition),
    };
    if let Some(value) = condition.values.first() {
        query.push(format_args!(" and {column} {comparison} "));
        push_value(query, value);
    }
}

fn push_value(query: &mut QueryBuilder<Postgres>, value: &FilterValue) {
    match value {
        FilterValue::Text(text) => query.push_bind(text.clone()),
        FilterValue::Flag(flag) => query.push_bind(*flag),
        FilterValue::Time(at) => query.push_bind(*at),
        FilterValue::Number(number) => query.push_bind(number.as_f64().unwrap_or_default()),
    };
}

fn push_any(query: &mut QueryBuilder<Postgres>, column: &str, values: &[FilterValue]) {
    query.push(format_args!(" and {column} in ("));
    for (at, value) in values.iter().enumerate() {
        query.push(if at == 0 { "" } else { ", " });
        push_value(query, value);
    }
    query.push(")");
}

fn push_contains(query: &mut QueryBuilder<Postgres>, column: &str, condition: &Condition) {
    for (at, text) in condition.texts().into_iter().enumerate() {
        query.push(if at == 0 { " and (" } else { " or " });
        // The side that folds case is the one that has folded the column.
        query.push(format_args!("lower({column}) like lower("));
        query.push_bind(pattern_of_part(text)).push(")");
    }
    query.push(")");
}

/// A log: a table whose rows are numbered in the order in which they were written, with the time of each. Both have an
/// index.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    pub table: &'static str,
    pub number: &'static str,
    pub time: &'static str,
}

/// By how much a clock may have been set back, so that a later row has an earlier time.
const SET_BACK: &str = "interval '1 day'";

/// Appends ` and` that rows are of a span of time, for a list in the order of their numbers: from a moment on, and
/// before another. A bound on numbers goes with each, so that no list walks through all rows on the other side.
pub fn push_span(
    query: &mut QueryBuilder<Postgres>,
    Log { table, number, time }: Log,
    (since, until): (Option<OffsetDateTime>, Option<OffsetDateTime>),
) {
    if let Some(since) = since {
        query.push(format_args!(" and {time} >= ")).push_bind(since);
        query.push(format_args!(" and {number} > coalesce((select {number} from {table} where {time} < "));
        query.push_bind(since).push(format_args!(" - {SET_BACK} order by {time} desc limit 1), 0)"));
    }
    if let Some(until) = until {
        query.push(format_args!(" and {time} < ")).push_bind(until);
        query.push(format_args!(" and {number} < coalesce((select {number} from {table} where {time} >= "));
        query.push_bind(until).push(format_args!(" + {SET_BACK} order by {time} limit 1), {})", i64::MAX));
    }
}

/// A text as LIKE takes it literally (manual, chapter 9.7.1).
#[must_use]
pub fn like_literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The pattern of LIKE for texts that hold this one.
#[must_use]
pub fn pattern_of_part(text: &str) -> String {
    format!("%{}%", like_literal(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(operator: Operator, values: Vec<FilterValue>) -> String {
        let mut query = QueryBuilder::new("true");
        push_condition(&mut query, "t.c", &Condition { field: "c".to_owned(), operator, values });
        query.sql().as_str().to_owned()
    }

    #[test]
    fn values_are_bound() {
        let text = |text: &str| FilterValue::Text(text.to_owned());
        assert_eq!(sql(Operator::Eq, vec![text("'")]), "true and t.c = $1");
        assert_eq!(sql(Operator::Ne, vec![FilterValue::Flag(true)]), "true and t.c is distinct from $1");
        assert_eq!(sql(Operator::In, vec![text("a"), text("b")]), "true and t.c in ($1, $2)");
        let part = "true and (lower(t.c) like lower($1) or lower(t.c) like lower($2))";
        assert_eq!(sql(Operator::Contains, vec![text("a"), text("b")]), part);
        assert_eq!(pattern_of_part("5%_\\"), "%5\\%\\_\\\\%");
    }
}
