//! `nexus migrate lint`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::output::row;
use super::super::{CommandResult, Exit, Invocation, complete};
use super::set::open_to_read;
use super::sources::SourceArgs;
use crate::features::migrations::SetName;
use crate::features::migrations::lint::{self, Finding, State};
use crate::kernel::text::counted;

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate lint                        the files that some tenant has not run yet
  nexus migrate lint shop --all-files
  nexus migrate lint shop --source ./migrations     the files of this checkout
  nexus migrate lint --file migrations/20260101120000_add_orders.sql     needs no installation
  nexus -o json migrate lint | jq -r '.[] | select(.state == \"fails\") | .instead'

To waive a rule, add a line before the file's first statement, e.g.
  -- nexus: allow ban-drop-table because no program uses it since May
The rules are listed in docs/migrations.md.";

/// Arguments of `nexus migrate lint`.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// The sets; without a name, all that an operator added
    #[arg(value_name = "SET", add = complete::migration_sets())]
    pub sets: Vec<SetName>,
    /// Where their files are
    #[command(flatten)]
    pub source: SourceArgs,
    /// Check this file; may be repeated
    #[arg(long = "file", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Also check files that every tenant has run
    #[arg(long)]
    pub all_files: bool,
    /// Also apply the rules about style and caution
    #[arg(long)]
    pub strict: bool,
}

pub(super) async fn run(args: &LintArgs, ctx: &Invocation) -> CommandResult {
    let (mut subjects, mut findings) = (Vec::new(), Vec::new());
    for file in &args.files {
        subjects.push(lint::of_file(file).await?);
    }
    // Files that are named need no installation.
    if args.files.is_empty() || !args.sets.is_empty() {
        let mut app = open_to_read(ctx).await?;
        let sources = args.source.clone().with_settings(ctx)?;
        let (texts, misnamed) =
            lint::of_sets(&mut app.control, &ctx.caller(), (&args.sets, &sources), args.all_files).await?;
        subjects.extend(texts);
        findings.extend(misnamed.into_iter().map(|it| Finding { file: from_here(&it.file), ..it }));
    }
    for subject in &mut subjects {
        subject.file = from_here(&subject.file);
        findings.extend(lint::check(subject, args.strict)?);
    }
    let count = |state| findings.iter().filter(|it| it.state == state).count();
    let (failed, waived) = (count(State::Fails), count(State::Waived));
    let files = subjects.len();
    ctx.screen.list(findings)?;
    ctx.screen.note(&format!(
        "checked {}: {}, {waived} waived",
        counted(files, "file"),
        counted(failed, "broken rule")
    ));
    Ok(if failed > 0 { Exit::Integrity } else { Exit::Done })
}

/// A path without the working directory: shorter, and what an editor opens.
fn from_here(file: &str) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| Path::new(file).strip_prefix(here).ok());
    below.map_or_else(|| file.to_owned(), |path| path.display().to_string())
}

row! { it: Finding, format!("{}:{}:{}", it.file, it.line, it.column);
    text "file": it.file,
    number "line": it.line,
    number "column": it.column,
    text "state": it.state.as_str(),
    text "effect": it.effect.as_str(),
    text "rule": it.rule,
    text "message": it.message,
    text "instead": it.reason.as_ref().map_or_else(|| it.instead.clone(), |why| format!("waived: {why}")),
}
