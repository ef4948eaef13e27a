//! The SQL of lists. A page's rows are chosen by id first, so that what is passed over is not
//! carried along.

use futures_util::TryStreamExt;
use sqlx::{Postgres, QueryBuilder};

use super::super::model::{Tenant, TenantFilter, TenantPosition, TenantSort};
use super::super::selector;
use super::super::store::COLUMNS;
use super::{Counted, Stretch};
use crate::infra::db::{DbError, PgConnection, pattern_of_part};
use crate::kernel::{AnyFailure, Page, TenantId};

/// What a filter and an order ask of a row.
const ASKED: &str = "id, slug, name, state, labels, cluster, store, created_at, search_text, suspended_at, \
                     suspended_by, suspension_reason, trashed_from";

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &TenantFilter) {
    selector::push(query, &filter.selector);
    if let Some(text) = &filter.search {
        let pattern = pattern_of_part(text);
        // The side that folds case is the one that has folded the column.
        query.push(" and search_text like lower(").push_bind(pattern).push(")");
    }
}

/// What a list is sorted by: as the indexes are. A slug is its tenant's alone while it lives.
fn keys(filter: &TenantFilter, sort: TenantSort) -> Vec<&'static str> {
    match sort {
        TenantSort::Slug if filter.selector.leaves_out_deleted() => vec!["slug"],
        _ => vec![sort.column(), "id"],
    }
}

fn order(filter: &TenantFilter, (sort, descending): (TenantSort, bool)) -> String {
    let direction = if descending { "desc" } else { "asc" };
    let keys: Vec<_> = keys(filter, sort).into_iter().map(|key| format!("{key} {direction}")).collect();
    keys.join(", ")
}

/// Appends the condition that a row stands so to a milestone.
fn push_place(
    query: &mut QueryBuilder<Postgres>,
    (filter, sort): (&TenantFilter, TenantSort),
    (comparison, milestone): (&str, TenantId),
) {
    let keys = keys(filter, sort).join(", ");
    query.push(format_args!("({keys}) {comparison} (select {keys} from control.tenants where id = "));
    query.push_bind(milestone).push(")");
}

/// The rows of a stretch, of those that `push_source` tells of in this order.
async fn stretch_of(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    (sort, descending): (TenantSort, bool),
    stretch: Stretch,
    push_source: impl FnOnce(&mut QueryBuilder<Postgres>, &str),
) -> Result<Vec<Tenant>, DbError> {
    let from_there = order(filter, (sort, descending != stretch.backwards));
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from control.tenants join (select id from "));
    push_source(&mut query, &from_there);
    query.push(format_args!(" order by {from_there} limit ")).push_bind(stretch.taken);
    query.push(" offset ").push_bind(stretch.skipped);
    query.push(") as chosen using (id) order by ").push(order(filter, (sort, descending)));
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// A stretch of what a filter lets through, where the index of the order tells which: what is
/// skipped is skipped in it, and only the stretch's own rows are fetched.
pub(super) async fn indexed(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    stretch: Stretch,
) -> Result<Vec<Tenant>, DbError> {
    let source = |query: &mut QueryBuilder<Postgres>, _: &str| {
        query.push("control.tenants where ");
        push_filter(query, filter);
    };
    stretch_of(connection, filter, sort, stretch, source).await
}

/// Lets the planner look only at how many rows are handled for the rest of a transaction, as if all
/// of them were in memory (manual, chapter 20.7.2): it then walks along the index of the order. It
/// knows neither how many rows fit a filter nor where they stand.
pub(super) async fn prefer_order(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select set_config('seq_page_cost', '0', true), set_config('random_page_cost', '0', true)")
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets several of the server's processes read the table for the rest of a transaction, where it is
/// not small: looking into every row's labels is work for the processor, which the planner's usual
/// prices take for waiting on a disk (manual, chapter 15.2). What is small stays with one
/// (`min_parallel_table_scan_size`).
pub(super) async fn prefer_workers(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "select set_config('parallel_setup_cost', '0', true), set_config('seq_page_cost', '0', true)",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A stretch of what a filter lets through, met in the order of the list: of no more than so many
/// rows that are looked at. May find too few.
pub(super) async fn walked(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    (stretch, patience): (Stretch, i64),
) -> Result<Vec<Tenant>, DbError> {
    // The milestone itself is the first of those behind it.
    let comparison = match (sort.1, stretch.backwards) {
        (false, false) => ">=",
        (false, true) => "<",
        (true, false) => "<=",
        (true, true) => ">",
    };
    let source = |query: &mut QueryBuilder<Postgres>, order: &str| {
        query.push(format_args!("(select {ASKED} from control.tenants where state <> 'deleted'"));
        if let Some(milestone) = stretch.from {
            push_place(query.push(" and "), (filter, sort.0), (comparison, milestone));
        }
        query.push(format_args!(" order by {order} limit ")).push_bind(patience).push(") as near where ");
        push_filter(query, filter);
    };
    stretch_of(connection, filter, sort, stretch, source).await
}

/// A stretch of what a filter lets through, found in whatever order is quick and sorted then.
pub(super) async fn sorted(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    stretch: Stretch,
) -> Result<Vec<Tenant>, DbError> {
    let key = sort.0.column();
    let source = |query: &mut QueryBuilder<Postgres>, _: &str| {
        query.push(format_args!("(select id, {key} from control.tenants where "));
        push_filter(query, filter);
        // Keeps the planner from looking for rows in the order of the list.
        query.push(" offset 0) as fit");
    };
    stretch_of(connection, filter, sort, stretch, source).await
}

/// One page of what a filter lets through, from the start or from behind a row.
pub(super) async fn page(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    (page, after): (Page, Option<&TenantPosition>),
) -> Result<Vec<Tenant>, DbError> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from control.tenants where "));
    push_filter(&mut query, filter);
    if let Some(position) = after {
        let keys = keys(filter, sort.0);
        let comparison = if sort.1 { "<" } else { ">" };
        query.push(format_args!(" and ({}) {comparison} (", keys.join(", ")));
        match sort.0 {
            TenantSort::CreatedAt => query.push_bind(position.time()),
            _ => query.push_bind(position.value.clone()),
        };
        if keys.len() > 1 {
            query.push(", ").push_bind(position.id);
        }
        query.push(")");
    }
    query.push(format_args!(" order by {} limit ", order(filter, sort))).push_bind(page.fetched());
    query.push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// How many tenants a filter lets through, counted up to a limit.
pub(super) async fn count_to(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    limit: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::new("select count(*) from (select from control.tenants where ");
    push_filter(&mut query, filter);
    query.push(" limit ").push_bind(limit).push(") as counted");
    let rows: i64 = query.build_query_scalar().fetch_one(connection).await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// Hands over every tenant that a filter lets through, one at a time as the server sends them.
pub(super) async fn each(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    take: &mut (dyn FnMut(Tenant) -> Result<(), AnyFailure> + Send),
) -> Result<(), AnyFailure> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from control.tenants where "));
    push_filter(&mut query, filter);
    query.push(format_args!(" order by {}", order(filter, sort)));
    let mut rows = query.build_query_as().fetch(connection);
    while let Some(tenant) = rows.try_next().await.map_err(DbError::from)? {
        take(tenant)?;
    }
    Ok(())
}

/// The tenants that stand at each quarter of all in an order.
pub(super) async fn milestones(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    (sort, descending): (TenantSort, bool),
) -> Result<Vec<TenantId>, DbError> {
    let mut query = QueryBuilder::new("");
    // The last from the other end, which is nearer.
    for (union, quarters, descending) in
        [("", 1, descending), (" union all ", 2, descending), (" union all ", 1, !descending)]
    {
        query.push(format_args!(
            "{union}(select id from control.tenants where state <> 'deleted' order by {}
              limit 1 offset (select sum(tenants) * {quarters} / 4 from control.clusters)::bigint)",
            order(filter, (sort, descending))
        ));
    }
    Ok(query.build_query_scalar().fetch_all(connection).await?)
}

/// How many tenants a filter lets through, how many of these stand before each milestone, and how
/// many tenants there are.
pub(super) async fn count(
    connection: &mut PgConnection,
    filter: &TenantFilter,
    (sort, descending): (TenantSort, bool),
    milestones: &[TenantId],
) -> Result<Counted, DbError> {
    let before = if descending { ">" } else { "<" };
    let mut query = QueryBuilder::new("select count(*) as fit, array[ ");
    for (nth, milestone) in milestones.iter().enumerate() {
        query.push(if nth == 0 { "count(*) filter (where " } else { ", count(*) filter (where " });
        push_place(&mut query, (filter, sort), (before, *milestone));
        query.push(")");
    }
    // The number of all is kept by triggers, so that nobody counts rows for it.
    query.push(
        "]::bigint[] as before, (select coalesce(sum(tenants), 0)::bigint from control.clusters) as living
         from control.tenants where ",
    );
    push_filter(&mut query, filter);
    Ok(query.build_query_as().fetch_one(connection).await?)
}
