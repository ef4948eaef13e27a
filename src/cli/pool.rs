//! `nexus pool`: tenants that are made before anybody asks for them.

use clap::{Args, Subcommand};

use super::output::row;
use super::{CommandResult, Exit, Invocation, complete};
use crate::app::App;
use crate::features::placement::DEFAULT;
use crate::features::provisioning::{Filled, PoolView, Provisioning};
use crate::kernel::PlaceName;

/// How many are made at once unless the caller says.
const JOBS: u16 = 2;

/// Arguments of `nexus pool`.
#[derive(Debug, Args)]
pub struct PoolArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Set how many spare tenants are provisioned ahead on a server and in a store
    ///
    /// Provisions none: nexus pool fill does. Run that again as spare tenants are claimed, e.g. from a timer.
    #[command(after_help = "\
EXAMPLES
  nexus pool set --cluster eu1 --size 20
  nexus pool set --size 0                   none; the next fill removes what is left")]
    Set(SetArgs),
    /// List the pools, and how full they are
    #[command(after_help = "\
EXAMPLES
  nexus pool list
  nexus -o json pool list")]
    List(ListArgs),
    /// Fill the pools to their size, at the newest schema version
    ///
    /// Finishes what was interrupted, removes what is outdated or too many, provisions what is missing.
    #[command(after_help = "\
EXAMPLES
  nexus pool fill --jobs 4
  nexus --dry-run pool fill                 what is missing")]
    Fill(FillArgs),
}

/// Arguments of `nexus pool set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The server
    #[arg(long, value_name = "NAME", default_value = DEFAULT, add = complete::clusters())]
    pub cluster: PlaceName,
    /// The store
    #[arg(long, value_name = "NAME", default_value = DEFAULT, add = complete::stores())]
    pub store: PlaceName,
    /// Number of spare tenants
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=10_000))]
    pub size: i32,
}

/// Arguments of `nexus pool list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Arguments of `nexus pool fill`.
#[derive(Debug, Args)]
pub struct FillArgs {
    /// Provision this many at once
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
}

/// Runs a verb of `nexus pool`.
///
/// # Errors
/// What the services say.
pub async fn run(args: PoolArgs, ctx: &Invocation) -> CommandResult {
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    if matches!(args.verb, Verb::List(_)) {
        let mut app = App::open_to_read(&settings, &caller, &progress).await?;
        drop(progress);
        super::pages::list(ctx, Provisioning::list_pools(&mut app.control, &caller).await?, "pools")?;
        return Ok(Exit::Done);
    }
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    match args.verb {
        Verb::Set(args) => {
            let place = (args.cluster.as_str(), args.store.as_str());
            if !ctx.global.dry_run {
                provisioning.set_pool(&worker, &caller, place, args.size).await?;
            }
            drop(progress);
            ctx.screen.list(provisioning.pools(&worker, &caller).await?)?;
            ctx.screen.note("fill it: nexus pool fill");
        }
        Verb::List(ListArgs {}) => {}
        Verb::Fill(_) if ctx.global.dry_run => {
            drop(progress);
            ctx.screen.list(provisioning.pools(&worker, &caller).await?)?;
        }
        Verb::Fill(args) => {
            let mut filled = Vec::new();
            for pool in provisioning.pools(&worker, &caller).await? {
                let with = (&progress as &dyn crate::kernel::Progress, &ctx.interrupt);
                let jobs = usize::from(args.jobs);
                filled.push(provisioning.fill_pool(&worker, &caller, &pool, jobs, with).await?);
            }
            drop(progress);
            ctx.screen.list(filled)?;
        }
    }
    Ok(Exit::Done)
}

row! { it: PoolView, format!("{}/{}", it.cluster, it.store);
    text "cluster": it.cluster,
    text "store": it.store,
    number "size": it.size,
    number "ready": it.ready,
    number "outdated": it.outdated,
}

row! { it: Filled, format!("{}/{}", it.cluster, it.store);
    text "cluster": it.cluster,
    text "store": it.store,
    number "created": it.created,
    number "removed": it.removed,
}
