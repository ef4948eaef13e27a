//! `nexus migrate rehearse`: what is to come, run on copies.

use clap::Args;
use serde::Serialize;

use super::super::output::{Column, Format, Row, thing};
use super::super::{CommandResult, Exit, Invocation, complete};
use super::sources::SourceArgs;
use crate::app::{self, App, Session};
use crate::features::fleet::{self, Rehearsal, RehearseRequest, Rehearsed, Step};
use crate::kernel::AnyFailure;
use crate::kernel::text::counted;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate rehearse                    all sets, on three tenants
  nexus migrate rehearse shop --tenants 5
  nexus -o json migrate rehearse | jq .forecast
  nexus --dry-run migrate rehearse          which tenants would be copied

Exit code 9 when a file failed on a copy.";

/// Arguments of `nexus migrate rehearse`.
#[derive(Debug, Args)]
pub(super) struct RehearseArgs {
    /// Only these sets
    #[arg(value_name = "SET", add = complete::migration_sets())]
    pub sets: Vec<String>,
    /// Where they are
    #[command(flatten)]
    pub source: SourceArgs,
    /// Copy this many tenants
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub tenants: u16,
    /// Forecast for this many at a time on each server
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

pub(super) async fn run(args: RehearseArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let request = RehearseRequest {
        sets: args.sets,
        sources: args.source.with_settings(ctx)?,
        tenants: args.tenants.into(),
        jobs: args.jobs.into(),
        dry_run: ctx.global.dry_run,
    };
    let Session { provisioning, control, .. } = &mut app;
    let reach = app::reach(provisioning);
    let rehearsal = fleet::rehearse(reach, control, &caller, &request, &progress, &ctx.interrupt).await?;
    drop(progress);
    tell(&rehearsal, ctx)?;
    rehearsal.verdict()?;
    Ok(Exit::Done)
}

fn tell(rehearsal: &Rehearsal, ctx: &Invocation) -> Result<(), AnyFailure> {
    if matches!(ctx.screen.format(), Format::Json | Format::Yaml) {
        return Ok(ctx.screen.thing(rehearsal)?);
    }
    let rows =
        rehearsal.clones.iter().flat_map(|clone| clone.steps.iter().map(move |step| Ran { clone, step }));
    ctx.screen.list(rows)?;
    let verb = if ctx.global.dry_run { "would be copied" } else { "was copied" };
    for clone in &rehearsal.clones {
        ctx.screen.note(&format!("{} {verb}: {}, {} kB", clone.tenant, clone.why, clone.bytes / 1024));
        for line in &clone.not_copied {
            ctx.screen.warn(&format!("the copy of {} is incomplete: {line}", clone.tenant));
        }
    }
    if ctx.global.dry_run {
        return Ok(());
    }
    let forecast = &rehearsal.forecast;
    ctx.screen.note(&match &forecast.longest {
        None => "no tenant has pending migrations".to_owned(),
        Some(longest) => format!(
            "forecast: {}, {} at a time on each server: about {} ms in all, {} ms in {longest}; longest \
             exclusive lock: {} ms",
            counted(forecast.tenants, "tenant"),
            forecast.jobs,
            forecast.milliseconds,
            forecast.longest_milliseconds,
            forecast.shut_milliseconds
        ),
    });
    Ok(())
}

/// A file that was run on a clone.
#[derive(Serialize)]
struct Ran<'a> {
    clone: &'a Rehearsed,
    step: &'a Step,
}

impl Row for Ran<'_> {
    const COLUMNS: &'static [Column] = &[
        Column::text("tenant"),
        Column::text("set"),
        Column::text("version"),
        Column::number("milliseconds"),
        Column::text("locks"),
        Column::text("rewritten"),
        Column::text("error"),
    ];

    fn cells(&self) -> Vec<String> {
        let step = self.step;
        let locks: Vec<String> = step
            .locks
            .iter()
            .map(|lock| format!("{} {} {} ms", lock.table, lock.mode, lock.milliseconds))
            .collect();
        let error = step
            .error
            .as_ref()
            .map(|it| [it.sqlstate.as_deref().unwrap_or_default(), &it.message].join(" ").trim().to_owned());
        vec![
            self.clone.tenant.clone(),
            step.set.clone(),
            step.version.to_string(),
            step.milliseconds.to_string(),
            locks.join(", "),
            step.rewritten.join(", "),
            error.unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.clone.tenant.clone()
    }
}

thing! { it: Rehearsal, String::new();
    "clones": it.clones.len().to_string(),
    "tenants": it.forecast.tenants,
}
