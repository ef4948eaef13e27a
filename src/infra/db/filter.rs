//! Conditions of a list as SQL. Columns are the caller's own words, values are bound.

use sqlx::{Postgres, QueryBuilder};

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
