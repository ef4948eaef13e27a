//! Which realm a command works in.

use clap::Args;
use serde_json::Value;

use super::super::output::{OutputError, Row};
use super::super::{Invocation, complete};
use crate::app::App;
use crate::features::iam::{Name, Realm};
use crate::features::tenants::TenantRef;
use crate::kernel::{AnyFailure, Page, Pagination};

/// Rows that are fetched at a time when all are wanted.
const CHUNK: u32 = 2000;

/// Which realm.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Realm")]
pub struct RealmArgs {
    /// Work in this tenant's realm; without it, in the platform's, whose users are the operators
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
}

impl RealmArgs {
    /// Opens the realm; with `--dry-run`, so that nothing is written.
    ///
    /// # Errors
    /// When there is no such tenant, or something does not answer.
    pub async fn open(&self, on: &Invocation) -> Result<Realm, AnyFailure> {
        let (settings, caller) = (on.settings()?, on.caller());
        let progress = on.screen.progress();
        let realm = App::open_realm(&settings, &caller, self.tenant.as_ref(), &progress).await?;
        Ok(realm.dry_run(on.global.dry_run))
    }
}

/// Parses the name of a role or group.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|error: crate::features::iam::model::NotAName| error.to_string())
}

/// Parses `KEY=VALUE`. A value that reads as a number, a truth or `null` in JSON is one; anything
/// else is text.
///
/// # Errors
/// When there is no `=`, or nothing before it.
pub(crate) fn attribute(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            let parsed =
                serde_json::from_str::<Value>(value).ok().filter(|it| !it.is_object() && !it.is_array());
            Ok((key.to_owned(), parsed.unwrap_or_else(|| Value::from(value))))
        }
        _ => Err("an attribute is written KEY=VALUE".to_owned()),
    }
}

/// Writes one page of a list, or with `None` all of them; tells where the next one is.
///
/// # Errors
/// What `fetch` says.
pub(crate) async fn all_pages<R: Row>(
    on: &Invocation,
    page: Option<Page>,
    what: &str,
    mut fetch: impl AsyncFnMut(Page) -> Result<(Vec<R>, Pagination), AnyFailure>,
) -> Result<(), AnyFailure> {
    let mut list = on.screen.list_writer();
    let mut now = page.unwrap_or(Page { page: 1, limit: CHUNK });
    loop {
        let (rows, place) = fetch(now).await?;
        rows.iter().try_for_each(|row| list.row(row)).map_err(|error: OutputError| error)?;
        let last = u64::from(now.page) >= place.pages;
        if page.is_some() || last {
            list.finish()?;
            if !last {
                let next = place.page + 1;
                on.screen.note(&format!(
                    "page {} of {}, {} {what} in all; --page {next} shows the next",
                    place.page, place.pages, place.total
                ));
            }
            return Ok(());
        }
        now.page += 1;
    }
}
