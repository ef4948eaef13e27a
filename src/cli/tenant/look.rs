//! `nexus tenant list` and `nexus tenant show`.

use super::super::{CommandResult, Exit, Invocation};
use super::selection::none_match;
use super::views::{MonthView, ShownView};
use super::{ListArgs, ShowArgs, SortField};
use crate::app::{self, App, Session};
use crate::features::tenants::{self, Selector, Tenant, TenantFilter, TenantRef, TenantSort, TenantView};
use crate::kernel::{AnyFailure, Caller};

/// After so many rows what was written is handed on.
const FIRST: u64 = 50;

pub(super) async fn list(args: ListArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let state = args.state.map(Selector::state);
    let selector = Selector::all_of(args.conditions.into_iter().chain(state));
    let filter = TenantFilter { selector, search: args.search };
    let field = match args.sort.field {
        SortField::Slug => TenantSort::Slug,
        SortField::Name => TenantSort::Name,
        SortField::State => TenantSort::State,
        SortField::Created => TenantSort::CreatedAt,
    };
    let sort = (field, args.sort.descending);
    let mut list = ctx.screen.page_writer();
    let Some(page) = args.page.page(&ctx.screen) else {
        let mut rows = 0_u64;
        let mut take = |tenant: Tenant| {
            list.row(&TenantView::from(tenant))?;
            rows += 1;
            // A reader has something at once.
            if rows == FIRST {
                ctx.screen.flush()?;
            }
            Ok(())
        };
        tenants::each(&mut app.control, &caller, &filter, sort, &mut take).await?;
        list.finish()?;
        if rows == 0 {
            say_empty(ctx, &filter, &mut app, &caller).await?;
        }
        return Ok(Exit::Done);
    };
    let (rows, place) = tenants::list(&mut app.control, &caller, &filter, sort, page).await?;
    for row in rows {
        list.row(&TenantView::from(row))?;
    }
    list.finish()?;
    ctx.screen.flush()?;
    if u64::from(place.page) < place.page_count() {
        let (page, next) = (place.page, place.page + 1);
        ctx.screen.note(&format!(
            "page {page} of {}, {} tenants in all; --page {next} shows the next",
            place.page_count(),
            place.rows()
        ));
    }
    if place.rows() == 0 {
        say_empty(ctx, &filter, &mut app, &caller).await?;
    } else if u64::from(place.page) > place.page_count() {
        let (page, pages) = (place.page, place.page_count());
        ctx.screen
            .note(&format!("page {page} is empty: there are {} tenants on {pages} pages", place.rows()));
    }
    Ok(Exit::Done)
}

async fn say_empty(
    ctx: &Invocation,
    filter: &TenantFilter,
    app: &mut Session,
    caller: &Caller,
) -> Result<(), AnyFailure> {
    if filter.selector.is_empty() && filter.search.is_none() {
        ctx.screen.note("no tenants");
        return Ok(());
    }
    none_match(&filter.selector, app, caller, ctx).await
}

pub(super) async fn show(args: &ShowArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?;
    let former_slugs = tenants::former_slugs(&mut app.control, &caller, tenant.id).await?;
    let used = app::usage_now(&mut app.control, &caller, &TenantRef::Id(tenant.id)).await?;
    let usage = MonthView { month: used.month, requests: used.requests };
    ctx.screen.thing(&ShownView { tenant: tenant.into(), former_slugs, usage })?;
    Ok(Exit::Done)
}
