//! `nexus migrate new`.

use clap::Args;
use time::OffsetDateTime;

use super::super::output::row;
use super::super::{CommandResult, Exit, Invocation, complete};
use super::set::open_to_read;
use super::sources::SourceArgs;
use crate::features::migrations::{self, MadeFile, NewFile, SetName};

pub(super) const AFTER_HELP: &str = "\
EXAMPLES
  nexus migrate new shop 'add orders'
  nexus migrate new shop 'index orders by day' --no-transaction     for CREATE INDEX CONCURRENTLY
  $EDITOR $(nexus -o id migrate new shop 'add notes')";

/// Arguments of `nexus migrate new`.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The set
    #[arg(value_name = "SET", add = complete::migration_sets())]
    pub set: SetName,
    /// What it does, in a few words; they become part of the file's name
    #[arg(value_name = "WORDS")]
    pub words: String,
    /// Where the set's files are
    #[command(flatten)]
    pub source: SourceArgs,
    /// Also create a .down.sql file, for rolling back
    #[arg(long)]
    pub reversible: bool,
    /// Run it outside a transaction
    #[arg(long)]
    pub no_transaction: bool,
}

pub(super) async fn run(args: NewArgs, ctx: &Invocation) -> CommandResult {
    let mut app = open_to_read(ctx).await?;
    let sources = args.source.with_settings(ctx)?;
    let new = NewFile {
        set: args.set,
        words: args.words,
        reversible: args.reversible,
        transaction: !args.no_transaction,
    };
    let now = OffsetDateTime::now_utc();
    ctx.screen.list(
        migrations::create_file(&mut app.control, &ctx.caller(), (&new, &sources), now, ctx.global.dry_run)
            .await?,
    )?;
    Ok(Exit::Done)
}

row! { it: MadeFile, it.file;
    text "file": it.file,
    number "version": it.version,
    text "set": it.set,
}
