//! `nexus fsck`: whether the world is as the control database says.

use clap::Args;

use super::output::{Column, Row};
use super::{CommandResult, Exit, Invocation, complete};
use crate::app::App;
use crate::features::inspection::{self, Finding, InspectionError, Report, Request, Severity};
use crate::features::tenants::Selector;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus fsck                                everything
  nexus fsck --where label.tier=gold        these tenants only
  nexus fsck --cluster eu1 --jobs 8
  nexus -o json fsck | jq -r '.[] | select(.severity == \"error\") | .code'
  nexus --dry-run fsck --fix                what would be mended, and how
  nexus fsck --fix --yes                    in a script
  nexus fsck --fix --drop-orphans --yes --confirm 2
                                            also what bears our mark and nobody has: two things

Exit codes: 0 nothing is wrong, notices apart; 9 faults were found; 8 nothing was found, but a
server or store could not be asked. docs/fsck.md lists every code.";

/// How many databases are looked into at a time, unless it is said.
const JOBS: u16 = 4;

/// Arguments of `nexus fsck`.
#[derive(Debug, Args)]
pub struct FsckArgs {
    /// Only tenants that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…")]
    pub conditions: Vec<Selector>,
    /// Only this PostgreSQL server, and its tenants
    #[arg(long, value_name = "NAME", add = complete::clusters())]
    pub cluster: Option<String>,
    /// Look into this many databases at once, as far as a server's limit of sessions allows
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

/// Runs `nexus fsck`.
///
/// # Errors
/// [`InspectionError::Faults`], [`InspectionError::Unasked`], or what the services say.
pub async fn run(args: FsckArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let progress = on.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let request = Request {
        selector: Selector::all_of(args.conditions.clone()),
        cluster: args.cluster.clone(),
        jobs: args.jobs.into(),
    };
    let provisioning = &app.provisioning;
    let report =
        inspection::inspect(provisioning, &mut app.control, &caller, &request, &progress, &on.interrupt).await;
    drop(progress);
    tell(report?, on)
}

/// Writes the findings; a fault is a failure.
fn tell(report: Report, on: &Invocation) -> CommandResult {
    let (errors, unasked) = (report.errors(), report.unasked());
    let fixable = report.findings.iter().filter(|it| it.fixable && it.severity == Severity::Error).count();
    let notices = report.findings.len() - errors - unasked;
    let (tenants, places) = (report.tenants, report.places);
    on.screen.list(report.findings)?;
    on.screen.note(&format!(
        "{tenants} tenant(s), {places} server(s) and store(s): {errors} fault(s), {notices} notice(s)"
    ));
    if errors > 0 {
        return Err(InspectionError::Faults { errors, unasked, fixable }.into());
    }
    if unasked > 0 {
        return Err(InspectionError::Unasked { unasked }.into());
    }
    Ok(Exit::Done)
}

impl Row for Finding {
    const COLUMNS: &'static [Column] = &[
        Column::text("code"),
        Column::text("severity"),
        Column::text("tenant"),
        Column::text("place"),
        Column::text("object"),
        Column::text("detail"),
        Column::text("mend"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.code.to_owned(),
            self.severity.as_str().to_owned(),
            self.tenant.clone().unwrap_or_default(),
            self.place.to_string(),
            self.object.clone(),
            self.detail.clone(),
            self.mend.clone(),
        ]
    }

    fn id(&self) -> String {
        self.code.to_owned()
    }
}
