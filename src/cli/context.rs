//! `nexus context`: which installation commands work on.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Column, Row, Thing};
use super::{CommandResult, Exit, Invocation, complete};
use crate::settings::{ContextName, Target, edit};

/// Arguments of `nexus context`.
#[derive(Debug, Args)]
pub struct ContextArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the configured contexts, and which one is in use
    #[command(after_help = "\
EXAMPLES
  nexus context list
  nexus -o id context list          the names alone")]
    List,
    /// Set the context that commands use by default
    #[command(after_help = "\
EXAMPLES
  nexus context use prod            write default_context = \"prod\" into nexus.toml
  nexus --context prod tenant list  use it for one command only")]
    Use(UseArgs),
    /// Show the context in use
    #[command(after_help = "\
EXAMPLES
  nexus context show
  nexus --context prod context show")]
    Show,
}

#[derive(Debug, Args)]
struct UseArgs {
    /// The context's name
    #[arg(add = complete::contexts())]
    name: ContextName,
}

/// Runs a verb of `nexus context`.
///
/// # Errors
/// A context that is not described, settings that are wrong, a file that cannot be written.
pub fn run(args: ContextArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::List => list(ctx),
        Verb::Use(args) => use_(&args.name, ctx),
        Verb::Show => show(ctx),
    }
}

#[derive(Debug, Serialize)]
struct ContextRow {
    name: String,
    current: bool,
    kind: &'static str,
    control: Option<String>,
}

impl Row for ContextRow {
    const COLUMNS: &'static [Column] =
        &[Column::text("name"), Column::text("current"), Column::text("kind"), Column::text("control")];

    fn cells(&self) -> Vec<String> {
        let current = if self.current { "yes" } else { "" };
        let control = self.control.clone().unwrap_or_default();
        vec![self.name.clone(), current.to_owned(), self.kind.to_owned(), control]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

fn list(ctx: &Invocation) -> CommandResult {
    let row = |name: ContextName| ContextRow {
        current: name == ctx.loaded.context,
        kind: if name.is_local() { "local" } else { "servers" },
        control: ctx.loaded.values.get(&format!("context.{name}.control.host")).map(|host| host.text.clone()),
        name: name.to_string(),
    };
    ctx.screen.list(ctx.loaded.contexts().into_iter().map(row))?;
    Ok(Exit::Done)
}

fn use_(name: &ContextName, ctx: &Invocation) -> CommandResult {
    if !ctx.loaded.contexts().contains(name) {
        return Err(ctx.loaded.unknown_context(name).into());
    }
    let file = ctx.loaded.file_to_edit(&ctx.sources)?;
    if ctx.global.dry_run {
        ctx.screen.note(&format!("would write default_context = \"{name}\" into {}", file.display()));
        return Ok(Exit::Done);
    }
    edit::set_default_context(&file, name)?;
    ctx.screen.note(&format!("commands now use {name} by default, as set in {}", file.display()));
    if let Some(other) = ctx.sources.variable("NEXUS_CONTEXT").filter(|other| *other != name.as_str()) {
        ctx.screen.warn(&format!("NEXUS_CONTEXT={other} is set here and takes precedence"));
    }
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct ContextView {
    name: String,
    chosen_by: String,
    kind: &'static str,
    file: Option<String>,
    home: String,
    control: Option<String>,
    cluster: Option<String>,
    store: Option<String>,
    master_key: String,
}

impl Thing for ContextView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            ("name", self.name.clone()),
            ("chosen_by", self.chosen_by.clone()),
            ("kind", self.kind.to_owned()),
            ("file", or_empty(&self.file)),
            ("home", self.home.clone()),
            ("control", or_empty(&self.control)),
            ("cluster", or_empty(&self.cluster)),
            ("store", or_empty(&self.store)),
            ("master_key", self.master_key.clone()),
        ]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

fn show(ctx: &Invocation) -> CommandResult {
    let settings = ctx.settings()?;
    let servers = match &settings.target {
        Target::Local(_) => None,
        Target::Servers(servers) => Some(servers),
    };
    let place = |server: &crate::settings::ServerSettings| {
        format!("{}@{}:{}/{}", server.user, server.host, server.port, server.database)
    };
    ctx.screen.thing(&ContextView {
        name: settings.context.to_string(),
        chosen_by: ctx.loaded.context_origin.to_string(),
        kind: if servers.is_some() { "servers" } else { "local" },
        file: ctx.loaded.file.as_ref().map(|file| file.display().to_string()),
        home: settings.home.path().display().to_string(),
        control: servers.map(|servers| place(&servers.control)),
        cluster: servers.map(|servers| place(&servers.cluster)),
        store: servers.map(|servers| servers.store.endpoint.clone()),
        master_key: settings.keys.master.reference.to_string(),
    })?;
    Ok(Exit::Done)
}
