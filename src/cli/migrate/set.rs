//! `nexus migrate set`: the folders of migrations that belong in every tenant.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::output::{Thing, row, time_text};
use super::super::pages;
use super::super::{CommandResult, Exit, Invocation, complete, prompt};
use super::sources::SourceArgs;
use crate::app::{App, Session};
use crate::features::migrations::{
    self, AddSet, FileView, HistoryTable, SetChange, SetDetail, SetName, SetOutcome, SetView, VersionView,
};
use crate::kernel::AnyFailure;
use crate::kernel::text::counted;

#[derive(Debug, Subcommand)]
pub(super) enum SetVerb {
    /// Add a folder of migrations that every tenant gets
    ///
    /// The files are sqlx's: VERSION_words.sql, or VERSION_words.up.sql with VERSION_words.down.sql.
    /// Each command reads the folder again; nothing runs before nexus migrate tenants. The folder is
    /// recorded relative to nexus.toml where it is below it, and is a hint: on another machine say
    /// --source SET=DIR, or set NEXUS_MIGRATIONS_SET. The same command again changes nothing.
    #[command(after_help = "\
EXAMPLES
  nexus migrate set add shop --source ./migrations
  nexus migrate set add reports --source reports/sql --depends-on shop \\
        --history public._sqlx_migrations_reports

The first set uses the history table that sqlx migrate info reads; each other set needs one of
its own.")]
    Add(AddArgs),
    /// List the sets, in the order in which they run
    #[command(after_help = "\
EXAMPLES
  nexus migrate set list
  nexus -o json migrate set list | jq '.[] | select(.problem)'")]
    List(ListArgs),
    /// Show a set: its files, and how many tenants are at which version
    #[command(after_help = "\
EXAMPLES
  nexus migrate set show shop
  nexus -o json migrate set show shop | jq '.migrations[-1]'")]
    Show(ShowArgs),
    /// Change where a set's files are, or which sets run before it
    #[command(after_help = "\
EXAMPLES
  nexus migrate set update shop --source /srv/shop/migrations
  nexus migrate set update reports --depends-on shop --depends-on billing
  nexus migrate set update reports --independent")]
    Update(UpdateArgs),
    /// Remove a set; nothing in a tenant is dropped
    ///
    /// Refused while tenants have migrations of it, unless --forget removes Nexus's record of them.
    /// Their tables and histories stay as they are.
    #[command(after_help = "\
EXAMPLES
  nexus migrate set remove shop
  nexus migrate set remove shop --forget --yes --confirm shop     in a script")]
    Remove(RemoveArgs),
}

/// Arguments of `nexus migrate set add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Its name: 1 to 40 lower-case letters, digits, hyphens and underscores
    pub name: SetName,
    /// The folder of its files
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub source: PathBuf,
    /// Its history table in each tenant, of sqlx's shape [default: public._sqlx_migrations]
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub history: Option<HistoryTable>,
    /// A set that runs before it; may be repeated
    #[arg(long, value_name = "SET", add = complete::migration_sets())]
    pub depends_on: Vec<SetName>,
}

/// Arguments of `nexus migrate set list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Where the files are
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Arguments of `nexus migrate set show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The set
    #[arg(value_name = "SET", add = complete::migration_sets())]
    pub name: SetName,
    /// Where its files are
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Arguments of `nexus migrate set update`.
#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// The set
    #[arg(value_name = "SET", add = complete::migration_sets())]
    pub name: SetName,
    /// The folder of its files
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub source: Option<PathBuf>,
    /// A set that runs before it, in place of those so far; may be repeated
    #[arg(long, value_name = "SET", add = complete::migration_sets())]
    pub depends_on: Vec<SetName>,
    /// No set runs before it
    #[arg(long, conflicts_with = "depends_on")]
    pub independent: bool,
}

/// Arguments of `nexus migrate set remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The set
    #[arg(value_name = "SET", add = complete::migration_sets())]
    pub name: SetName,
    /// Remove the record of which tenants have migrations of it
    #[arg(long)]
    pub forget: bool,
    /// Repeat the name to confirm, in a script
    #[arg(long, value_name = "SET")]
    pub confirm: Option<SetName>,
}

pub(super) async fn run(verb: SetVerb, ctx: &Invocation) -> CommandResult {
    let mut app = match verb {
        SetVerb::List(_) | SetVerb::Show(_) => open_to_read(ctx).await?,
        _ => App::open(&ctx.settings()?, &ctx.caller(), &ctx.screen.progress()).await?,
    };
    match verb {
        SetVerb::Add(args) => add(args, &mut app, ctx).await,
        SetVerb::List(ListArgs { source }) => {
            let sources = source.with_settings(ctx)?;
            let sets = migrations::list_sets(&mut app.control, &ctx.caller(), &sources).await?;
            pages::list(ctx, sets, "sets of migrations")?;
            Ok(Exit::Done)
        }
        SetVerb::Show(ShowArgs { name, source }) => {
            let sources = source.with_settings(ctx)?;
            ctx.screen.thing(
                &migrations::show_set(&mut app.control, &ctx.caller(), &sources, name.as_str()).await?,
            )?;
            Ok(Exit::Done)
        }
        SetVerb::Update(args) => update(args, &mut app, ctx).await,
        SetVerb::Remove(args) => remove(&args, &mut app, ctx).await,
    }
}

/// Opens the context for what changes nothing in it.
pub(super) async fn open_to_read(ctx: &Invocation) -> Result<Session, AnyFailure> {
    App::open_to_read(&ctx.settings()?, &ctx.caller(), &ctx.screen.progress()).await
}

async fn add(args: AddArgs, app: &mut Session, ctx: &Invocation) -> CommandResult {
    let add = AddSet {
        name: args.name,
        source: args.source,
        history: args.history.unwrap_or_else(HistoryTable::usual),
        depends_on: args.depends_on,
    };
    let (dry_run, sources) = (ctx.global.dry_run, SourceArgs::default().with_settings(ctx)?);
    let outcome = migrations::add_set(&mut app.control, &ctx.caller(), (&add, &sources), dry_run).await?;
    if outcome == SetOutcome::Changed && dry_run {
        ctx.screen.note(&format!(
            "would add set {} of {}, with history {}",
            add.name,
            add.source.display(),
            add.history
        ));
        return Ok(Exit::Done);
    }
    if outcome == SetOutcome::Unchanged {
        ctx.screen.note(&format!("set {} already exists; nothing was changed", add.name));
    }
    ctx.screen
        .thing(&migrations::show_set(&mut app.control, &ctx.caller(), &sources, add.name.as_str()).await?)?;
    Ok(Exit::Done)
}

async fn update(args: UpdateArgs, app: &mut Session, ctx: &Invocation) -> CommandResult {
    let depends_on = (args.independent || !args.depends_on.is_empty()).then_some(args.depends_on);
    let change = SetChange { source: args.source, depends_on };
    let (dry_run, sources) = (ctx.global.dry_run, SourceArgs::default().with_settings(ctx)?);
    let change = (&change, &sources);
    let outcome =
        migrations::update_set(&mut app.control, &ctx.caller(), &args.name, change, dry_run).await?;
    match outcome {
        SetOutcome::Changed if dry_run => ctx.screen.note("nothing was changed; the current values are:"),
        SetOutcome::Changed => {}
        SetOutcome::Unchanged => {
            ctx.screen.note(&format!("set {} is already so; nothing was changed", args.name));
        }
    }
    ctx.screen
        .thing(&migrations::show_set(&mut app.control, &ctx.caller(), &sources, args.name.as_str()).await?)?;
    Ok(Exit::Done)
}

async fn remove(args: &RemoveArgs, app: &mut Session, ctx: &Invocation) -> CommandResult {
    let name = args.name.as_str();
    let tenants = migrations::check_removable(&mut app.control, &ctx.caller(), name, args.forget).await?;
    let sources = SourceArgs::default().with_settings(ctx)?;
    let view = migrations::show_set(&mut app.control, &ctx.caller(), &sources, name).await?;
    if !ctx.global.dry_run {
        let shown = [format!(
            "set {name}: its tables stay in {}, and Nexus removes its record of them",
            counted(tenants, "tenant")
        )];
        let given = args.confirm.as_ref().map(SetName::as_str);
        prompt::confirm_word(ctx, &format!("removing set {name}"), &shown, name, given)?;
        migrations::remove_set(&mut app.control, &ctx.caller(), &args.name, args.forget).await?;
    }
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

row! { it: SetView, it.name;
    text "name": it.name,
    number "files": it.files,
    number "newest": it.newest,
    number "tenants": it.tenants,
    number "oldest_in_tenants": it.oldest_in_tenants,
    text "depends_on": it.depends_on.join(","),
    text "history": it.history,
    text "source": source(it),
    text "problem": it.problem,
}

impl Thing for SetDetail {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let set = &self.set;
        vec![
            ("name", set.name.clone()),
            ("source", source(set)),
            ("history", set.history.clone()),
            ("depends_on", set.depends_on.join(", ")),
            ("files", set.files.map(|count| count.to_string()).unwrap_or_default()),
            ("newest", set.newest.map(|version| version.to_string()).unwrap_or_default()),
            ("tenants", set.tenants.to_string()),
            ("versions", self.versions.iter().map(version_text).collect::<Vec<_>>().join(", ")),
            ("problem", set.problem.clone().unwrap_or_default()),
            ("created_at", time_text(set.created_at)),
            ("updated_at", time_text(set.updated_at)),
            ("migrations", self.migrations.iter().map(file_text).collect::<Vec<_>>().join(", ")),
        ]
    }

    fn id(&self) -> String {
        self.set.name.clone()
    }
}

fn source(set: &SetView) -> String {
    set.source.clone().unwrap_or_else(|| "part of Nexus".to_owned())
}

fn version_text(view: &VersionView) -> String {
    format!("{}: {}", view.version, view.tenants)
}

fn file_text(file: &FileView) -> String {
    let marks = [
        (file.reversible, "reversible".to_owned()),
        (!file.transaction, "no transaction".to_owned()),
        (file.alone, "alone".to_owned()),
        (file.lock_timeout.is_some(), format!("lock {}", file.lock_timeout.as_deref().unwrap_or_default())),
        (
            file.statement_timeout.is_some(),
            format!("statement {}", file.statement_timeout.as_deref().unwrap_or_default()),
        ),
    ];
    let marks: Vec<String> = marks.into_iter().filter(|(there, _)| *there).map(|(_, text)| text).collect();
    let text = format!("{} {}", file.version, file.description);
    if marks.is_empty() { text } else { format!("{text} ({})", marks.join(", ")) }
}
