//! `nexus fsck`: whether the world is as the control database says.

use clap::Args;

use super::output::{Column, Row, Thing};
use super::{CommandResult, Exit, Invocation, complete, hint, prompt};
use crate::app::App;
use crate::features::inspection::{
    self, Accepted, CODES, Finding, InspectionError, PlannedFix, Report, Request, Severity, Subject,
};
use crate::features::tenants::Selector;
use crate::kernel::{AnyFailure, Hint, Verdict};

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus fsck                                everything
  nexus fsck --where label.tier=gold        these tenants only
  nexus fsck --cluster eu1 --jobs 8
  nexus -o json fsck | jq -r '.[] | select(.severity == \"error\") | .code'
  nexus --dry-run fsck --fix                what would be mended, and how
  nexus fsck --fix --yes                    in a script
  nexus fsck --accept-record                after an older control database was restored
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
    #[arg(long = "where", value_name = "KEY=VALUE,…", add = complete::selectors())]
    pub conditions: Vec<Selector>,
    /// Only this PostgreSQL server, and its tenants
    #[arg(long, value_name = "NAME", add = complete::clusters())]
    pub cluster: Option<String>,
    /// Look into this many databases at once, as far as a server's limit of sessions allows
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Mend what can be mended; what holds data and belongs to nobody is left alone
    #[arg(long)]
    pub fix: bool,
    /// Also drop databases and buckets that bear our mark and that no tenant has
    #[arg(long, requires = "fix", conflicts_with = "conditions")]
    pub drop_orphans: bool,
    /// Take the control database as it is for true: after an older one was restored, or after a row was
    /// changed by hand
    ///
    /// New changes are numbered above all that servers and stores have seen. Tenants that are closed on
    /// their server are suspended, tenants of a pool are given to nobody any more, and what the control
    /// database does not know is left alone from then on. Nothing is dropped and nothing is opened.
    #[arg(long, conflicts_with_all = ["fix", "conditions", "cluster"])]
    pub accept_record: bool,
    /// Say how many of those are to be dropped, where there is no terminal to type it on
    #[arg(long, value_name = "N", requires = "drop_orphans")]
    pub confirm: Option<usize>,
}

/// Runs `nexus fsck`.
///
/// # Errors
/// [`InspectionError::Faults`], [`InspectionError::Unasked`], or what the services say.
pub async fn run(args: FsckArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let progress = on.screen.progress();
    let mut app = App::open_to_read(&settings, &caller, &progress).await?;
    let request = Request {
        selector: Selector::all_of(args.conditions.clone()),
        cluster: args.cluster.clone(),
        jobs: args.jobs.into(),
    };
    let App { provisioning, control } = &mut app;
    let look = async |control: &mut _| {
        let look = inspection::inspect(provisioning, control, &caller, &request, &progress, &on.interrupt);
        on.reading(look).await
    };
    let report = look(control).await?;
    if args.accept_record {
        drop(progress);
        return accept(&mut app, &report, on).await;
    }
    if !args.fix {
        drop(progress);
        return tell(report, on);
    }
    if let Some(older) = report.older() {
        drop(progress);
        let older = older.detail.clone();
        on.screen.list(rendered(report.findings, on))?;
        return Err(InspectionError::RecordOlder(older).into());
    }
    let planned = inspection::plan(&report.findings, args.drop_orphans);
    if on.global.dry_run {
        drop(progress);
        on.screen.list(planned)?;
        return Ok(Exit::Done);
    }
    if planned.is_empty() {
        drop(progress);
        return tell(report, on);
    }
    agree(&planned, &args, on)?;
    let mending = inspection::mend(provisioning, control, &caller, &planned, &progress, &on.interrupt);
    let failed = Box::pin(mending).await?;
    for (action, error) in &failed {
        on.screen.warn(&format!("could not {action}: {error}"));
    }
    on.screen.note(&format!("{} of {} mended; looking again", planned.len() - failed.len(), planned.len()));
    let left = look(control).await?;
    drop(progress);
    tell(left, on)
}

/// Shows what an acceptance does, has it agreed to, and does it.
async fn accept(app: &mut App, report: &Report, on: &Invocation) -> CommandResult {
    let caller = on.caller();
    let App { provisioning, control } = app;
    let planned = inspection::accept(provisioning, control, &caller, report, true).await?;
    if !on.global.dry_run {
        on.screen.note(&format!("suspended from now on: {}", list(&planned.suspended)));
        on.screen
            .note(&format!("in the trash but in use, suspended from now on: {}", list(&planned.untrashed)));
        on.screen.note(&format!("suspended but open, closed by the next repair: {}", list(&planned.open)));
        on.screen.note(&format!("taken out of their pool: {}", list(&planned.unpooled)));
        on.screen.note(&format!("left alone from now on: {}", list(&planned.unmanaged)));
        on.screen.note(&format!("servers that are others from now on: {}", list(&planned.servers)));
        if planned.revoked_everything {
            on.screen.note("all access tokens are revoked, and all sessions end");
        }
        if planned.revocations {
            on.screen.note(
                "tokens whose revocation was deleted stay accepted: revoke them again (nexus token revoke)",
            );
        }
        prompt::confirm(on, "take the control database as it is for true")?;
        let accepted = inspection::accept(provisioning, control, &caller, report, false).await?;
        on.screen.thing(&accepted)?;
        return Ok(Exit::Done);
    }
    on.screen.thing(&planned)?;
    Ok(Exit::Done)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Shows what would be done and has it agreed to.
fn agree(planned: &[PlannedFix], args: &FsckArgs, on: &Invocation) -> Result<(), AnyFailure> {
    for fix in planned {
        on.screen.note(&format!("{} ({})", fix.action, fix.codes.join(", ")));
    }
    let dropped: Vec<String> =
        planned.iter().filter(|fix| fix.destroys).map(|fix| fix.action.clone()).collect();
    if dropped.is_empty() {
        return Ok(prompt::confirm(on, &format!("do these {} things", planned.len()))?);
    }
    let what = format!("dropping {} thing(s) that no tenant has", dropped.len());
    let count = dropped.len().to_string();
    let given = args.confirm.map(|given| given.to_string());
    Ok(prompt::confirm_word(on, &what, &dropped, &count, given.as_deref())?)
}

/// With what to do as commands, in every format.
fn rendered(findings: Vec<Finding>, on: &Invocation) -> impl Iterator<Item = Finding> + use<> {
    let screen = on.screen.clone();
    findings.into_iter().map(move |mut it| {
        it.mend = vec![screen.hint(&in_one(&it.mend)).into()];
        it
    })
}

fn in_one(hints: &[Hint]) -> String {
    hints.iter().map(hint::sentence).collect::<Vec<_>>().join("; ")
}

/// The handbook's table of codes, one line an entry.
#[must_use]
pub fn table() -> String {
    let mut lines = vec![
        "| code | severity | what it means | what mends it |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for entry in CODES {
        let mend = in_one(&entry.cure.hints(&Subject::default()));
        lines.push(format!(
            "| `{}` | {} | {} | {mend} |",
            entry.code,
            entry.severity.as_str(),
            entry.meaning
        ));
    }
    lines.join("\n") + "\n"
}

/// Writes the findings; a fault is a failure.
fn tell(report: Report, on: &Invocation) -> CommandResult {
    let (errors, unasked, verdict) = (report.errors(), report.unseen, report.verdict());
    let fixable = report.findings.iter().filter(|it| it.fixable && it.severity == Severity::Error).count();
    let notices = report.findings.len() - errors - unasked;
    let (tenants, places) = (report.tenants, report.places);
    on.screen.list(rendered(report.findings, on))?;
    on.screen.note(&format!(
        "{tenants} tenant(s), {places} server(s) and store(s): {errors} fault(s), {notices} notice(s)"
    ));
    match verdict {
        Verdict::Well => Ok(Exit::Done),
        Verdict::NotSeen { unseen } => Err(InspectionError::Unasked { unasked: unseen }.into()),
        Verdict::Faulty { faults, unseen } => {
            Err(InspectionError::Faults { errors: faults, unasked: unseen, fixable }.into())
        }
    }
}

impl Thing for Accepted {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("fence", self.fence.to_string()),
            ("suspended", self.suspended.join(" ")),
            ("unpooled", self.unpooled.join(" ")),
            ("unmanaged", self.unmanaged.join(", ")),
            ("servers", self.servers.join(" ")),
            ("revocations", self.revocations.to_string()),
        ]
    }

    fn id(&self) -> String {
        self.fence.to_string()
    }
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
            in_one(&self.mend),
        ]
    }

    fn id(&self) -> String {
        self.code.to_owned()
    }
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
