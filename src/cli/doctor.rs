//! `nexus doctor`: looks at everything that a person would be asked to look at.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::output::{Format, Screen, escape, row};
use super::{CommandResult, Exit, GlobalArgs, exit, hint, invocation, logging};
use crate::app::doctor;
use crate::features::doctor::{CHECKS, Check, CheckOutcome, Finding, Group, Only, worst};
use crate::kernel::text::counted;
use crate::settings::{Flags, Loaded, Sources};

/// Arguments of `nexus doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  nexus doctor                              everything, with a fix under each problem
  nexus doctor --only settings key          the settings and the master key
  nexus -o json doctor | jq '.[] | select(.result == \"problem\")'

Exit codes: 0 nothing worse than warnings, 2 the settings are wrong, 8 a dependency cannot be
used, 9 keys or data are at risk. If several apply, the most severe one: 9, 8, 2.")]
pub struct DoctorArgs {
    /// Run only these groups of checks, or these checks
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = names(), hide_possible_values = true)]
    pub only: Vec<String>,
}

/// The names of groups, and of checks.
fn names() -> impl TypedValueParser<Value = String> {
    let groups = Group::ALL.iter().map(|group| group.as_str().to_owned());
    PossibleValuesParser::new(groups.chain(CHECKS.iter().map(Check::full_name)))
}

/// Examines the installation. Works without settings, and with wrong ones.
///
/// # Errors
/// When standard output takes no more.
pub fn run(args: DoctorArgs, global: &GlobalArgs, screen: &Screen) -> CommandResult {
    let flags = Flags { config: global.config.clone(), context: global.context.clone() };
    let sources = Sources::from_process(flags);
    if let Ok(loaded) = Loaded::read(&sources) {
        // A filter that makes no sense is no reason to look at nothing.
        let _ = logging::start(&loaded.log(), sources.variable("NEXUS_LOG"), global.verbose, screen);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|source| exit::NoRuntime { source })?;
    let mut findings =
        runtime.block_on(doctor::examine(sources, &invocation::caller(), &Only::new(args.only)))?;
    runtime.shutdown_background();
    for finding in &mut findings {
        finding.fix = finding.fix.as_ref().map(|fix| screen.hint(&hint::line(fix)).into());
    }
    let end = worst(&findings).map_or(Exit::Done, Exit::from);
    if screen.format() == Format::Table && screen.data_on_terminal() {
        screen.raw(report(&findings, screen.colour_on_stdout()).as_bytes())?;
    } else {
        screen.list(findings)?;
    }
    Ok(end)
}

row! { it: Finding, it.check;
    text "check": it.check,
    text "subject": it.subject,
    text "result": it.result.as_str(),
    text "found": it.found,
    text "fix": it.fix.as_ref().map(hint::line).unwrap_or_default(),
}

/// What a person reads: groups with a mark for each check, and the mend under what is wrong.
fn report(findings: &[Finding], colour: bool) -> String {
    // SGR codes, ECMA-48 section 8.3.117: 1 bold, 2 faint, 31 red, 32 green, 33 yellow, 36 cyan.
    let paint = |code: &str, text: &str| {
        if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let mut lines = Vec::new();
    let mut group = None;
    // What was left out of one subject for one reason is one line.
    let alike = |a: &Finding, b: &Finding| {
        let left_out = a.result == CheckOutcome::Skipped && b.result == CheckOutcome::Skipped;
        left_out && a.group == b.group && a.subject == b.subject && a.found == b.found
    };
    for some in findings.chunk_by(alike) {
        let Some(finding) = some.first() else { continue };
        if group != Some(finding.group) {
            if group.is_some() {
                lines.push(String::new());
            }
            lines.push(paint("1", finding.group.as_str()));
            group = Some(finding.group);
        }
        let (mark, code) = match finding.result {
            CheckOutcome::Ok => ("✓", "32"),
            CheckOutcome::Warning => ("!", "33"),
            CheckOutcome::Problem => ("✗", "1;31"),
            CheckOutcome::Skipped => ("-", "2"),
        };
        let check = finding.check.split_once('.').map_or(finding.check.as_str(), |(_, name)| name);
        let all = counted(some.len(), "check");
        let check = if some.len() > 1 { all.as_str() } else { check };
        let (subject, found) = (escape::cell(&finding.subject), escape::cell(&finding.found));
        lines.push(format!("  {} {check:<12} {subject}: {found}", paint(code, mark)));
        if let Some(fix) = finding.fix.as_ref().filter(|_| finding.result != CheckOutcome::Skipped) {
            lines.push(format!("      {} {}", paint("36", "fix:"), escape::sentence(&hint::line(fix))));
        }
    }
    let count = |result| findings.iter().filter(|finding| finding.result == result).count();
    lines.push(String::new());
    lines.push(format!(
        "{} ok, {}, {}, {} skipped",
        count(CheckOutcome::Ok),
        counted(count(CheckOutcome::Warning), "warning"),
        counted(count(CheckOutcome::Problem), "problem"),
        count(CheckOutcome::Skipped)
    ));
    lines.push(String::new());
    lines.join("\n")
}
