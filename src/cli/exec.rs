//! `nexus exec`: one statement over the fleet.

use std::io::Read;
use std::time::Duration;

use clap::Args;

use super::arguments::{Input, timeout};
use super::confirm::{self, ConfirmArgs};
use super::interrupt::Stdin;
use super::output::{Column, Format, Row, escape, row};
use super::tenant::TenantSelection;
use super::{CommandResult, Exit, Invocation, prompt};
use crate::app::{self, App, Session};
use crate::features::fleet::{
    self, ExecLine, ExecOutcome, ExecPlan, ExecRequest, MaxFailures, Statement, Wanted,
};
use crate::features::tenants::Selector;
use crate::kernel::{AnyFailure, Failure, text};

pub(super) const USAGE: &str =
    "nexus exec [OPTIONS] <SLUG|ID|--all|--where <KEY=VALUE,…>> <--file <FILE|->|-- <SQL>>";

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus exec --all -- 'select count(*) from invoices'
  nexus exec acme beta -- 'table settings'
  nexus exec --where tier=gold --file report.sql > report.jsonl
  nexus exec --all -- 'select 1 from invoices where total < 0' | jq -r .tenant | sort -u
  nexus exec acme --write -- \"update invoices set state = 'paid' where id = 17\"
  nexus --dry-run exec --all -- 'select 1'  the tenants that it would run in

Rows are JSON lines: {\"tenant\":\"acme\",\"row\":{…}}; a failure is a line, too, with the SQLSTATE.
With -o json they are one array. Exit code 6 when it failed in some tenants. See docs/exec.md.";

/// In how many it is run at a time on each server, unless it is said.
const JOBS: u16 = 4;
/// Most bytes of a statement in a file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Arguments of `nexus exec`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").args(["statement", "file"]).required(true).multiple(false))]
pub struct ExecArgs {
    /// In which tenants
    #[command(flatten)]
    pub tenants: TenantSelection,
    /// The statement
    #[arg(last = true, value_name = "SQL")]
    pub statement: Option<String>,
    /// Read the statement from this file, or '-' for standard input
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<Input>,
    /// Allow it to write; one transaction in each tenant
    #[arg(long)]
    pub write: bool,
    /// Run in this many tenants at once on each server, within its session limit
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Start no more tenants once this many, or this percentage, have failed
    #[arg(long, value_name = "N|P%")]
    pub max_failures: Option<MaxFailures>,
    /// Cancel it in a tenant after this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = timeout)]
    pub statement_timeout: Duration,
    /// Cancel it in a tenant after waiting this long for a lock
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout)]
    pub lock_timeout: Duration,
    /// In how many it is to write
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// A file without a readable statement.
#[derive(Debug, thiserror::Error, Failure)]
enum FileError {
    /// The file with the statement cannot be read.
    #[error("cannot read {name}: {source}")]
    #[failure(Invalid, "statement_unreadable")]
    Unreadable { name: String, source: std::io::Error },
    /// The file with the statement is too long.
    #[error("{name} is longer than {MAX_BYTES} bytes")]
    #[failure(Invalid, "statement_unreadable")]
    TooLong { name: String },
}

/// Runs `nexus exec`.
///
/// # Errors
/// [`fleet::FleetError::SomeFailed`], or what the services say.
pub async fn run(args: ExecArgs, ctx: &Invocation) -> CommandResult {
    let text = match (&args.statement, &args.file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => read(file)?,
        (None, None) => String::new(),
    };
    let request = ExecRequest {
        wanted: wanted(args.tenants),
        statement: Statement::parse(&text)?,
        write: args.write,
        jobs: args.jobs.into(),
        max_failures: args.max_failures,
        statement_timeout: args.statement_timeout,
        lock_timeout: args.lock_timeout,
    };
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let Session { provisioning, control, .. } = &mut app;
    let plan = fleet::plan_exec(control, &caller, &request).await?;
    if ctx.global.dry_run {
        drop(progress);
        return outline(&plan, ctx);
    }
    if request.write {
        let slugs: Vec<&str> = plan.tenants.iter().map(|tenant| tenant.slug.as_str()).collect();
        if slugs.len() == 1 && args.confirm.confirm.is_none() {
            prompt::confirm(ctx, &format!("running it, with write access, in tenant {}", slugs.join("")))?;
        } else {
            confirm::number(ctx, "running it, with write access, in", &slugs, args.confirm.confirm)?;
        }
    }
    let reach = app::reach(provisioning);
    let mut lines = Lines::begin(ctx);
    let what = (&request, &plan);
    let done =
        fleet::exec(reach, control, &caller, what, (&progress, &ctx.interrupt), &mut |line| lines.take(line))
            .await?;
    lines.finish()?;
    drop(progress);
    ctx.screen.note(&format!(
        "{} done, {} failed, {} not started, {} skipped",
        done.done,
        done.failed,
        done.skipped,
        plan.skipped.len()
    ));
    done.verdict()?;
    Ok(Exit::Done)
}

fn wanted(selection: TenantSelection) -> Wanted {
    if selection.names.is_empty() {
        Wanted::Matching(Selector::all_of(selection.conditions))
    } else {
        Wanted::Named(selection.names)
    }
}

fn read(file: &Input) -> Result<String, AnyFailure> {
    let name = match file {
        Input::Stdin => "standard input".to_owned(),
        Input::File(path) => path.display().to_string(),
    };
    let mut sql = String::new();
    let read = match file {
        Input::Stdin => Stdin.take(MAX_BYTES + 1).read_to_string(&mut sql),
        Input::File(path) => {
            std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut sql))
        }
    };
    let length = read.map_err(|source| FileError::Unreadable { name: name.clone(), source })?;
    if length as u64 > MAX_BYTES {
        return Err(FileError::TooLong { name }.into());
    }
    Ok(text::without_mark(&sql).to_owned())
}

/// In which tenants it would be run.
fn outline(plan: &ExecPlan, ctx: &Invocation) -> CommandResult {
    let planned =
        plan.tenants.iter().map(|tenant| Planned { tenant: tenant.slug.clone(), outcome: "planned" });
    let others = plan.skipped.iter().map(|line| Planned { tenant: line.tenant.clone(), outcome: "skipped" });
    ctx.screen.list(planned.chain(others))?;
    Ok(Exit::Done)
}

#[derive(serde::Serialize)]
struct Planned {
    tenant: String,
    outcome: &'static str,
}

row! { it: Planned, it.tenant;
    text "tenant": it.tenant,
    text "outcome": it.outcome,
}

/// Writes lines as they come: rows have any shape, so they are JSON lines where no other format is
/// asked for.
enum Lines<'a> {
    Json(&'a Invocation),
    List(Box<super::output::ListWriter<'a, ExecLine>>),
}

impl<'a> Lines<'a> {
    fn begin(ctx: &'a Invocation) -> Self {
        match ctx.screen.format() {
            Format::Table => Self::Json(ctx),
            _ => Self::List(Box::new(ctx.screen.list_writer())),
        }
    }

    fn take(&mut self, line: &ExecLine) -> Result<(), AnyFailure> {
        match self {
            Self::Json(ctx) => ctx.screen.raw(format!("{}\n", escape::json(&line.json())).as_bytes())?,
            Self::List(list) => list.row(line)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<(), AnyFailure> {
        match self {
            Self::Json(_) => {}
            Self::List(list) => list.finish()?,
        }
        Ok(())
    }
}

impl Row for ExecLine {
    const COLUMNS: &'static [Column] = &[
        Column::text("tenant"),
        Column::json("row"),
        Column::number("rows_affected"),
        Column::sentences("error"),
    ];
    const EXACT_JSON: bool = true;

    fn cells(&self) -> Vec<String> {
        let (mut row, mut affected, mut error) = (String::new(), String::new(), String::new());
        match &self.outcome {
            ExecOutcome::Row(text) => row.clone_from(text),
            ExecOutcome::RowsAffected(count) => affected = count.to_string(),
            ExecOutcome::Error { sqlstate, message } => {
                let words = [sqlstate.as_deref(), Some(message)];
                error = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
            }
            ExecOutcome::Skipped(reason) => error.clone_from(reason),
        }
        vec![self.tenant.clone(), row, affected, error]
    }

    fn id(&self) -> String {
        self.tenant.clone()
    }
}
