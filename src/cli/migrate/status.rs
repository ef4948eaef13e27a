//! `nexus migrate status`: which tenant is at which version.

use clap::Args;

use super::super::output::{Column, Format, Row, row, thing, time_text};
use super::super::{CommandResult, Exit, Invocation};
use super::WideSelection;
use super::sources::SourceArgs;
use crate::app::App;
use crate::features::fleet::{self, FleetError, StatusReport, Straggler, VersionCount};
use crate::kernel::AnyFailure;
use crate::kernel::text::counted;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate status
  nexus migrate status --where cluster=eu1
  nexus -o json migrate status | jq '.sets[] | {set, newest, behind}'
  nexus -o id migrate status                the slugs of those that are not at the newest version
  nexus migrate status --exit-code          in a script: exit code 9 when a tenant is behind";

/// Most stragglers that are shown on a terminal, unless all are asked for.
const SHOWN: usize = 20;

/// Arguments of `nexus migrate status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Which
    #[command(flatten)]
    pub tenants: WideSelection,
    /// Exit with 9 when some are behind
    #[arg(long)]
    pub exit_code: bool,
    /// Show every tenant that is not at the newest version, however many there are
    #[arg(long)]
    pub stragglers: bool,
}

pub(super) async fn run(args: StatusArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let mut app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    let sources = SourceArgs::default().with_settings(ctx)?;
    let mut report = fleet::status(&mut app.control, &caller, (&args.tenants.wanted(), &sources)).await?;
    for straggler in report.sets.iter_mut().flat_map(|set| &mut set.stragglers) {
        if let Some(hint) = straggler.error.as_mut().and_then(|error| error.hint.as_mut()) {
            *hint = ctx.screen.rendered(hint).into();
        }
    }
    let behind = report.behind();
    tell(&report, args.stragglers, ctx)?;
    if args.exit_code && behind > 0 {
        return Err(FleetError::Behind { tenants: behind }.into());
    }
    Ok(Exit::Done)
}

fn tell(report: &StatusReport, everybody: bool, ctx: &Invocation) -> Result<(), AnyFailure> {
    let stragglers: Vec<&Straggler> = report.sets.iter().flat_map(|set| &set.stragglers).collect();
    match ctx.screen.format() {
        Format::Json | Format::Yaml => ctx.screen.thing(report)?,
        Format::Id => {
            let mut slugs: Vec<&str> = stragglers.iter().map(|it| it.tenant.as_str()).collect();
            slugs.sort_unstable();
            slugs.dedup();
            ctx.screen.raw(slugs.iter().flat_map(|slug| [slug, "\n"]).collect::<String>().as_bytes())?;
        }
        Format::Table | Format::Csv => {
            ctx.screen.list(report.sets.iter().flat_map(|set| &set.versions))?;
            tell_stragglers(&stragglers, everybody, ctx)?;
        }
    }
    for set in &report.kept {
        ctx.screen.note(&format!(
            "the folder of set {set} is not on this machine: its newest version is taken from the files of earlier runs"
        ));
    }
    for group in &report.skipped {
        let who = if group.tenants.len() > SHOWN {
            counted(group.tenants.len(), "tenant")
        } else {
            group.tenants.join(", ")
        };
        ctx.screen.note(&format!("skipped: {who} ({}: {})", group.state, group.reason));
    }
    Ok(())
}

/// A second table for a person; a script asks for JSON, which has both.
fn tell_stragglers(stragglers: &[&Straggler], everybody: bool, ctx: &Invocation) -> Result<(), AnyFailure> {
    if stragglers.is_empty() || !(everybody || ctx.screen.data_on_terminal()) {
        return Ok(());
    }
    let shown = if everybody { stragglers.len() } else { stragglers.len().min(SHOWN) };
    ctx.screen.raw(b"\n")?;
    ctx.screen.list(stragglers[..shown].iter().copied())?;
    if shown < stragglers.len() {
        let more = stragglers.len() - shown;
        ctx.screen.note(&format!("and {more} more: --stragglers shows them, -o json has them all"));
    }
    Ok(())
}

row! { it: &VersionCount, it.set;
    text "set": it.set,
    text "version": it.version.map_or_else(String::new, |version| version.to_string()),
    text "state": it.state,
    number "tenants": it.tenants,
    text "description": it.description,
}

impl Row for &Straggler {
    const COLUMNS: &'static [Column] = &[
        Column::text("tenant"),
        Column::text("set"),
        Column::text("version"),
        Column::text("state"),
        Column::text("since"),
        Column::text("error"),
    ];

    fn cells(&self) -> Vec<String> {
        let error = self.error.as_ref().map(|it| {
            let texts = [it.sqlstate.clone(), it.message.clone()];
            texts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        vec![
            self.tenant.clone(),
            self.set.clone(),
            self.version.map_or_else(String::new, |version| version.to_string()),
            if self.suspended { format!("{}, suspended", self.state) } else { self.state.to_owned() },
            time_text(self.since),
            error.unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.tenant.clone()
    }
}

thing! { it: StatusReport, String::new();
    "sets": it.sets.len().to_string(),
    "behind": it.behind().to_string(),
}
