//! Lists: which part is asked for, and what is answered.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::RequestError;
use crate::kernel::{Page, Pagination, Total};

/// Rows where nobody says how many.
const LIMIT: u32 = 20;
/// Most rows at once.
const MOST: u32 = 100;
/// How deep a list can be paged by number; beyond, each page costs all those before it.
const DEEPEST: i64 = 10_000;

/// What is said of a text that is no cursor.
pub(super) const NO_CURSOR: &str = "it is not one that a list gave";

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    pub(super) pagination: Pagination,
}

impl<T> List<T> {
    /// The part that is asked for of rows that are all there, in the order of a key that no two share.
    pub(super) fn part_of<K: Ord + Serialize + DeserializeOwned>(
        mut rows: Vec<T>,
        part: &PageParams,
        key: impl Fn(&T) -> K,
    ) -> Result<Self, RequestError> {
        let (page, total) = part.page()?;
        let counted = (total != Total::None).then_some(rows.len() as u64);
        if let Some(after) = part.position::<K>()? {
            rows.retain(|row| key(row) > after);
        }
        rows.sort_by_key(&key);
        let mut data: Vec<T> =
            rows.into_iter().skip(usize::try_from(page.offset()).unwrap_or(usize::MAX)).collect();
        let mut pagination = Pagination::counted(page, (Total::Exact, counted));
        if data.len() > page.limit as usize {
            data.truncate(page.limit as usize);
            pagination.next = data.last().map(|last| cursor(&key(last)));
        }
        Ok(Self { data, pagination })
    }

    /// One page; `key` says of its last row where the next one goes on.
    pub(super) fn page<P: Serialize>(
        data: Vec<T>,
        mut pagination: Pagination,
        key: impl Fn(&T) -> P,
    ) -> Self {
        pagination.next = data.last().filter(|_| pagination.more).map(|last| cursor(&key(last)));
        Self { data, pagination }
    }
}

/// How far rows are counted.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TotalParam {
    /// Up to 1,000.
    #[default]
    Bounded,
    /// All, which takes time where there are many.
    Exact,
    /// Not at all.
    None,
}

/// A list that is filtered and sorted by nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoFilter {}

/// The part of a list that is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// The page, from 1; up to 10,000 rows deep
    #[param(minimum = 1, example = 1)]
    pub(super) page: Option<u32>,
    /// Rows on a page, at most 100
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub(super) limit: Option<u32>,
    /// Go on after this page: `pagination.next` of the one before
    pub(super) cursor: Option<String>,
    /// How far all rows are counted
    #[param(inline)]
    pub(super) total: Option<TotalParam>,
}

impl PageParams {
    /// The names of its fields.
    pub(super) const NAMES: [&str; 4] = ["page", "limit", "cursor", "total"];

    /// The page, and how far rows are counted.
    pub(super) fn page(&self) -> Result<(Page, Total), RequestError> {
        let wrong = |name, reason: &str| Err(RequestError::query(name, reason));
        let page = Page { page: self.page.unwrap_or(1), limit: self.limit.unwrap_or(LIMIT) };
        if !(1..=MOST).contains(&page.limit) {
            return wrong("limit", "it is 1 to 100");
        }
        if page.page == 0 {
            return wrong("page", "pages count from 1");
        }
        if self.cursor.is_some() && self.page.is_some() {
            return wrong("cursor", "name a page or a cursor, not both");
        }
        if page.offset() + i64::from(page.limit) > DEEPEST {
            return Err(RequestError::TooDeep);
        }
        let total = match self.total.unwrap_or_default() {
            TotalParam::Bounded => Total::Bounded,
            TotalParam::Exact => Total::Exact,
            TotalParam::None => Total::None,
        };
        Ok((page, total))
    }

    /// The name after which a list of names goes on, if it is not its first page.
    pub(super) fn after_name(&self) -> Result<Option<String>, RequestError> {
        let name = self.position::<String>()?;
        if name.as_ref().is_some_and(|name| name.contains(char::is_control)) {
            return Err(RequestError::query("cursor", NO_CURSOR));
        }
        Ok(name)
    }

    /// What the cursor says, if there is one.
    pub(super) fn position<P: DeserializeOwned>(&self) -> Result<Option<P>, RequestError> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let read = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        read.map(Some).ok_or_else(|| RequestError::query("cursor", NO_CURSOR))
    }
}

/// A position as a list gives it to its client.
pub(super) fn cursor<P: Serialize>(position: &P) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}
