//! Pages of a list, the same for the command line and HTTP.

use serde::Serialize;

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
}

/// Where an answer stands in the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pagination {
    /// The page, from 1.
    pub page: u32,
    /// Rows on a page.
    pub limit: u32,
    /// Rows in all.
    pub total: u64,
    /// Pages in all.
    pub pages: u64,
}

impl Pagination {
    /// Of a page and the number of rows in all.
    #[must_use]
    pub fn new(page: Page, total: u64) -> Self {
        Self {
            page: page.page,
            limit: page.limit,
            total,
            pages: total.div_ceil(u64::from(page.limit.max(1))),
        }
    }
}
