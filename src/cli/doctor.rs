//! `nexus doctor`: looks at everything that a person would be asked to look at.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::output::Screen;
use super::{CommandResult, GlobalArgs, exit, invocation, logging};
use crate::app::doctor;
use crate::features::doctor::{CHECKS, Only, checks};
use crate::settings::{Flags, Loaded, Sources};

/// Arguments of `nexus doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  nexus doctor                              everything, with a fix under each problem
  nexus doctor --only settings key          the settings and the master key
  nexus -o json doctor | jq '.[] | select(.severity == \"error\")'

Exit codes: 0 nothing worse than warnings, 2 the settings are wrong, 8 a dependency cannot be
used, 9 keys or data are at risk. If several apply, the most severe one: 9, 8, 2.")]
pub struct DoctorArgs {
    /// Run only these groups of checks, or these checks
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = names(), hide_possible_values = true)]
    pub only: Vec<String>,
}

/// The names of groups, and of checks.
fn names() -> impl TypedValueParser<Value = String> {
    let groups = CHECKS.iter().map(|(group, _)| group.as_str().to_owned());
    PossibleValuesParser::new(groups.chain(checks()))
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
        let _ = logging::start(&loaded.log(), sources.variable("NEXUS_LOG"), global.verbose, screen, None);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|source| exit::NoRuntime { source })?;
    let report = runtime.block_on(doctor::examine(sources, &invocation::caller(), &Only::new(args.only)))?;
    runtime.shutdown_background();
    let verdict = report.verdict();
    screen.report("the installation", report)?;
    Ok(verdict.into())
}
