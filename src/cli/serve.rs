//! `nexus serve`: the API.

use std::net::SocketAddr;

use clap::Args;
use serde::Serialize;

use super::output::Thing;
use super::{CommandResult, Exit, Invocation};
use crate::app::{App, AppLimits};
use crate::http::{Api, Server, ServerLimits, router};
use crate::kernel::AnyFailure;
use crate::worker::operations;

/// Arguments of `nexus serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen on this address and port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// Threads that answer requests; without it, one for each processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Check that it could be served, and end
    #[arg(long)]
    pub check: bool,
}

/// Its examples.
pub const AFTER_HELP: &str = "\
EXAMPLES
  nexus serve                              the local stack, on a port of this machine
  nexus serve --bind 0.0.0.0:8420          for other machines: put TLS in front
  nexus serve --check                      would it start?
  curl -s http://127.0.0.1:8420/health

Ctrl-C or SIGTERM stops it: requests that are under way are finished first.";

/// What is said at the first signal.
pub const STOPPING: &str = "stopping: requests under way are finished; press Ctrl-C again to quit at once";

/// Where the API is.
#[derive(Debug, Serialize)]
struct ServeView {
    url: String,
    docs: String,
    /// A first command to try.
    #[serde(rename = "try")]
    first: String,
}

impl Thing for ServeView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![("url", self.url.clone()), ("docs", self.docs.clone()), ("try", self.first.clone())]
    }

    fn id(&self) -> String {
        self.url.clone()
    }
}

/// Serves until it is stopped.
///
/// # Errors
/// When the context cannot be opened, or the address not be listened on.
pub async fn run(args: ServeArgs, ctx: &Invocation) -> CommandResult {
    let mut settings = ctx.settings()?;
    settings.serve.bind = args.bind.unwrap_or(settings.serve.bind);
    let mut limits = AppLimits::default();
    limits.realms.sessions = usize::try_from(settings.serve.sessions).unwrap_or(limits.realms.sessions);
    let session = App::load(&settings, limits, &ctx.caller(), &ctx.screen.progress()).await?;
    let app = session.app.clone();
    drop(session);
    let server = Server::bind(settings.serve.bind, ServerLimits::default()).await?;
    if args.check || ctx.global.dry_run {
        drop(app.follow().await?);
        ctx.screen.note("the API could be served");
        return Ok(Exit::Done);
    }
    app.prepare().await?;
    let following = app.follow().await?;
    let address = server.address().unwrap_or(settings.serve.bind);
    announce(ctx, settings.serve.public_url.as_deref(), address)?;
    // Cancelled by the first Ctrl-C, or by SIGTERM, which service managers send.
    let stop = ctx.interrupt.clone();
    let worker = tokio::spawn(operations::run(app.clone(), stop.clone()));
    let api = Api::new(app, following, &settings, stop.clone())?;
    let cut = server.run(router(api), stop).await;
    let _ = worker.await;
    if cut > 0 {
        ctx.screen.warn(&format!("not all of {cut} connections ended in time; the rest were cut"));
    }
    Ok(Exit::Done)
}

fn announce(ctx: &Invocation, public: Option<&str>, address: SocketAddr) -> Result<(), AnyFailure> {
    let url = public.map_or_else(|| format!("http://{address}"), str::to_owned);
    let view = ServeView { docs: format!("{url}/docs"), first: format!("curl -s {url}/health"), url };
    ctx.screen.thing(&view)?;
    ctx.screen.flush()?;
    Ok(())
}
