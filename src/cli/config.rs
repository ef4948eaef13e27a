//! `nexus config`: every value, and where it came from.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::row;
use super::{CommandResult, Exit, Invocation};
use crate::settings::key::{ANY, Default, Key, Kind, SECTIONS, Section};
use crate::settings::{Origin, SecretRef};

/// Arguments of `nexus config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show each value of the context in use, and where it comes from
    ///
    /// A value comes from the command line, a variable, a line of a file, or is the default: the
    /// first source wins. Secrets are never shown, only where they are stored.
    #[command(after_help = "\
EXAMPLES
  nexus config show
  nexus --context prod config show
  nexus -o json config show | jq '.[] | select(.source != \"default\")'")]
    Show,
}

/// Runs a verb of `nexus config`.
///
/// # Errors
/// Settings that are wrong.
pub fn run(args: &ConfigArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Show => show(ctx),
    }
}

#[derive(Debug, Serialize)]
struct ValueRow {
    key: String,
    value: Option<String>,
    source: String,
}

row! { it: ValueRow, it.key;
    text "key": it.key,
    text "value": it.value,
    text "source": it.source,
}

fn show(ctx: &Invocation) -> CommandResult {
    let loaded = &ctx.loaded;
    if !loaded.contexts().contains(&loaded.context) {
        return Err(loaded.unknown_context(&loaded.context).into());
    }
    let home = loaded.home()?.path().display().to_string();
    let home_source = match ctx.sources.variable("NEXUS_HOME") {
        Some(_) => Origin::Environment("NEXUS_HOME".to_owned()),
        None => Origin::Default,
    };
    let mut rows = vec![
        ValueRow {
            key: "context".to_owned(),
            value: Some(loaded.context.to_string()),
            source: loaded.context_origin.to_string(),
        },
        ValueRow { key: "home".to_owned(), value: Some(home.clone()), source: home_source.to_string() },
    ];
    for section in SECTIONS {
        if !is_shown(section, ctx) {
            continue;
        }
        let keys = section.keys.iter().filter(|key| key.name != ANY);
        rows.extend(keys.map(|key| row(section, key, ctx, &home)));
        if section.keys.iter().any(|key| key.name == ANY) {
            rows.extend(named_rows(section, ctx));
        }
    }
    ctx.screen.list(rows)?;
    Ok(Exit::Done)
}

/// Only what the context in use can have. An absent cluster is the control server.
fn is_shown(section: &Section, ctx: &Invocation) -> bool {
    let local = ctx.loaded.context.is_local();
    match section.path {
        "local" => local,
        "context.NAME.control" | "context.NAME.store" => !local,
        "context.NAME.cluster" => {
            let path = section.path.replace("NAME", ctx.loaded.context.as_str());
            ctx.loaded.values.section(&path).first().is_some()
        }
        _ => true,
    }
}

/// The values of a section whose keys are names that people chose; variables have some of all
/// contexts.
fn named_rows(section: &Section, ctx: &Invocation) -> Vec<ValueRow> {
    let values = &ctx.loaded.values;
    let own = section.path.replace("NAME", ctx.loaded.context.as_str());
    let of_all = section.path.rsplit('.').next().unwrap_or_default();
    let paths = [own.as_str(), of_all].into_iter().flat_map(|path| values.section(path).paths());
    let row = |path: String| {
        let value = values.get(&path)?;
        Some(ValueRow { value: Some(value.text.clone()), source: value.origin.to_string(), key: path })
    };
    paths.filter_map(row).collect()
}

fn row(section: &Section, key: &Key, ctx: &Invocation, home: &str) -> ValueRow {
    let context = ctx.loaded.context.as_str();
    let path = section.full_path(key).replace("NAME", context);
    if let Some(value) = ctx.loaded.values.get(&path) {
        let shown = match key.kind {
            Kind::Secret => value.text.parse::<SecretRef>().map(|reference| reference.to_string()).ok(),
            _ => Some(value.text.clone()),
        };
        return ValueRow { key: path, value: shown, source: value.origin.to_string() };
    }
    let (value, source) = match key.default {
        Default::Value(text) => {
            let text = text.replace("$NEXUS_HOME", home).replace("NAME", context);
            (Some(text), Origin::Default.to_string())
        }
        Default::Words(text) => (None, format!("default: {text}")),
        Default::Required => (None, "not set".to_owned()),
    };
    ValueRow { key: path, value, source }
}
