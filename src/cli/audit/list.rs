//! `nexus audit list`.

use time::OffsetDateTime;

use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation};
use super::{ListArgs, PeriodArgs};
use crate::app::App;
use crate::features::audit::{AuditFilter, AuditView, Period};
use crate::features::tenants;

pub(super) async fn run(args: ListArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let Period { since, until } = args.period.period();
    let mut filter = AuditFilter {
        action: args.action,
        caller: args.caller,
        since,
        until,
        operation: args.operation,
        ..AuditFilter::default()
    };
    let asked = args.page.page(&ctx.screen);
    let written =
        pages::write(ctx, asked, ("rows", "older rows"), async |page, after: Option<&AuditView>| {
            filter.before = after.map(|row| row.sequence);
            let tenant = args.tenant.as_ref();
            let (rows, _) = tenants::log(&mut app.control, &caller, tenant, &filter, page).await?;
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
