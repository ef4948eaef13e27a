//! `nexus audit list`.

use time::OffsetDateTime;

use super::super::{CommandResult, Exit, Invocation};
use super::{ListArgs, PeriodArgs};
use crate::app::App;
use crate::features::audit::{self, AuditFilter, OfTenant, Period};
use crate::features::tenants::{self, TenantRef};
use crate::kernel::Page;

/// Rows that are fetched at a time when all are wanted.
const CHUNK: u32 = 2000;

pub(super) async fn run(args: ListArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let mut app = App::open(&settings, &caller, &on.screen.progress()).await?;
    let Period { since, until } = args.period.period();
    let tenant = args.tenant.as_ref().map(|name| match name {
        TenantRef::Id(id) => OfTenant::Id(*id),
        TenantRef::Slug(slug) => OfTenant::Slug(slug.to_string()),
    });
    let (action, operation) = (args.action, args.operation);
    let caller_wanted = args.caller;
    let mut filter =
        AuditFilter { tenant, action, caller: caller_wanted, since, until, operation, before: None };
    let asked = args.page.page();
    let page = asked.unwrap_or(Page { page: 1, limit: CHUNK });
    let mut list = on.screen.list_writer();
    let mut count = 0;
    loop {
        let rows = audit::list(&mut app.control, &caller, &filter, page).await?;
        for row in &rows {
            list.row(row)?;
            filter.before = Some(row.sequence);
        }
        count += rows.len();
        let full = rows.len() == page.limit as usize;
        if asked.is_some() || !full {
            if asked.is_some() && full {
                on.screen.note(&format!("--page {} shows what was before", page.page + 1));
            }
            break;
        }
    }
    if let (0, Some(name)) = (count, &args.tenant) {
        // No row may mean that there never was such a tenant.
        tenants::get(&mut app.control, &caller, name).await?;
    }
    list.finish()?;
    Ok(Exit::Done)
}

impl PeriodArgs {
    pub(super) fn period(self) -> Period {
        let now = OffsetDateTime::now_utc();
        Period { since: self.since.map(|it| it.time(now)), until: self.until.map(|it| it.time(now)) }
    }
}
