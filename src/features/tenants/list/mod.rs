//! Lists of tenants: one page with the total, or all of them as they come.

use super::error::TenantError;
use super::model::{Tenant, TenantFilter, TenantPosition, TenantSort};
use crate::features::access::{self, About, Authorized, rights};
use crate::infra::db::{DbError, PgConnection, snapshot, transaction};
use crate::kernel::{AnyFailure, Caller, Page, Pagination, TenantId, Total};

mod store;

/// One page of tenants, and where it stands among all. Both are of one moment.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(
    connection: &mut PgConnection,
    caller: &Caller,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    page: Page,
) -> Result<(Vec<Tenant>, Pagination), TenantError> {
    access::authorize(connection, caller, &rights::TENANT_READ, About::Platform).await?;
    let mut tx = snapshot(connection).await?;
    let reading = Reading::of(filter);
    let far = reading == Reading::Rows && page.offset() > NEAR;
    let marks = if far { store::milestones(&mut tx, filter, sort).await? } else { Vec::new() };
    let counted = count(&mut tx, filter, sort, (reading, &marks)).await?;
    let places: Vec<_> = marks.into_iter().zip(counted.before.iter().copied()).collect();
    let mut found = Vec::new();
    for stretch in Stretch::of(page, counted.fit, &places) {
        found.extend(rows(&mut tx, filter, sort, (reading, stretch, &counted)).await?);
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok((found, Pagination::new(page, u64::try_from(counted.fit).unwrap_or(0))))
}

/// One page of tenants from the start of the list, or from a row on, and where it stands among all, which are
/// counted as far as it is asked. No page is far from where it begins: who asks sees to that.
///
/// # Errors
/// Without `tenant:read`; when a statement fails.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page(
    connection: &mut PgConnection,
    caller: &Caller,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    (page, total): (Page, Total),
    after: Option<&TenantPosition>,
) -> Result<(Vec<Tenant>, Pagination), TenantError> {
    access::authorize(connection, caller, &rights::TENANT_READ, About::Platform).await?;
    let mut rows = store::page(connection, filter, sort, (page, after)).await?;
    let counting = store::count_to(connection, filter, total.limit());
    let place = Pagination::of((page, total), &mut rows, after.is_none(), counting).await?;
    Ok((rows, place))
}

/// Hands over every tenant that a filter lets through, one at a time: memory stays as it is however
/// many there are. The list is that of one moment.
///
/// # Errors
/// When the statement fails, or whatever `take` says.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn each(
    connection: &mut PgConnection,
    caller: &Caller,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    take: &mut (dyn FnMut(Tenant) -> Result<(), AnyFailure> + Send),
) -> Result<(), AnyFailure> {
    access::authorize(connection, caller, &rights::TENANT_READ, About::Platform).await?;
    store::each(connection, filter, sort, take).await
}

/// The same for other features.
pub(in crate::features) async fn read_each(
    connection: &mut PgConnection,
    _: &Authorized<'_>,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    take: &mut (dyn FnMut(Tenant) -> Result<(), AnyFailure> + Send),
) -> Result<(), AnyFailure> {
    store::each(connection, filter, sort, take).await
}

/// A page that begins behind more rows than this is reached from a milestone, not from an end: that
/// costs a walk through an index, which is more than nearer pages cost.
const NEAR: i64 = 2000;

/// What must be looked at to know whether a tenant fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The index of any order.
    Index,
    /// The row itself.
    Rows,
    /// The row, and the indexes that lists are sorted by do not hold it: they leave out who is gone.
    Unsorted,
}

impl Reading {
    fn of(filter: &TenantFilter) -> Self {
        match filter.search {
            None if filter.selector.is_in_indexes() => Self::Index,
            _ if filter.selector.leaves_out_deleted() => Self::Rows,
            _ => Self::Unsorted,
        }
    }
}

/// How many tenants there are.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Counted {
    /// Those that a filter lets through.
    fit: i64,
    /// Of these, those that stand before each milestone.
    before: Vec<i64>,
    /// All that are not gone.
    living: i64,
}

/// Rows of a page, counted from the nearest place that is known: either end of the list, or a
/// milestone. So that no page is far away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    /// The tenant that is the milestone.
    from: Option<TenantId>,
    backwards: bool,
    skipped: i64,
    taken: i64,
}

impl Stretch {
    /// The rows of a page, as far as there are any, in order. `places`: milestones, and how many rows
    /// of the list stand before each.
    fn of(page: Page, total: i64, places: &[(TenantId, i64)]) -> Vec<Self> {
        let first = page.offset();
        let taken = i64::from(page.limit).min(total - first);
        if taken <= 0 {
            return Vec::new();
        }
        if let Some((id, before)) = places.iter().find(|(_, it)| (first + 1..first + taken).contains(it)) {
            // It stands in the middle of the page: so both parts begin there.
            let at = |backwards, taken| Self { from: Some(*id), backwards, skipped: 0, taken };
            return vec![at(true, before - first), at(false, first + taken - before)];
        }
        let marks = || places.iter().map(|(id, before)| (Some(*id), *before));
        let forwards = marks().chain([(None, 0)]).map(|(from, before)| (from, false, first - before));
        let backwards = marks().chain([(None, total)]);
        let backwards = backwards.map(|(from, before)| (from, true, before - first - taken));
        let ways = forwards.chain(backwards).filter(|(_, _, skipped)| *skipped >= 0);
        let nearest = ways.min_by_key(|(_, _, skipped)| *skipped);
        let stretch = |(from, backwards, skipped)| Self { from, backwards, skipped, taken };
        nearest.map(stretch).into_iter().collect()
    }

    /// How many rows to look at in the order of the list before one may give up: twice as many as
    /// hold this stretch where those that fit are spread evenly; all from a milestone, as none is
    /// far from the next. `None` where it is quicker to read all that fit and sort them.
    ///
    /// The measure is a row looked at in the order of an index. One read in the table's own order
    /// costs a third of it, and one more that is sorted a half (measured with 100,000 tenants).
    fn patience(self, counted: &Counted) -> Option<i64> {
        if self.from.is_some() {
            return Some(i64::MAX);
        }
        let expected = (self.skipped + self.taken).saturating_mul(counted.living) / counted.fit.max(1);
        let sorting = counted.living / 3 + counted.fit / 2;
        (expected <= sorting).then_some(expected * 2 + 1000)
    }
}

async fn count(
    tx: &mut PgConnection,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    (reading, marks): (Reading, &[TenantId]),
) -> Result<Counted, DbError> {
    if reading == Reading::Index {
        return store::count(tx, filter, sort, marks).await;
    }
    let mut counting = transaction(tx).await?;
    store::prefer_workers(&mut counting).await?;
    let counted = store::count(&mut counting, filter, sort, marks).await?;
    counting.rollback().await?;
    Ok(counted)
}

async fn rows(
    tx: &mut PgConnection,
    filter: &TenantFilter,
    sort: (TenantSort, bool),
    (reading, stretch, counted): (Reading, Stretch, &Counted),
) -> Result<Vec<Tenant>, DbError> {
    if reading == Reading::Index {
        return store::indexed(tx, filter, sort, stretch).await;
    }
    if let Some(patience) = stretch.patience(counted).filter(|_| reading == Reading::Rows) {
        let mut walk = transaction(tx).await?;
        store::prefer_order(&mut walk).await?;
        let found = store::walked(&mut walk, filter, sort, (stretch, patience)).await?;
        walk.rollback().await?;
        // Fewer where those that fit stand far from this end.
        if stretch.from.is_some() || i64::try_from(found.len()).ok() == Some(stretch.taken) {
            return Ok(found);
        }
    }
    store::sorted(tx, filter, sort, stretch).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(
        page: u32,
        total: i64,
        places: &[(TenantId, i64)],
    ) -> Option<(Option<TenantId>, bool, i64, i64)> {
        let stretches = Stretch::of(Page { page, limit: 100 }, total, places);
        assert!(stretches.len() < 2, "{stretches:?}");
        stretches.first().map(|it| (it.from, it.backwards, it.skipped, it.taken))
    }

    #[test]
    fn a_page_is_reached_from_the_nearer_end() {
        assert_eq!(stretch(1, 1000, &[]), Some((None, false, 0, 100)));
        assert_eq!(stretch(5, 1000, &[]), Some((None, false, 400, 100)));
        assert_eq!(stretch(7, 1000, &[]), Some((None, true, 300, 100)));
        assert_eq!(stretch(10, 1000, &[]), Some((None, true, 0, 100)));
        assert_eq!(stretch(11, 1001, &[]), Some((None, true, 0, 1)));
        assert_eq!(stretch(11, 1000, &[]), None);
        assert_eq!(stretch(u32::MAX, 1000, &[]), None);
        assert_eq!(stretch(1, 7, &[]), Some((None, false, 0, 7)));
        assert_eq!(stretch(1, 0, &[]), None);
    }

    #[test]
    fn a_page_far_from_both_ends_is_reached_from_a_milestone() {
        let mark = TenantId::new();
        let far = |page| stretch(page, 10_000, &[(mark, 4950)]);
        assert_eq!(far(5), Some((None, false, 400, 100)));
        assert_eq!(far(48), Some((Some(mark), true, 150, 100)));
        assert_eq!(far(51), Some((Some(mark), false, 50, 100)));
    }

    #[test]
    fn a_page_with_a_milestone_in_its_middle_is_reached_from_there_both_ways() {
        let mark = TenantId::new();
        let halves = |before| {
            let page = Page { page: 50, limit: 100 };
            let stretches = Stretch::of(page, 10_000, &[(mark, before)]);
            stretches.iter().map(|it| (it.from, it.backwards, it.skipped, it.taken)).collect::<Vec<_>>()
        };
        assert_eq!(halves(4960), [(Some(mark), true, 0, 60), (Some(mark), false, 0, 40)]);
        assert_eq!(halves(4900), [(Some(mark), false, 0, 100)]);
        assert_eq!(halves(5000), [(Some(mark), true, 0, 100)]);
    }

    #[test]
    fn few_that_fit_are_sorted_and_many_are_met_on_the_way() {
        let patience = |page, fit| {
            let stretches = Stretch::of(Page { page, limit: 100 }, fit, &[]);
            stretches[0].patience(&Counted { fit, living: 100_000, before: Vec::new() })
        };
        assert_eq!(patience(1, 100_000), Some(1200));
        assert_eq!(patience(500, 100_000), Some(101_000));
        assert_eq!(patience(1, 50), None);
        assert_eq!(patience(50, 10_000), None);
        assert_eq!(patience(2, 10_000), Some(5000));
    }
}
