//! Lists that may be long: one page, or every row as it comes, page after page.

use super::Invocation;
use super::output::Row;
use crate::kernel::{AnyFailure, Page, Pagination};

/// Rows of the first page when all are wanted: few, so that a reader has something at once.
const FIRST: u32 = 200;
/// Rows of each further one.
const CHUNK: u32 = 2000;

/// One page of a list, and where it stands among all, where that is known.
pub(super) struct Found<R> {
    pub(super) rows: Vec<R>,
    pub(super) place: Option<Pagination>,
}

/// What a list is of, and what a further page may show where it is not known how many there are.
pub(super) type What<'a> = (&'a str, &'a str);

/// For lists whose newest rows come first. A script that names a page counts its rows by itself.
pub(super) fn before(ctx: &Invocation) -> &'static str {
    if ctx.screen.data_on_terminal() { "older rows" } else { "" }
}

/// Writes a list: the page that is asked for, or every row. `fetch` is given the page and, where all
/// are wanted, the row after which to go on; a page that is not full is the last. How many rows were
/// written.
///
/// # Errors
/// What `fetch` says; when standard output takes no more.
pub(super) async fn write<R: Row>(
    ctx: &Invocation,
    asked: Option<Page>,
    (what, more): What<'_>,
    mut fetch: impl AsyncFnMut(Page, Option<&R>) -> Result<Found<R>, AnyFailure>,
) -> Result<u64, AnyFailure> {
    let mut list = ctx.screen.page_writer();
    let mut written = 0;
    if let Some(page) = asked {
        let found = fetch(page, None).await?;
        let full = found.rows.len() >= page.limit as usize;
        for row in &found.rows {
            list.row(row)?;
        }
        list.finish()?;
        // What is said of the rows is said after them.
        ctx.screen.flush()?;
        let next = page.page.saturating_add(1);
        match &found.place {
            Some(place) if u64::from(place.page) < place.page_count() => ctx.screen.note(&format!(
                "page {} of {}, {} {what} in all; --page {next} shows the next",
                place.page,
                place.page_count(),
                place.rows()
            )),
            Some(place) if found.rows.is_empty() && place.rows() > 0 => ctx.screen.note(&format!(
                "page {} is empty: there are {} {what} on {} pages",
                page.page,
                place.rows(),
                place.page_count()
            )),
            None if full && !more.is_empty() => {
                ctx.screen.note(&format!("--page {next} shows {more}"));
            }
            _ => {}
        }
        return Ok(found.place.as_ref().map_or(found.rows.len() as u64, Pagination::rows));
    }
    let mut page = Page { page: 1, limit: FIRST };
    let mut last: Option<R> = None;
    loop {
        let Found { rows, .. } = fetch(page, last.as_ref()).await?;
        let full = rows.len() >= page.limit as usize;
        written += rows.len() as u64;
        for row in &rows {
            list.row(row)?;
        }
        last = rows.into_iter().last().or(last);
        if !full {
            list.finish()?;
            return Ok(written);
        }
        // What is known is not held back for what is not.
        ctx.screen.flush()?;
        page.limit = CHUNK;
    }
}

/// Writes a list that is never long, and says on standard error where it is empty.
///
/// # Errors
/// When standard output takes no more.
pub(super) fn list<R: Row>(ctx: &Invocation, rows: Vec<R>, what: &str) -> Result<(), AnyFailure> {
    let count = rows.len() as u64;
    ctx.screen.list(rows)?;
    say_if_empty(ctx, count, what);
    Ok(())
}

/// Says on standard error that a list is empty.
pub(super) fn say_if_empty(ctx: &Invocation, rows: u64, what: &str) {
    if rows == 0 {
        ctx.screen.note(&format!("no {what}"));
    }
}
