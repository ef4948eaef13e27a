//! `nexus cluster`: the PostgreSQL servers that tenants' databases are placed on.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::arguments::{self, Limit};
use super::output::{row, thing};
use super::pages;
use super::place::{UpdateArgs, drained, labels_of, labels_text, open, read_secret};
use super::{CommandResult, Exit, Invocation, complete, prompt};
use crate::features::placement::{AddCluster, ClusterView, PlaceChange, Registered, ServerPlace};
use crate::kernel::label::Label;
use crate::kernel::{AnyFailure, PlaceName};

/// What is asked for, and the flags that answer.
const PASSWORD: (&str, &str) = ("the login's password", "--password-stdin or --password-file PATH");

/// Arguments of `nexus cluster`.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Register a PostgreSQL server for tenants' databases
    ///
    /// Checks the login's privileges, seals its password, closes the maintenance databases to all
    /// other logins, and builds the template. If it is interrupted, the same command finishes the
    /// work.
    #[command(after_help = "\
EXAMPLES
  pass show pg/eu1 | nexus cluster add eu1 --host pg1.example.com --user nexus --password-stdin
  nexus cluster add eu2 --host 10.0.0.7 --user nexus --password-file eu2.password --ca-file ca.pem \\
        --label region=eu --capacity 400 --connections 90")]
    Add(Box<AddArgs>),
    /// List the servers
    #[command(after_help = "\
EXAMPLES
  nexus cluster list
  nexus -o json cluster list | jq '.[] | select(.problem)'")]
    List(ListArgs),
    /// Show a server
    #[command(after_help = "\
EXAMPLES
  nexus cluster show eu1
  nexus -o json cluster show eu1 | jq .tenants")]
    Show(NameArgs),
    /// Change a server's labels, limits or password
    #[command(after_help = "\
EXAMPLES
  nexus cluster update eu1 --label tier=gold --capacity 500
  nexus cluster update eu1 --connections 120      limit for the whole platform's sessions there
  nexus cluster update eu1 --capacity none
  pass show pg/eu1 | nexus cluster update eu1 --password-stdin")]
    Update(Box<UpdateClusterArgs>),
    /// Check that servers are reachable and grant Nexus what it needs
    ///
    /// Without a name, checks all of them. The result is recorded and shown by list; the exit code
    /// is 8 when one has a problem.
    #[command(after_help = "\
EXAMPLES
  nexus cluster check
  nexus cluster check eu1 eu2")]
    Check(CheckArgs),
    /// Stop placing tenants on a server; existing ones stay
    #[command(after_help = "\
EXAMPLES
  nexus cluster drain eu1
  nexus cluster drain eu1 --undo            place tenants there again")]
    Drain(DrainArgs),
    /// Unregister an empty server
    ///
    /// Drops its templates and erases its sealed password. With --gone the server is not contacted,
    /// because it no longer exists.
    #[command(after_help = "\
EXAMPLES
  nexus cluster remove eu1
  nexus cluster remove eu1 --yes --confirm eu1    in a script
  nexus cluster remove eu1 --gone                 the server no longer exists")]
    Remove(RemoveArgs),
}

/// Arguments of `nexus cluster add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Its name: 1 to 40 lower-case letters, digits and hyphens
    pub name: PlaceName,
    /// Its host's name or address, or the folder of its socket, which begins with '/'
    #[arg(long, value_parser = arguments::host)]
    pub host: String,
    /// Its port
    #[arg(long, default_value_t = 5432, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// The role to log in as; it must be a superuser
    #[arg(long, value_name = "ROLE")]
    pub user: String,
    /// Read the role's password from standard input: one line
    #[arg(long, conflicts_with = "password_file")]
    pub password_stdin: bool,
    /// Read the role's password from this file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// The maintenance database: where Nexus connects to make others
    #[arg(long, default_value = "postgres")]
    pub database: String,
    /// How the connection is protected; verify-full unless it is a socket
    #[arg(long, value_parser = ["disable", "require", "verify-full"])]
    pub tls: Option<String>,
    /// The certificates that the server's is checked against, in PEM form; kept in the control database
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
    /// Add a label, for placing tenants; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// Maximum number of tenants on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub capacity: Option<i32>,
    /// Maximum number of sessions that the whole platform opens there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(5..))]
    pub connections: Option<i32>,
}

/// Arguments of `nexus cluster list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// A server.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// The server
    #[arg(add = complete::clusters())]
    pub name: PlaceName,
}

/// Arguments of `nexus cluster update`.
#[derive(Debug, Args)]
pub struct UpdateClusterArgs {
    /// The server
    #[arg(add = complete::clusters())]
    pub name: PlaceName,
    /// What changes
    #[command(flatten)]
    pub change: UpdateArgs,
    /// Maximum number of sessions that the whole platform opens there, or 'none'
    #[arg(long, value_name = "N|none")]
    pub connections: Option<Limit<i32>>,
    /// Read the login's new password from standard input: one line
    #[arg(long, conflicts_with = "password_file")]
    pub password_stdin: bool,
    /// Read the login's new password from this file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

/// Arguments of `nexus cluster check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The servers; without a name, all of them
    #[arg(add = complete::clusters())]
    pub names: Vec<PlaceName>,
}

/// Arguments of `nexus cluster drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// The server
    #[arg(add = complete::clusters())]
    pub name: PlaceName,
    /// Place tenants there again
    #[arg(long)]
    pub undo: bool,
}

/// Arguments of `nexus cluster remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The server
    #[arg(add = complete::clusters())]
    pub name: PlaceName,
    /// The server no longer exists: do not contact it
    #[arg(long)]
    pub gone: bool,
    /// Repeat the name to confirm, in a script
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<PlaceName>,
}

/// Runs a verb of `nexus cluster`.
///
/// # Errors
/// What the services say.
pub async fn run(args: ClusterArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Add(args) => add(&args, ctx).await,
        Verb::List(ListArgs {}) => {
            let (mut app, placement) = open(ctx).await?;
            pages::list(ctx, placement.clusters(&mut app.control, &ctx.caller()).await?, "servers")?;
            Ok(Exit::Done)
        }
        Verb::Show(NameArgs { name }) => {
            let (mut app, placement) = open(ctx).await?;
            let view = placement.show_cluster(&mut app.control, &ctx.caller(), name.as_str()).await?;
            ctx.screen.thing(&view)?;
            Ok(Exit::Done)
        }
        Verb::Update(args) => update(&args, ctx).await,
        Verb::Check(args) => {
            let (mut app, placement) = open(ctx).await?;
            let checked = placement.check_clusters(&mut app.control, &ctx.caller(), &args.names).await?;
            ctx.screen.list(checked.views)?;
            Ok(checked.verdict.into())
        }
        Verb::Drain(DrainArgs { name, undo }) => change_it(&name, &drained(undo), ctx).await,
        Verb::Remove(args) => remove(&args, ctx).await,
    }
}

async fn add(args: &AddArgs, ctx: &Invocation) -> CommandResult {
    let add = wanted(args, ctx)?;
    if ctx.global.dry_run {
        ctx.screen.note(&format!(
            "would check and register {} as cluster {}, and build the template there",
            args.host, args.name
        ));
        return Ok(Exit::Done);
    }
    let progress = ctx.screen.progress();
    let mut app = ctx.open(&progress).await?;
    let (placement, id) = (app.provisioning.placement.clone(), app.provisioning.installation.id);
    let added = placement.add_cluster(&mut app.control, id, &ctx.caller(), &add, &progress).await;
    drop(progress);
    let (registered, view) = added?;
    if registered == Registered::Unchanged {
        ctx.screen.note(&format!("cluster {} already exists; nothing was changed", args.name));
    }
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

fn wanted(args: &AddArgs, ctx: &Invocation) -> Result<AddCluster, AnyFailure> {
    let password = read_secret(args.password_stdin, args.password_file.as_deref(), PASSWORD, ctx)?;
    let ca_certificate = args.ca_file.as_deref().map(super::place::read_text).transpose()?;
    Ok(AddCluster {
        name: args.name.clone(),
        place: ServerPlace::new(
            (args.host.clone(), args.port),
            (args.user.clone(), args.database.clone()),
            args.tls.clone(),
            ca_certificate,
        ),
        password,
        labels: labels_of(&args.labels),
        capacity: args.capacity,
        connections: args.connections,
    })
}

async fn update(args: &UpdateClusterArgs, ctx: &Invocation) -> CommandResult {
    let change = PlaceChange { connections: args.connections.map(Limit::number), ..args.change.change() };
    if (args.password_stdin || args.password_file.is_some()) && !ctx.global.dry_run {
        let password = read_secret(args.password_stdin, args.password_file.as_deref(), PASSWORD, ctx)?;
        let (mut app, placement) = open(ctx).await?;
        placement.change_password(&mut app.control, &ctx.caller(), args.name.as_str(), &password).await?;
    }
    change_it(&args.name, &change, ctx).await
}

async fn change_it(name: &PlaceName, change: &PlaceChange, ctx: &Invocation) -> CommandResult {
    let (mut app, placement) = open(ctx).await?;
    let caller = ctx.caller();
    let view = if ctx.global.dry_run {
        ctx.screen.note("nothing was changed; the current values are:");
        placement.show_cluster(&mut app.control, &caller, name.as_str()).await?
    } else {
        placement.update_cluster(&mut app.control, &caller, name.as_str(), change).await?
    };
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

async fn remove(args: &RemoveArgs, ctx: &Invocation) -> CommandResult {
    let (mut app, placement) = open(ctx).await?;
    let (caller, id) = (ctx.caller(), app.provisioning.installation.id);
    let name = args.name.as_str();
    let view = placement.show_cluster(&mut app.control, &caller, name).await?;
    if ctx.global.dry_run {
        ctx.screen.thing(&view)?;
        return Ok(Exit::Done);
    }
    let shown = [format!("cluster {name}: its templates will be dropped, its sealed password erased")];
    let given = args.confirm.as_ref().map(PlaceName::as_str);
    prompt::confirm_word(ctx, &format!("removing cluster {name}"), &shown, name, given)?;
    placement.remove_cluster(&mut app.control, id, &caller, name, args.gone).await?;
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

row! { it: ClusterView, it.name;
    text "name": it.name,
    text "state": it.state.as_str(),
    text "host": place(it),
    number "tenants": it.tenants,
    number "capacity": it.capacity,
    number "connections": it.connections,
    text "labels": labels_text(&it.labels),
    text "problem": it.problem,
}

thing! { it: ClusterView, it.name;
    "name": it.name,
    "state": it.state.as_str(),
    "host": place(it),
    "login": it.login,
    "tls": it.tls,
    "labels": labels_text(&it.labels),
    "tenants": it.tenants,
    "capacity": it.capacity,
    "connections": it.connections,
    "checked_at": it.checked_at,
    "problem": it.problem,
    "created_at": it.created_at,
}

fn place(view: &ClusterView) -> String {
    match (&view.host, view.port) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => String::new(),
    }
}
