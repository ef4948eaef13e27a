//! `nexus audit list`.

use time::OffsetDateTime;

use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation};
use super::{ListArgs, PeriodArgs};
use crate::app::App;
use crate::features::audit::{self, AuditFilter, AuditView, OfTenant, Period};
use crate::features::tenants::{self, TenantRef};

pub(super) async fn run(args: ListArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let Period { since, until } = args.period.period();
    let tenant = args.tenant.as_ref().map(|name| match name {
        TenantRef::Id(id) => OfTenant::Id(*id),
        TenantRef::Slug(slug) => OfTenant::Slug(slug.to_string()),
    });
    let (action, operation) = (args.action, args.operation);
    let caller_wanted = args.caller;
    let mut filter =
        AuditFilter { tenant, action, caller: caller_wanted, since, until, operation, before: None };
    let asked = args.page.page(&ctx.screen);
    let written =
        pages::write(ctx, asked, ("rows", "older rows"), async |page, after: Option<&AuditView>| {
            filter.before = after.map(|row| row.sequence);
            let rows = audit::list(&mut app.control, &caller, &filter, page).await?;
            if let (true, Some(name)) = (rows.is_empty() && page.page == 1 && after.is_none(), &args.tenant) {
                // No row may mean that there never was such a tenant.
                tenants::get(&mut app.control, &caller, name).await?;
            }
            Ok(Found { rows, place: None })
        })
        .await?;
    pages::say_if_empty(ctx, written, "rows match");
    Ok(Exit::Done)
}

impl PeriodArgs {
    pub(super) fn period(self) -> Period {
        let now = OffsetDateTime::now_utc();
        Period { since: self.since.map(|it| it.time(now)), until: self.until.map(|it| it.time(now)) }
    }
}
