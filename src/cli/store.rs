//! `nexus store`: the object stores that tenants' buckets are placed in.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::{row, thing};
use super::pages;
use super::place::{UpdateArgs, drained, labels_of, labels_text, open, read_secret};
use super::{CommandResult, Exit, Invocation, arguments, complete, prompt};
use crate::features::placement::{AddStore, Driver, PlaceChange, Registered, StorePlace, StoreView};
use crate::kernel::label::Label;
use crate::kernel::{AnyFailure, PlaceName};

/// What is asked for, and the flags that answer.
const SECRET: (&str, &str) = ("the administrator's secret", "--secret-stdin or --secret-file PATH");

/// Arguments of `nexus store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Register an object store for tenants' buckets
    ///
    /// Checks its administrator's secret and seals it. A store that cannot make keys for one bucket
    /// alone is refused, unless --shared-key accepts that its tenants can read each other's
    /// buckets.
    #[command(after_help = "\
EXAMPLES
  nexus store add garage1 --driver garage --endpoint http://10.0.0.8:3900 \\
        --admin-endpoint http://10.0.0.8:3903 --region garage --secret-file admin.token
  pass show aws/nexus | nexus store add aws1 --driver aws --region eu-central-1 \\
        --access-key AKIA... --secret-stdin
  nexus store add old --driver s3 --endpoint https://s3.example.com --access-key K \\
        --secret-file s3.secret --shared-key

DRIVERS
  local   the S3 endpoint that nexus itself serves; the secret is its administrator's token
  garage  Garage 2; the secret is an admin token
  aws     Amazon S3 and IAM, or a service compatible with both; one IAM user for each tenant
  s3      any S3 endpoint with one key for everything; only with --shared-key")]
    Add(Box<AddArgs>),
    /// List the stores
    #[command(after_help = "\
EXAMPLES
  nexus store list
  nexus -o json store list | jq '.[] | select(.problem)'")]
    List(ListArgs),
    /// Show a store
    #[command(after_help = "\
EXAMPLES
  nexus store show garage1")]
    Show(NameArgs),
    /// Change a store's labels, capacity or secret
    #[command(after_help = "\
EXAMPLES
  nexus store update garage1 --label tier=gold --capacity 500
  nexus store update garage1 --secret-file new.token")]
    Update(Box<UpdateStoreArgs>),
    /// Check that stores are reachable and let Nexus create buckets and keys
    ///
    /// Without a name, checks all of them. The result is recorded and shown by list; the exit code
    /// is 8 when one has a problem.
    #[command(after_help = "\
EXAMPLES
  nexus store check
  nexus store check garage1")]
    Check(CheckArgs),
    /// Stop placing tenants in a store; existing ones stay
    #[command(after_help = "\
EXAMPLES
  nexus store drain garage1
  nexus store drain garage1 --undo          place tenants there again")]
    Drain(DrainArgs),
    /// Unregister an empty store
    #[command(after_help = "\
EXAMPLES
  nexus store remove garage1
  nexus store remove garage1 --yes --confirm garage1    in a script")]
    Remove(RemoveArgs),
}

/// Arguments of `nexus store add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Its name: 1 to 40 lower-case letters, digits and hyphens
    pub name: PlaceName,
    /// How buckets and keys are created in it
    #[arg(long, value_parser = arguments::word(Driver::ALL, Driver::as_str))]
    pub driver: Driver,
    /// The S3 endpoint's URL; driver aws has a default
    #[arg(long, value_name = "URL", value_parser = arguments::endpoint)]
    pub endpoint: Option<String>,
    /// The URL of the admin interface, if it is another: Garage's, or IAM's
    #[arg(long, value_name = "URL", value_parser = arguments::endpoint)]
    pub admin_endpoint: Option<String>,
    /// The region that requests are signed for
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// The id of the administrator's access key; drivers aws and s3
    #[arg(long, value_name = "ID")]
    pub access_key: Option<String>,
    /// Read the administrator's token or secret key from standard input: one line
    #[arg(long, conflicts_with = "secret_file")]
    pub secret_stdin: bool,
    /// Read the administrator's token or secret key from this file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub secret_file: Option<PathBuf>,
    /// Give every tenant the administrator's own key: their buckets are not isolated
    #[arg(long)]
    pub shared_key: bool,
    /// Add a label, for placing tenants; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// Maximum number of tenants in it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub capacity: Option<i32>,
}

/// Arguments of `nexus store list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// A store.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// The store
    #[arg(add = complete::stores())]
    pub name: PlaceName,
}

/// Arguments of `nexus store update`.
#[derive(Debug, Args)]
pub struct UpdateStoreArgs {
    /// The store
    #[arg(add = complete::stores())]
    pub name: PlaceName,
    /// What changes
    #[command(flatten)]
    pub change: UpdateArgs,
    /// Read the administrator's new secret from standard input: one line
    #[arg(long, conflicts_with = "secret_file")]
    pub secret_stdin: bool,
    /// Read the administrator's new secret from this file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub secret_file: Option<PathBuf>,
}

/// Arguments of `nexus store check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The stores; without a name, all of them
    #[arg(add = complete::stores())]
    pub names: Vec<PlaceName>,
}

/// Arguments of `nexus store drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// The store
    #[arg(add = complete::stores())]
    pub name: PlaceName,
    /// Place tenants there again
    #[arg(long)]
    pub undo: bool,
}

/// Arguments of `nexus store remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The store
    #[arg(add = complete::stores())]
    pub name: PlaceName,
    /// Repeat the name to confirm, in a script
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<PlaceName>,
}

/// Runs a verb of `nexus store`.
///
/// # Errors
/// What the services say.
pub async fn run(args: StoreArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Add(args) => add(&args, ctx).await,
        Verb::List(ListArgs {}) => {
            let (mut app, placement) = open(ctx).await?;
            pages::list(ctx, placement.stores(&mut app.control, &ctx.caller()).await?, "stores")?;
            Ok(Exit::Done)
        }
        Verb::Show(NameArgs { name }) => {
            let (mut app, placement) = open(ctx).await?;
            ctx.screen.thing(&placement.show_store(&mut app.control, &ctx.caller(), name.as_str()).await?)?;
            Ok(Exit::Done)
        }
        Verb::Update(args) => update(&args, ctx).await,
        Verb::Check(args) => {
            let (mut app, placement) = open(ctx).await?;
            let checked = placement.check_stores(&mut app.control, &ctx.caller(), &args.names).await?;
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
        ctx.screen.note(&format!("would check and register store {}", args.name));
        return Ok(Exit::Done);
    }
    let (mut app, placement) = open(ctx).await?;
    let (registered, view) = placement.add_store(&mut app.control, &ctx.caller(), &add).await?;
    if registered == Registered::Unchanged {
        ctx.screen.note(&format!("store {} already exists; nothing was changed", args.name));
    }
    if view.shared_key {
        ctx.screen
            .warn("its tenants share one key: each can read and change every other tenant's bucket there");
    }
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

fn wanted(args: &AddArgs, ctx: &Invocation) -> Result<AddStore, AnyFailure> {
    let place = StorePlace {
        driver: args.driver,
        endpoint: args.endpoint.clone().unwrap_or_default(),
        admin_endpoint: args.admin_endpoint.clone(),
        region: args.region.clone(),
        access_key_id: args.access_key.clone(),
        shared_key: args.shared_key,
    };
    let place = place.complete()?;
    let secret = read_secret(args.secret_stdin, args.secret_file.as_deref(), SECRET, ctx)?;
    Ok(AddStore {
        name: args.name.clone(),
        place,
        secret,
        labels: labels_of(&args.labels),
        capacity: args.capacity,
    })
}

async fn update(args: &UpdateStoreArgs, ctx: &Invocation) -> CommandResult {
    if (args.secret_stdin || args.secret_file.is_some()) && !ctx.global.dry_run {
        let secret = read_secret(args.secret_stdin, args.secret_file.as_deref(), SECRET, ctx)?;
        let (mut app, placement) = open(ctx).await?;
        placement.change_secret(&mut app.control, &ctx.caller(), args.name.as_str(), &secret).await?;
    }
    change_it(&args.name, &args.change.change(), ctx).await
}

async fn change_it(name: &PlaceName, change: &PlaceChange, ctx: &Invocation) -> CommandResult {
    let (mut app, placement) = open(ctx).await?;
    let view = if ctx.global.dry_run {
        ctx.screen.note("nothing was changed; the current values are:");
        placement.show_store(&mut app.control, &ctx.caller(), name.as_str()).await?
    } else {
        placement.update_store(&mut app.control, &ctx.caller(), name.as_str(), change).await?
    };
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

async fn remove(args: &RemoveArgs, ctx: &Invocation) -> CommandResult {
    let (mut app, placement) = open(ctx).await?;
    let name = args.name.as_str();
    let view = placement.show_store(&mut app.control, &ctx.caller(), name).await?;
    if ctx.global.dry_run {
        ctx.screen.thing(&view)?;
        return Ok(Exit::Done);
    }
    let shown = [format!("store {name}: its administrator's secret will be erased")];
    let given = args.confirm.as_ref().map(PlaceName::as_str);
    prompt::confirm_word(ctx, &format!("removing store {name}"), &shown, name, given)?;
    placement.remove_store(&mut app.control, &ctx.caller(), name).await?;
    ctx.screen.thing(&view)?;
    Ok(Exit::Done)
}

row! { it: StoreView, it.name;
    text "name": it.name,
    text "state": it.state.as_str(),
    text "driver": it.driver.as_str(),
    text "endpoint": place(it),
    number "tenants": it.tenants,
    number "capacity": it.capacity,
    text "labels": labels_text(&it.labels),
    text "problem": it.problem,
}

thing! { it: StoreView, it.name;
    "name": it.name,
    "state": it.state.as_str(),
    "driver": it.driver.as_str(),
    "endpoint": place(it),
    "admin_endpoint": it.admin_endpoint,
    "region": it.region,
    "shared_key": it.shared_key,
    "labels": labels_text(&it.labels),
    "tenants": it.tenants,
    "capacity": it.capacity,
    "checked_at": it.checked_at,
    "problem": it.problem,
    "created_at": it.created_at,
}

fn place(view: &StoreView) -> String {
    match view.endpoint.as_deref() {
        None => String::new(),
        Some("") => "the service's own".to_owned(),
        Some(endpoint) => endpoint.to_owned(),
    }
}
