//! Pages of a list, the same for the command line and HTTP.

use serde::Serialize;
use utoipa::ToSchema;

/// How many rows are counted where a total may be bounded.
pub const COUNTED: u64 = 1_000;

/// Which part of a list is asked for. Pages count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The page, from 1.
    pub page: u32,
    /// Rows on a page, 1 to 10,000.
    pub limit: u32,
}

impl Page {
    /// Rows before this page.
    #[must_use]
    pub fn offset(self) -> i64 {
        i64::from(self.page.saturating_sub(1)) * i64::from(self.limit)
    }

    /// Rows to ask for: one more than the page holds shows that another page follows.
    #[must_use]
    pub fn fetched(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Takes away the row that is one too many; whether there was one.
    pub fn cut<T>(self, rows: &mut Vec<T>) -> bool {
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        more
    }
}

/// How far the rows of a list are counted. Counting all of many costs more than the page itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    /// All.
    #[default]
    Exact,
    /// The first [`COUNTED`].
    Bounded,
    /// None.
    None,
}

impl Total {
    /// The most rows that are looked at; `None`: all.
    #[must_use]
    pub fn limit(self) -> Option<i64> {
        (self == Self::Bounded).then_some(i64::try_from(COUNTED + 1).unwrap_or(i64::MAX))
    }
}

/// Where an answer stands in the whole list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    /// The page, from 1.
    pub page: u32,
    /// Rows on a page.
    pub limit: u32,
    /// Rows in all; at least as many where `total_exact` is false; `null` where they were not counted.
    pub total: Option<u64>,
    /// Pages in all, of the rows that were counted.
    pub pages: Option<u64>,
    /// Whether `total` is all that there are.
    pub total_exact: bool,
    /// The cursor of the next page; `null` on the last.
    pub next: Option<String>,
    /// Whether rows follow this page.
    #[serde(skip)]
    #[schema(ignore)]
    pub more: bool,
}

impl Pagination {
    /// Of a page and the number of rows in all.
    #[must_use]
    pub fn new(page: Page, total: u64) -> Self {
        Self::counted(page, (Total::Exact, Some(total)))
    }

    /// Of a page and the number of rows that were counted.
    #[must_use]
    pub fn counted(page: Page, (how, rows): (Total, Option<u64>)) -> Self {
        let total_exact = rows.is_some_and(|rows| how == Total::Exact || rows <= COUNTED);
        let total = rows.map(|rows| if total_exact { rows } else { COUNTED });
        Self {
            page: page.page,
            limit: page.limit,
            total,
            pages: total.map(|rows| rows.div_ceil(u64::from(page.limit.max(1)))),
            total_exact,
            next: None,
            more: false,
        }
    }

    /// The same, where rows follow the page.
    #[must_use]
    pub fn with_more(self, more: bool) -> Self {
        Self { more, ..self }
    }

    /// Takes away the row that is one too many, and says where the page stands. Where all rows are on the first page
    /// nobody has to count them: then `count` is not waited for.
    ///
    /// # Errors
    /// Those of `count`.
    pub async fn of<T, E>(
        (page, total): (Page, Total),
        rows: &mut Vec<T>,
        is_first: bool,
        count: impl Future<Output = Result<u64, E>>,
    ) -> Result<Self, E> {
        let more = page.cut(rows);
        let counted = match total {
            Total::None => None,
            _ if page.page == 1 && !more && is_first => Some(rows.len() as u64),
            _ => Some(count.await?),
        };
        Ok(Self::counted(page, (total, counted)).with_more(more))
    }
}

impl Pagination {
    /// The rows that were counted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.total.unwrap_or_default()
    }

    /// The pages that they take.
    #[must_use]
    pub fn page_count(&self) -> u64 {
        self.pages.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_exact_up_to_a_thousand() {
        let page = Page { page: 1, limit: 20 };
        let of = |how, rows| {
            let it = Pagination::counted(page, (how, rows));
            (it.total, it.pages, it.total_exact)
        };
        assert_eq!(of(Total::Bounded, Some(0)), (Some(0), Some(0), true));
        assert_eq!(of(Total::Bounded, Some(1_000)), (Some(1_000), Some(50), true));
        assert_eq!(of(Total::Bounded, Some(1_001)), (Some(1_000), Some(50), false));
        assert_eq!(of(Total::Exact, Some(20_001)), (Some(20_001), Some(1_001), true));
        assert_eq!(of(Total::None, None), (None, None, false));
    }
}
