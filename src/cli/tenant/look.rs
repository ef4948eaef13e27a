//! `nexus tenant list` and `nexus tenant show`.

use super::super::{CommandResult, Exit, Invocation};
use super::{ListArgs, ShowArgs, SortField};
use crate::app::App;
use crate::features::tenants::{self, TenantFilter, TenantSort, TenantView};
use crate::kernel::{Labels, Page};

/// Rows that are fetched at a time when all are wanted.
const CHUNK: u32 = 2000;

pub(super) async fn list(args: ListArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let labels: Labels = args.labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect();
    let filter =
        TenantFilter { state: args.state, labels, search: args.search.clone(), ..TenantFilter::default() };
    let field = match args.sort.field {
        SortField::Slug => TenantSort::Slug,
        SortField::Name => TenantSort::Name,
        SortField::State => TenantSort::State,
        SortField::Created => TenantSort::CreatedAt,
    };
    let sort = (field, args.sort.descending);
    let mut list = on.screen.list_writer();
    let (mut page, all) = match args.page.page() {
        Some(page) => (page, false),
        None => (Page { page: 1, limit: CHUNK }, true),
    };
    loop {
        let (rows, place) = tenants::list(&mut app.control, &caller, &filter, sort, page).await?;
        for row in rows {
            list.row(&TenantView::from(row))?;
        }
        if !all {
            list.finish()?;
            if u64::from(place.page) < place.pages {
                let next = format!(
                    "page {} of {}, {} tenants in all; --page {} shows the next",
                    place.page,
                    place.pages,
                    place.total,
                    place.page + 1
                );
                on.screen.note(&next);
            }
            return Ok(Exit::Done);
        }
        if u64::from(page.page) >= place.pages {
            list.finish()?;
            return Ok(Exit::Done);
        }
        page.page += 1;
    }
}

pub(super) async fn show(args: &ShowArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?;
    on.screen.thing(&TenantView::from(tenant))?;
    Ok(Exit::Done)
}
