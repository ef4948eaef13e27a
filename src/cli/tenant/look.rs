//! `nexus tenant list` and `nexus tenant show`.

use super::super::{CommandResult, Exit, Invocation};
use super::views::ShownView;
use super::{ListArgs, ShowArgs, SortField};
use crate::app::App;
use crate::features::tenants::{self, Selector, Tenant, TenantFilter, TenantSort, TenantView};

pub(super) async fn list(args: ListArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
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
    let mut list = on.screen.list_writer();
    let Some(page) = args.page.page() else {
        let mut rows = 0_u64;
        let mut take = |tenant: Tenant| {
            rows += 1;
            Ok(list.row(&TenantView::from(tenant))?)
        };
        tenants::each(&mut app.control, &caller, &filter, sort, &mut take).await?;
        list.finish()?;
        hint_at_slips(on, &filter.selector, rows);
        return Ok(Exit::Done);
    };
    let (rows, place) = tenants::list(&mut app.control, &caller, &filter, sort, page).await?;
    for row in rows {
        list.row(&TenantView::from(row))?;
    }
    list.finish()?;
    if u64::from(place.page) < place.pages {
        let (page, next) = (place.page, place.page + 1);
        on.screen.note(&format!(
            "page {page} of {}, {} tenants in all; --page {next} shows the next",
            place.pages, place.total
        ));
    }
    hint_at_slips(on, &filter.selector, place.total);
    Ok(Exit::Done)
}

/// A label that nobody has may be a slip of something else.
fn hint_at_slips(on: &Invocation, selector: &Selector, found: u64) {
    for (key, nearest) in selector.suspects().into_iter().filter(|_| found == 0) {
        on.screen.note(&format!("{key} was taken for a label; did you mean {nearest}?"));
    }
}

pub(super) async fn show(args: &ShowArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?;
    let former_slugs = tenants::former_slugs(&mut app.control, &caller, tenant.id).await?;
    on.screen.thing(&ShownView { tenant: tenant.into(), former_slugs })?;
    Ok(Exit::Done)
}
