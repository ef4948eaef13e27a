//! What a run came to: on the screen, and in the files that a CI system reads.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::super::own_files::{self, ForceArgs};
use super::super::{CommandResult, Exit, Invocation};
use super::views::{RunReport, failure_text, notice_texts};
use crate::app::Session;
use crate::features::fleet::{RunOutcome, RunTenantView, RunView, TenantState};
use crate::infra::private_file::PrivateFileError;
use crate::kernel::{Caller, Failure};

/// Where to report.
#[derive(Debug, Clone, Args)]
pub(super) struct ReportArgs {
    /// Write a report to a file: junit=FILE or markdown=FILE; may be repeated
    #[arg(long = "report", value_name = "FORM=FILE")]
    pub reports: Vec<ReportFile>,
    /// Whose file may be overwritten
    #[command(flatten)]
    pub force: ForceArgs,
}

impl ReportArgs {
    /// Refuses files that are a person's, before the run that they are to tell of.
    ///
    /// # Errors
    /// [`PrivateFileError::NotOurs`].
    pub(super) fn check(&self) -> Result<(), PrivateFileError> {
        self.reports.iter().try_for_each(|file| own_files::check(&file.path, self.force, file.form.ours()))
    }
}

/// A report in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportFile {
    form: Form,
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Junit,
    Markdown,
}

impl Form {
    /// Whether a file is a report of this form.
    fn ours(self) -> &'static (dyn Fn(&[u8]) -> bool + Sync) {
        match self {
            Self::Junit => &|there| {
                let mark = JUNIT.as_bytes();
                there.starts_with(b"<?xml") && there.windows(mark.len()).take(200).any(|it| it == mark)
            },
            Self::Markdown => &|there| there.starts_with(MARKDOWN.as_bytes()),
        }
    }
}

/// What each report of a form holds at its beginning.
const JUNIT: &str = "<testsuite name=\"nexus migrate: ";
const MARKDOWN: &str = "### Migration of tenants: ";

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "a report is junit=FILE or markdown=FILE".to_owned();
        let (form, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(wrong)?;
        let form = match form {
            "junit" => Form::Junit,
            "markdown" => Form::Markdown,
            _ => return Err(wrong()),
        };
        Ok(Self { form, path: PathBuf::from(path) })
    }
}

/// A file could not be read or written.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot {action} {}: {source}", path.display())]
#[failure(if source.kind() == std::io::ErrorKind::NotFound, NotFound, "file_missing")]
#[failure(Unavailable, "file_failed")]
pub(super) struct FileError {
    action: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

pub(super) fn read_file(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|source| FileError {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

/// Tells what came of it, and ends as it did.
pub(super) async fn tell(
    outcome: RunOutcome,
    app: &mut Session,
    caller: &Caller,
    args: &ReportArgs,
    ctx: &Invocation,
) -> CommandResult {
    let (mut report, run) = match outcome {
        RunOutcome::NothingToDo => (RunReport::nothing_to_do(), None),
        RunOutcome::Ran(run) => {
            let tenants = RunView::tenants_of(&mut app.control, caller, run.id).await?;
            (RunReport::of((*run).clone(), rendered(tenants, ctx)), Some(run))
        }
    };
    for file in &args.reports {
        let text = match file.form {
            Form::Junit => junit(&report),
            Form::Markdown => markdown(&report),
        };
        own_files::write_public(&file.path, text.as_bytes(), args.force, file.form.ours())?;
    }
    if let Some(run) = &run {
        for text in notice_texts(&report.tenants, run.id) {
            ctx.screen.note(&text);
        }
    }
    report.tenants.retain(|tenant| matches!(tenant.state, TenantState::Failed | TenantState::Skipped));
    for tenant in &report.tenants {
        ctx.screen.note(&failure_text(tenant));
        if let Some(hint) = &tenant.hint {
            ctx.screen.note(&format!("  {}", hint.text));
        }
    }
    ctx.screen.thing(&report)?;
    if let Some(run) = run {
        run.verdict(&report.tenants)?;
    }
    Ok(Exit::Done)
}

/// With what to do as commands, in every format.
pub(super) fn rendered(mut tenants: Vec<RunTenantView>, ctx: &Invocation) -> Vec<RunTenantView> {
    for hint in tenants.iter_mut().filter_map(|tenant| tenant.hint.as_mut()) {
        hint.0 = ctx.screen.rendered(hint).into();
    }
    tenants
}

fn hint_of(tenant: &RunTenantView) -> &str {
    tenant.hint.as_ref().map(|hint| &*hint.text).unwrap_or_default()
}

/// As CI systems read it: a test case for each tenant.
fn junit(report: &RunReport) -> String {
    let mut cases = String::new();
    let (mut failures, mut skipped) = (0, 0);
    for tenant in &report.tenants {
        let seconds = seconds(tenant);
        let _ = write!(
            cases,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds}\"",
            escaped(&tenant.cluster),
            escaped(&tenant.slug)
        );
        let message = escaped(tenant.message.as_deref().unwrap_or_default());
        match tenant.state {
            TenantState::Done => cases.push_str("/>\n"),
            TenantState::Failed => {
                failures += 1;
                let kind = escaped(tenant.sqlstate.as_deref().or(tenant.code.as_deref()).unwrap_or_default());
                let hint = escaped(hint_of(tenant));
                let _ = write!(
                    cases,
                    ">\n      <failure type=\"{kind}\" message=\"{message}\">{hint}</failure>\n    </testcase>\n"
                );
            }
            TenantState::Skipped | TenantState::Pending | TenantState::Running => {
                skipped += 1;
                let message = if message.is_empty() { "not started".to_owned() } else { message };
                let _ = write!(cases, ">\n      <skipped message=\"{message}\"/>\n    </testcase>\n");
            }
        }
    }
    let name =
        report.run.as_ref().map_or_else(|| "nothing to do".to_owned(), |run| format!("run {}", run.id));
    let tests = report.tenants.len();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  {JUNIT}{name}\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

/// Text as an attribute or an element of XML holds it (XML 1.0, section 2.4); what XML cannot hold
/// at all is left out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' | '\r' => safe.push(' '),
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}

fn seconds(tenant: &RunTenantView) -> String {
    let milliseconds = tenant.milliseconds.unwrap_or(0);
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// As a person reads it beside a pull request.
fn markdown(report: &RunReport) -> String {
    let Some(run) = &report.run else {
        return format!("{MARKDOWN}nothing to do\n\nEvery tenant is up to date.\n");
    };
    let mut text = format!("{MARKDOWN}{}\n\n", run.state.as_str());
    let versions: Vec<String> =
        run.versions.0.iter().map(|(set, version)| format!("{set} {version}")).collect();
    let _ = write!(
        text,
        "| run | to | tenants | done | failed | not started | skipped |\n|---|---|---|---|---|---|---|\n\
         | {} | {} | {} | {} | {} | {} | {} |\n",
        run.id,
        cell(&versions.join(", ")),
        run.tenants,
        run.done,
        run.failed,
        run.pending,
        run.skipped
    );
    let told: Vec<_> = report
        .tenants
        .iter()
        .filter(|tenant| matches!(tenant.state, TenantState::Failed | TenantState::Skipped))
        .collect();
    if !told.is_empty() {
        text.push_str("\n| tenant | why | message | what to do |\n|---|---|---|---|\n");
    }
    for tenant in told {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            cell(&tenant.slug),
            cell(tenant.sqlstate.as_deref().or(tenant.code.as_deref()).unwrap_or(tenant.state.as_str())),
            cell(tenant.message.as_deref().unwrap_or_default()),
            cell(hint_of(tenant))
        );
    }
    text
}

/// Text as a cell of a table holds it.
fn cell(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_form_and_a_file() {
        assert_eq!("junit=a=b.xml".parse(), Ok(ReportFile { form: Form::Junit, path: "a=b.xml".into() }));
        for bad in ["junit", "junit=", "xml=a"] {
            assert!(bad.parse::<ReportFile>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_server_says_cannot_break_a_report() {
        assert_eq!(escaped("<a> \"b\" & \u{1}c\n"), "&lt;a&gt; &quot;b&quot; &amp; c ");
        assert_eq!(cell("a|b\n<c>"), "a\\|b &lt;c>");
    }
}
