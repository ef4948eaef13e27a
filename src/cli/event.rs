//! `nexus event`: what happened in a realm, as it is published.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::sleep;

use super::iam::RealmArgs;
use super::moment::Moment;
use super::output::{Column, Format, ListWriter, Row, Screen, escape, row, time_text};
use super::{CommandResult, Exit, Invocation, complete};
use crate::app::App;
use crate::features::events::{self, EventPattern, EventQuery, EventType, EventView, StartPosition};
use crate::features::iam::Realm;
use crate::kernel::{AnyFailure, Failure, suggest};

/// How often a realm is looked at that is followed.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Events that are read at once.
const PAGE: usize = 200;

/// Arguments of `nexus event`.
#[derive(Debug, Args)]
pub struct EventArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the types of events that Nexus publishes
    #[command(after_help = "\
EXAMPLES
  nexus event list
  nexus -o json event list")]
    List,
    /// Print the JSON Schema of a type's payload
    #[command(after_help = "\
EXAMPLES
  nexus event schema user.disabled")]
    Schema(SchemaArgs),
    /// Print the latest events of a realm, and follow it
    ///
    /// One event a line; with -o json one JSON object a line. Events are kept for a week. A process of
    /// `nexus serve` or `nexus worker` must run: it numbers the events.
    #[command(after_help = "\
EXAMPLES
  nexus event tail --tenant acme
  nexus event tail --tenant acme --follow --type 'user.*,invoice.paid'
  nexus -o json event tail --tenant acme --follow --after 4711 | jq .payload")]
    Tail(TailArgs),
    /// Print the events of a realm again, from a position or a time on
    ///
    /// One event a line; with -o json one JSON object a line. It ends with the newest event.
    #[command(after_help = "\
EXAMPLES
  nexus event replay --tenant acme --since 2h
  nexus -o json event replay --tenant acme --after 4711 --type user.disabled")]
    Replay(ReplayArgs),
}

/// Arguments of `nexus event schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The type, e.g. user.disabled
    #[arg(value_name = "TYPE", add = complete::event_types())]
    pub name: String,
}

/// Which events.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// Only events of these types, separated by commas; user.* matches every type that begins with user.; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', add = complete::event_types())]
    pub types: Vec<EventPattern>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus event tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Print every event after this position, instead of the last 20
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: Option<i64>,
    /// Go on with new events as they come, until Ctrl-C
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Which events
    #[command(flatten)]
    pub which: WhichArgs,
}

/// Arguments of `nexus event replay`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("begin").required(true).args(["after", "since"]))]
pub struct ReplayArgs {
    /// Print every event after this position; 0 for all
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: Option<i64>,
    /// Print what was published from this time on (RFC 3339), from this day on (UTC), or so long ago: 30m, 2h, 7d
    #[arg(long, value_name = "TIME|AGO")]
    pub since: Option<Moment>,
    /// Which events
    #[command(flatten)]
    pub which: WhichArgs,
}

/// No type is called so.
#[derive(Debug, thiserror::Error, Failure)]
#[error("no type of events {name:?}")]
#[failure(NotFound, "event_type_not_found")]
#[hint(if let Some(nearest) = nearest, "did you mean {nearest}?")]
#[hint(if nearest.is_none(), "types that apps publish have no schema here")]
struct NoEventType {
    name: String,
    nearest: Option<String>,
}

/// A type of events.
#[derive(Debug, Serialize)]
pub struct EventTypeView {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    /// What a reader must hold, beside `event:read`.
    permission: &'static str,
    description: &'static str,
}

impl EventArgs {
    /// Whether the verb needs no installation.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        matches!(self.verb, Verb::List | Verb::Schema(_))
    }
}

/// Runs a verb that needs no installation.
///
/// # Errors
/// When there is no such type; when standard output takes no more.
pub fn run_alone(args: &EventArgs, screen: &Screen) -> CommandResult {
    match &args.verb {
        Verb::Schema(args) => schema(&args.name, screen),
        _ => list(screen),
    }
}

/// Runs a verb of `nexus event`.
///
/// # Errors
/// What the services say.
pub async fn run(args: EventArgs, ctx: &Invocation) -> CommandResult {
    let (from, follow, which) = match args.verb {
        Verb::Tail(args) => {
            let from = args.after.map_or(StartPosition::Last(20), StartPosition::After);
            (from, args.follow, args.which)
        }
        Verb::Replay(args) => {
            let since = |it: Moment| StartPosition::At(it.time(OffsetDateTime::now_utc()));
            let from = args.after.filter(|after| *after > 0).map(StartPosition::After);
            (from.or(args.since.map(since)).unwrap_or(StartPosition::Oldest), false, args.which)
        }
        Verb::List | Verb::Schema(_) => return Ok(Exit::Done),
    };
    tokio::select! {
        done = print(from, follow, &which, ctx) => done,
        () = ctx.interrupt.cancelled() => Ok(Exit::Interrupted),
    }
}

fn list(screen: &Screen) -> CommandResult {
    screen.list(EventType::all().iter().map(|known| EventTypeView {
        kind: known.name,
        version: known.version,
        permission: known.permission,
        description: known.about,
    }))?;
    Ok(Exit::Done)
}

fn schema(name: &str, screen: &Screen) -> CommandResult {
    let Some(known) = EventType::find(name) else {
        let names = EventType::all().iter().map(|known| known.name);
        let nearest = suggest::nearest(name, names).map(str::to_owned);
        return Err(NoEventType { name: name.to_owned(), nearest }.into());
    };
    screen.raw(format!("{:#}\n", known.schema()).as_bytes())?;
    Ok(Exit::Done)
}

async fn print(from: StartPosition, follow: bool, which: &WhichArgs, ctx: &Invocation) -> CommandResult {
    let mut realm = open(which, ctx).await?;
    let caller = ctx.caller();
    let types = which.types.iter().cloned().collect();
    let mut query = EventQuery { from, types, limit: PAGE };
    let mut lines = Lines::new(&ctx.screen);
    loop {
        let page = events::page(&mut realm, &caller, &query).await?;
        for event in &page.events {
            lines.write(event)?;
        }
        // What reads them waits for each.
        ctx.screen.flush()?;
        query.from = StartPosition::After(page.reached);
        if page.has_more() {
            continue;
        }
        if !follow {
            lines.finish()?;
            return Ok(Exit::Done);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

async fn open(which: &WhichArgs, ctx: &Invocation) -> Result<Realm, AnyFailure> {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let app = App::open_to_read(&settings, &caller, &ctx.screen.progress()).await?;
    app.enter_realm(&caller, which.realm.tenant.as_ref()).await
}

/// Writes events, each as a line of its own.
struct Lines<'a> {
    screen: &'a Screen,
    list: ListWriter<'a, EventView>,
}

impl<'a> Lines<'a> {
    fn new(screen: &'a Screen) -> Self {
        Self { screen, list: screen.list_writer() }
    }

    fn write(&mut self, event: &EventView) -> Result<(), AnyFailure> {
        match self.screen.format() {
            Format::Json => {
                let text = serde_json::to_string(event).unwrap_or_default();
                self.screen.raw_json(format!("{text}\n").as_bytes())?;
            }
            // A table would be written at its end.
            Format::Table if self.screen.data_on_terminal() => {
                let mut cells = event.cells();
                let payload = cells.pop().unwrap_or_default();
                let line: Vec<_> = cells.iter().map(|text| escape::cell(text)).collect();
                self.screen.raw(format!("{}  {}\n", line.join("  "), escape::json(&payload)).as_bytes())?;
            }
            _ => self.list.row(event)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<(), AnyFailure> {
        match self.screen.format() {
            Format::Json | Format::Table => {}
            _ => self.list.finish()?,
        }
        Ok(self.screen.flush()?)
    }
}

row! { it: EventTypeView, it.kind.to_owned();
    text "type": it.kind,
    text "permission": it.permission,
    number "version": it.version,
    sentences "description": it.description,
}

impl Row for EventView {
    const COLUMNS: &'static [Column] = &[
        Column::number("position"),
        Column::text("at"),
        Column::text("type"),
        Column::text("key"),
        Column::text("actor"),
        Column::json("payload"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.position.to_string(),
            time_text(self.at),
            self.kind.clone(),
            self.key.clone(),
            self.actor.clone(),
            self.payload.get().to_owned(),
        ]
    }

    fn id(&self) -> String {
        self.position.to_string()
    }
}
