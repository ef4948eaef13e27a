//! `nexus fsck`: whether the world is as the control database says.

use clap::Args;

use super::output::{Column, Row, thing};
use super::{CommandResult, Exit, Invocation, complete, hint, prompt};
use crate::app::{App, Session};
use crate::features::inspection::{self, Accepted, CODES, Inspected, InspectionError, PlannedFix, Request};
use crate::features::tenants::Selector;
use crate::kernel::text::counted;
use crate::kernel::{AnyFailure, Subject};

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus fsck                                everything
  nexus fsck --where tier=gold              these tenants only
  nexus fsck --cluster eu1 --jobs 8
  nexus -o json fsck | jq -r '.[] | select(.severity == \"error\") | .code'
  nexus --dry-run fsck --fix                what would be fixed, and how
  nexus fsck --fix --yes                    in a script
  nexus fsck --accept-record                after an older control database was restored
  nexus fsck --fix --drop-orphans --yes --confirm 2
                                            also drops orphans: two of them

Exit codes: 0 no faults, at most notices; 9 faults were found; 8 no faults were found, but a server
or store could not be checked. docs/fsck.md lists every code.";

/// How many databases are looked into at a time, unless it is said.
const JOBS: u16 = 4;

/// Arguments of `nexus fsck`.
#[derive(Debug, Args)]
pub struct FsckArgs {
    /// Only tenants that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…", add = complete::selectors())]
    pub conditions: Vec<Selector>,
    /// Only this PostgreSQL server, and its tenants
    #[arg(long, value_name = "NAME", add = complete::clusters())]
    pub cluster: Option<String>,
    /// Check this many databases at once, within a server's session limit
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Fix what can be fixed; orphans that hold data are left alone
    #[arg(long)]
    pub fix: bool,
    /// Also drop orphans: databases and buckets with this installation's mark that no tenant has
    #[arg(long, requires = "fix", conflicts_with = "conditions")]
    pub drop_orphans: bool,
    /// Accept the control database as it is: after an older one was restored, or after a row was
    /// changed by hand
    ///
    /// New changes are numbered above all that servers and stores have seen. Tenants that are
    /// closed on their server are suspended, tenants of a pool are no longer handed out, and what
    /// the control database does not know is left alone from then on. Nothing is dropped and
    /// nothing is opened.
    #[arg(long, conflicts_with_all = ["fix", "conditions", "cluster"])]
    pub accept_record: bool,
    /// Confirm the number of orphans to drop, where there is no terminal to type it on
    #[arg(long, value_name = "N", requires = "drop_orphans")]
    pub confirm: Option<usize>,
}

/// Runs `nexus fsck`.
///
/// # Errors
/// [`InspectionError::Faults`], [`InspectionError::Unchecked`], or what the services say.
pub async fn run(args: FsckArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open_to_read(&settings, &caller, &progress).await?;
    let request = Request {
        selector: Selector::all_of(args.conditions.clone()),
        cluster: args.cluster.clone(),
        jobs: args.jobs.into(),
    };
    let Session { provisioning, control, .. } = &mut app;
    let look = async |control: &mut _| {
        let look = inspection::inspect(provisioning, control, &caller, &request, &progress, &ctx.interrupt);
        ctx.reading(look).await
    };
    let inspected = look(control).await?;
    if args.accept_record {
        drop(progress);
        return accept(&mut app, &inspected, ctx).await;
    }
    if !args.fix {
        drop(progress);
        return tell(inspected, ctx);
    }
    if let Some(older) = inspected.report.older() {
        drop(progress);
        let older = older.detail.clone();
        ctx.screen.findings(inspected.report.findings)?;
        return Err(InspectionError::RecordOlder(older).into());
    }
    let planned = inspection::plan(&inspected.report.findings, args.drop_orphans);
    if ctx.global.dry_run {
        drop(progress);
        ctx.screen.list(planned)?;
        return Ok(Exit::Done);
    }
    if planned.is_empty() {
        drop(progress);
        return tell(inspected, ctx);
    }
    agree(&planned, &args, ctx)?;
    let fixing = inspection::fix(provisioning, control, &caller, &planned, &progress, &ctx.interrupt);
    let failed = Box::pin(fixing).await?;
    for (action, error) in &failed {
        ctx.screen.warn(&format!("could not {action}: {error}"));
    }
    ctx.screen.note(&format!("fixed {} of {}; checking again", planned.len() - failed.len(), planned.len()));
    let left = look(control).await?;
    drop(progress);
    tell(left, ctx)
}

/// Shows what an acceptance does, has it agreed to, and does it.
async fn accept(app: &mut Session, inspected: &Inspected, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let Session { provisioning, control, .. } = app;
    let planned = inspection::accept(provisioning, control, &caller, inspected, true).await?;
    if !ctx.global.dry_run {
        ctx.screen.note(&format!("will be suspended: {}", list(&planned.suspended)));
        ctx.screen.note(&format!("in the trash but in use, will be suspended: {}", list(&planned.untrashed)));
        ctx.screen
            .note(&format!("suspended but open, the next repair will close them: {}", list(&planned.open)));
        ctx.screen.note(&format!("will be removed from their pool: {}", list(&planned.unpooled)));
        ctx.screen.note(&format!("will be left alone: {}", list(&planned.unmanaged)));
        ctx.screen.note(&format!("servers that will be accepted as replaced: {}", list(&planned.servers)));
        if planned.revoked_everything {
            ctx.screen.note("all access tokens will be revoked, and all sessions will end");
        }
        if planned.revocations {
            ctx.screen.note(
                "tokens whose revocation was deleted stay accepted: revoke them again (nexus token revoke)",
            );
        }
        prompt::confirm(ctx, "accepting the control database as it is")?;
        let accepted = inspection::accept(provisioning, control, &caller, inspected, false).await?;
        ctx.screen.thing(&accepted)?;
        return Ok(Exit::Done);
    }
    ctx.screen.thing(&planned)?;
    Ok(Exit::Done)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Shows what would be done and has it agreed to.
fn agree(planned: &[PlannedFix], args: &FsckArgs, ctx: &Invocation) -> Result<(), AnyFailure> {
    for fix in planned {
        ctx.screen.note(&format!("{} ({})", fix.action, fix.codes.join(", ")));
    }
    let dropped: Vec<String> =
        planned.iter().filter(|fix| fix.destroys).map(|fix| fix.action.clone()).collect();
    if dropped.is_empty() {
        return Ok(prompt::confirm(ctx, &format!("making {}", counted(planned.len(), "change")))?);
    }
    let what = format!("dropping {}", counted(dropped.len(), "orphan"));
    let count = dropped.len().to_string();
    let given = args.confirm.map(|given| given.to_string());
    Ok(prompt::confirm_word(ctx, &what, &dropped, &count, given.as_deref())?)
}

/// The handbook's table of codes, one line an entry.
#[must_use]
pub fn table() -> String {
    let mut lines =
        vec!["| code | severity | what it means | fix |".to_owned(), "|---|---|---|---|".to_owned()];
    for entry in CODES {
        let fix =
            entry.cure.hints(&Subject::default()).iter().map(hint::sentence).collect::<Vec<_>>().join("; ");
        lines.push(format!("| `{}` | {} | {} | {fix} |", entry.code, entry.severity.as_str(), entry.meaning));
    }
    lines.join("\n") + "\n"
}

/// Writes the findings; a fault is a failure.
fn tell(Inspected { report, tenants, places, .. }: Inspected, ctx: &Invocation) -> CommandResult {
    let conclusion = report.conclude();
    let places =
        if places == 1 { "1 server or store".to_owned() } else { format!("{places} servers and stores") };
    ctx.screen.report(&format!("{} and {places}", counted(tenants, "tenant")), report)?;
    conclusion?;
    Ok(Exit::Done)
}

thing! { it: Accepted, it.fence;
    "fence": it.fence,
    "suspended": it.suspended.join(" "),
    "unpooled": it.unpooled.join(" "),
    "unmanaged": it.unmanaged.join(", "),
    "servers": it.servers.join(" "),
    "revocations": it.revocations,
}

impl Row for PlannedFix {
    const COLUMNS: &'static [Column] =
        &[Column::text("action"), Column::text("codes"), Column::text("tenant"), Column::text("place")];

    fn cells(&self) -> Vec<String> {
        let tenant = self.tenant.clone().unwrap_or_default();
        vec![self.action.clone(), self.codes.join(" "), tenant, self.place.to_string()]
    }

    fn id(&self) -> String {
        self.tenant.clone().unwrap_or_else(|| self.place.to_string())
    }
}
