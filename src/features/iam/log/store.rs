//! The SQL of reading the log.

use serde_json::json;
use sqlx::{Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::{LogFilter, LogRow};
use crate::infra::db::{DbError, Log, PgConnection, push_condition, push_span};
use crate::kernel::Page;
use crate::kernel::filter::{FilterValue, Operator};

/// The log: a row has the time at which its transaction began, and no transaction takes a day.
const LOG: Log = Log { table: "nexus.audit_log", number: "id", time: "at" };
/// What a user did, by the index of its expression.
const BY: &str = "right(caller, 36) = ";
/// What was done to a user.
const TO: &str = "user_id = ";

/// One page of the rows that a filter lets through, the newest first, and the one after it, where there is one.
pub(super) async fn page(
    realm: &mut PgConnection,
    filter: &LogFilter,
    page: Page,
) -> Result<Vec<LogRow>, DbError> {
    let mut query = QueryBuilder::new("");
    // Each half has an index of its own, and a condition on both would use neither.
    if let Some(user) = filter.about {
        query.push("select * from (( ");
        push_rows(&mut query, filter);
        query.push(" and ").push(BY).push_bind(user.to_string());
        push_end(&mut query, page);
        query.push(") union (");
        push_rows(&mut query, filter);
        query.push(" and ").push(TO).push_bind(user.uuid());
        push_end(&mut query, page);
        query.push(")) as both_halves");
    } else {
        push_rows(&mut query, filter);
    }
    query.push(" order by id desc limit ").push_bind(page.fetched());
    query.push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().fetch_all(realm).await?)
}

fn push_rows(query: &mut QueryBuilder<Postgres>, filter: &LogFilter) {
    query.push("select id, at, caller, action, user_id, detail from nexus.audit_log where true");
    if let Some(before) = filter.before {
        query.push(" and id < ").push_bind(before);
    }
    if let Some(user) = filter.by {
        query.push(" and ").push(BY).push_bind(user.to_string());
    }
    if let Some(user) = filter.user {
        query.push(" and ").push(TO).push_bind(user.uuid());
    }
    for condition in &filter.conditions {
        let column = match condition.field.as_str() {
            "action" => "action",
            "at" => "at",
            // None that the list allows.
            _ => "null::text",
        };
        push_condition(query, column, condition);
    }
    for (field, name) in [("role", &filter.role), ("group", &filter.group)] {
        if let Some(name) = name {
            query.push(" and detail @> ").push_bind(json!({ field: name }));
        }
    }
    push_span(query, LOG, span(filter));
}

/// From when on, and before when, rows are asked for at most.
fn span(filter: &LogFilter) -> (Option<OffsetDateTime>, Option<OffsetDateTime>) {
    let (mut since, mut until) = (filter.since, filter.until);
    for condition in filter.conditions.iter().filter(|it| it.field == "at") {
        let Some(FilterValue::Time(at)) = condition.values.first() else { continue };
        match condition.operator {
            Operator::Gt => since = since.max(Some(*at)),
            Operator::Lt => until = Some(until.map_or(*at, |before| before.min(*at))),
            _ => {}
        }
    }
    (since, until)
}

/// Of a half, as many of the newest as may come to stand on the page.
fn push_end(query: &mut QueryBuilder<Postgres>, page: Page) {
    query.push(" order by id desc limit ").push_bind(page.offset() + page.fetched());
}
