//! `nexus worker`: background jobs, without the API.

use clap::Args;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::serve::{self, STATEMENT_TIMEOUT};
use super::{CommandResult, Exit, Invocation};
use crate::app::{self, App, AppLimits, Following, may_come};
use crate::kernel::AnyFailure;
use crate::settings::Settings;
use crate::worker;

/// Arguments of `nexus worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {}

/// Its examples.
pub const AFTER_HELP: &str = "\
EXAMPLES
  nexus worker

Waits for the control database if it is down.
Ctrl-C or SIGTERM: running jobs get 20 seconds, then go back to the queue.";

/// What is said at the first signal.
pub const STOPPING: &str = "stopping: running jobs get 20 seconds; press Ctrl-C again to quit at once";

/// Works until it is stopped.
///
/// # Errors
/// When the context cannot be opened.
pub async fn run(_: WorkerArgs, ctx: &Invocation) -> CommandResult {
    let settings = ctx.loaded.settings()?;
    serve::begin_traces(ctx).await?;
    if ctx.global.dry_run {
        let session = App::load(&settings, limits(), &ctx.caller(), &ctx.screen.progress()).await?;
        drop(session.app.follow().await?);
        ctx.screen.note("the worker could run");
        return Ok(Exit::Done);
    }
    // What is followed is followed until the end.
    let (app, _following) = tokio::select! {
        opened = open(&settings, ctx) => opened?,
        () = ctx.interrupt.cancelled() => return Ok(Exit::Done),
    };
    let (written, mut files) = mpsc::channel(64);
    let url = serve::url(&settings, settings.serve.bind);
    let post = app::post(&settings, &url, &ctx.screen.progress(), written).await?;
    if post.is_none() {
        ctx.screen.note(&serve::no_post(ctx));
    }
    let tasks = TaskTracker::new();
    worker::begin(&app, post, &tasks, &ctx.interrupt.child_token());
    ctx.screen.note("running jobs: Ctrl-C stops");
    ctx.screen.flush()?;
    loop {
        tokio::select! {
            () = ctx.interrupt.cancelled() => break,
            Some(file) = files.recv() => serve::announce_file(ctx, &file),
        }
    }
    tasks.close();
    tasks.wait().await;
    if let Some(telemetry) = &ctx.telemetry {
        telemetry.end().await;
    }
    Ok(Exit::Done)
}

async fn open(settings: &Settings, ctx: &Invocation) -> Result<(App, Following), AnyFailure> {
    let (caller, progress) = (ctx.caller(), ctx.screen.progress());
    match App::open_to_serve(settings, limits(), &caller, &progress).await {
        Err(failure) if may_come(&failure) => {
            tracing::warn!(%failure, "not ready, and trying again until the control database answers");
            let failed = |failure: &AnyFailure| {
                tracing::warn!(%failure, "the control database does not answer yet");
            };
            App::retry_to_serve(settings, limits(), &caller, &progress, failed).await
        }
        opened => opened,
    }
}

fn limits() -> AppLimits {
    AppLimits { statement: Some(STATEMENT_TIMEOUT), ..AppLimits::default() }
}
