//! `nexus migrate verify`: whether every tenant's schema is what it should be.

use clap::Args;

use super::super::output::{Format, escape};
use super::super::{CommandResult, Exit, Invocation};
use super::WideSelection;
use super::sources::SourceArgs;
use crate::app::{self, App, Session};
use crate::features::fleet::{self, Finding, Verified, VerifyRequest};
use crate::kernel::AnyFailure;
use crate::kernel::text::counted;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate verify                      every tenant: which differ, and by how much
  nexus migrate verify acme                 every difference of one, as a diff
  nexus migrate verify --where cluster=eu1 --jobs 8
  nexus -o json migrate verify | jq -r '.[] | select(.severity == \"error\") | .tenant'

Exit codes: 0 nothing differs, though some may be behind; 9 some differ; 6 some did not answer or
could not be compared; 8 no server answered. docs/verify.md says what each finding means.";

/// How many tenants are asked at a time on each server, unless it is said.
const JOBS: u16 = 4;

/// Arguments of `nexus migrate verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Which
    #[command(flatten)]
    pub tenants: WideSelection,
    /// Where the files are
    #[command(flatten)]
    pub source: SourceArgs,
    /// Check this many tenants at once on each server, within its session limit
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Show every difference, also of many tenants
    #[arg(long)]
    pub diff: bool,
    /// Read every schema in full, without relying on earlier results
    ///
    /// Without it, a schema is read only if its catalogue changed since it was last read. Both find
    /// everything that was committed before the check.
    #[arg(long)]
    pub full: bool,
}

pub(super) async fn run(args: VerifyArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open_to_read(&settings, &caller, &progress).await?;
    let wanted = args.tenants.wanted();
    let differences = args.diff || wanted.is_one();
    let sources = args.source.with_settings(ctx)?;
    let request = VerifyRequest { wanted, sources, jobs: args.jobs.into(), differences, full: args.full };
    let Session { provisioning, control, .. } = &mut app;
    let reach = app::reach(provisioning);
    let report = fleet::verify(reach, control, &caller, &request, &progress, &ctx.interrupt).await?;
    drop(progress);
    let verdict = report.verdict();
    tell(report, ctx)?;
    verdict?;
    Ok(Exit::Done)
}

fn tell(verified: Verified, ctx: &Invocation) -> Result<(), AnyFailure> {
    let Verified { report, asked, drifted, pending, uncompared, unchecked, left_out, .. } = verified;
    if ctx.screen.format() == Format::Table {
        let is_difference = |it: &Finding| it.extra.expected.is_some() || it.extra.found.is_some();
        let (differences, others): (Vec<_>, Vec<_>) = report.findings.into_iter().partition(is_difference);
        ctx.screen.findings(others)?;
        ctx.screen.raw(comparison(&differences).as_bytes())?;
    } else {
        ctx.screen.findings(report.findings)?;
    }
    let others = if uncompared == 0 {
        String::new()
    } else {
        format!(
            "; {uncompared} with other files than the template: of their schemas only indexes were checked"
        )
    };
    let matching = if drifted == 0 { "no drift".to_owned() } else { format!("{drifted} with drift") };
    ctx.screen.note(&format!(
        "checked {}: {matching} ({pending} behind, {unchecked} unreachable, {left_out} skipped){others}",
        counted(asked, "tenant")
    ));
    Ok(())
}

/// `-` stands for what is in the template only, `+` for what is in the tenant only, `~` for what is
/// in both and differs.
fn comparison(differences: &[Finding]) -> String {
    let mut lines = Vec::new();
    let mut last = None;
    for it in differences {
        let (tenant, object) = (&it.subject.tenant, escape::cell(&it.subject.object));
        if last != Some(tenant) {
            last = Some(tenant);
            lines.push(tenant.clone().unwrap_or_default());
        }
        lines.push(match (&it.extra.expected, &it.extra.found) {
            (Some(expected), None) => format!("- {object}: {}", escape::cell(expected)),
            (None, found) => format!("+ {object}: {}", escape::cell(found.as_deref().unwrap_or_default())),
            (Some(expected), Some(found)) => format!(
                "~ {object}\n    template: {}\n    tenant:   {}",
                escape::cell(expected),
                escape::cell(found)
            ),
        });
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}
