//! `nexus serve`: the API.

mod reload;
mod service_manager;

use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Interval;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::output::Thing;
use super::{CommandResult, Exit, Invocation};
use crate::app::{self, App, AppLimits, Following, Post, may_come};
use crate::http::{Server, ServerLimits, Serving, Tls};
use crate::kernel::{AnyFailure, Failure};
use crate::settings::{Loaded, Settings};
use crate::worker;

/// Arguments of `nexus serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Listen on this address and port
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub bind: Option<SocketAddr>,
    /// Let other processes listen on the same port, too
    #[arg(long)]
    pub share_port: bool,
    /// Serve HTTPS with this certificate, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM form
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
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
  nexus serve --bind 0.0.0.0:8420          for other machines: put TLS in front, or
  nexus serve --bind 0.0.0.0:8443 --tls-cert api.pem --tls-key api.key
  nexus serve --check                      would it start?
  curl -s http://127.0.0.1:8420/health

It starts while its control database is down, and answers once that is up. Ctrl-C or SIGTERM stops it:
requests that are under way are finished first. SIGHUP reads settings and certificates again.";

/// An address and a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an address and a port, e.g. 127.0.0.1:8420 or [::]:8420".to_owned())
}

/// How long a statement of a request may take, in a tenant's database or the control database.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is said where messages go nowhere.
pub(super) fn no_post(ctx: &Invocation) -> String {
    let context = &ctx.loaded.context;
    format!("messages to users wait: set smtp_host and from in [context.{context}.mail]")
}

/// What is said at the first signal.
pub const STOPPING: &str = "stopping: requests under way are finished; press Ctrl-C again to quit at once";

/// SIGHUP cannot be watched for.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot watch for SIGHUP: {0}")]
#[failure(Internal, "signals_failed")]
struct NoSignals(std::io::Error);

/// The part of the process that accepts connections has ended, which is a bug: others can take its place only
/// once the process has ended, too.
#[derive(Debug, thiserror::Error, Failure)]
#[error("connections are accepted no more")]
#[failure(Internal, "server_ended")]
struct NoServer;

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
    // From here on SIGHUP ends nothing.
    let hangups = signal(SignalKind::hangup()).map_err(NoSignals)?;
    let settings = reload::settings(&args, &ctx.loaded)?;
    let tls = Tls::of(&settings.serve)?;
    begin_traces(ctx).await?;
    let limits = limits(&settings);
    let is_check = args.check || ctx.global.dry_run;
    if is_check {
        // Nothing is prepared: that writes.
        let session = App::load(&settings, limits, &ctx.caller(), &ctx.screen.progress()).await?;
        drop(session.app.follow().await?);
        drop(Server::bind(settings.serve.bind, settings.serve.share_port, ServerLimits::default())?);
        ctx.screen.note("the API could be served");
        return Ok(Exit::Done);
    }
    let opened = App::open_to_serve(&settings, limits, &ctx.caller(), &ctx.screen.progress()).await;
    let (opened, code) = match opened {
        Err(failure) if may_come(&failure) => {
            tracing::warn!(%failure, "not ready, and trying again until the control database answers");
            (None, failure.code())
        }
        opened => (Some(opened?), "starting"),
    };
    let server = Server::bind(settings.serve.bind, settings.serve.share_port, ServerLimits::default())?;
    // Cancelled by the first Ctrl-C, or by SIGTERM, which service managers send; or where it cannot go on.
    let stop = ctx.interrupt.child_token();
    let mut serving = Serving::new(settings.clone(), tls, code, stop.clone());
    let url = url(&settings, server.address().unwrap_or(settings.serve.bind));
    let tasks = TaskTracker::new();
    let drained = CancellationToken::new();
    let ends = Ends { stop: stop.clone(), drained: drained.clone() };
    let beside = Beside::of(ctx, (&settings, &url), tasks.clone(), ends).await?;
    if let Some((app, following)) = opened {
        serving.ready(app.clone(), following)?;
        beside.begin(&app);
    }
    announce(ctx, url)?;
    let gone = CancellationToken::new();
    let (accepting, is_gone) = (server.run(&serving), gone.clone().drop_guard());
    let running = tokio::spawn(async move {
        // Also where it panics.
        let _is_gone = is_gone;
        accepting.await
    });
    let running_beside = Running { args: &args, ctx, serving, hangups, beside, gone };
    let ended = running_beside.until_stopped(&settings, limits).await;
    service_manager::stopping();
    stop.cancel();
    let cut = running.await.unwrap_or_default();
    drained.cancel();
    // Operations come to the edge of a step.
    tasks.close();
    tasks.wait().await;
    if let Some(telemetry) = &ctx.telemetry {
        telemetry.end().await;
    }
    if cut > 0 {
        ctx.screen.warn(&format!("not all of {cut} connections ended in time; the rest were cut"));
    }
    ended.map(|()| Exit::Done)
}

/// Has traces sent, with the headers that the collector asks for.
pub(super) async fn begin_traces(ctx: &Invocation) -> Result<(), AnyFailure> {
    let Some(telemetry) = &ctx.telemetry else { return Ok(()) };
    let headers = match ctx.loaded.telemetry().headers {
        Some(headers) => Some(headers.resolve().await?),
        None => None,
    };
    Ok(telemetry.begin(headers.as_ref())?)
}

fn limits(settings: &Settings) -> AppLimits {
    let mut limits = AppLimits { statement: Some(STATEMENT_TIMEOUT), ..AppLimits::default() };
    limits.realms.sessions = usize::try_from(settings.serve.sessions).unwrap_or(limits.realms.sessions);
    limits
}

/// A server that takes requests.
struct Running<'a> {
    args: &'a ServeArgs,
    ctx: &'a Invocation,
    serving: Serving,
    hangups: Signal,
    beside: Beside<'a>,
    /// No connection is accepted any more.
    gone: CancellationToken,
}

/// When background work ends.
struct Ends {
    /// It is to stop.
    stop: CancellationToken,
    /// No request is under way any more.
    drained: CancellationToken,
}

/// Background work, once the control database answers.
struct Beside<'a> {
    ctx: &'a Invocation,
    /// Where messages go.
    post: Option<Post>,
    /// Those that were written to files instead of being sent.
    files: mpsc::Receiver<PathBuf>,
    tasks: TaskTracker,
    ends: Ends,
}

impl<'a> Beside<'a> {
    async fn of(
        ctx: &'a Invocation,
        (settings, url): (&Settings, &str),
        tasks: TaskTracker,
        ends: Ends,
    ) -> Result<Self, AnyFailure> {
        let (written, files) = mpsc::channel(64);
        let post = app::post(settings, url, &ctx.screen.progress(), written).await?;
        Ok(Self { ctx, post, files, tasks, ends })
    }

    fn begin(&self, app: &App) {
        worker::begin(app, self.post.clone(), &self.tasks, &self.ends.stop);
        self.tasks.spawn(settle_at_last(app.clone(), self.ends.drained.clone()));
        if self.post.is_none() {
            self.ctx.screen.note(&no_post(self.ctx));
        }
    }
}

/// Says where a message is that was not sent.
pub(super) fn announce_file(ctx: &Invocation, file: &Path) {
    let file = file.display();
    ctx.screen.note(&format!("wrote a message to {file} instead of sending it: no smtp_host is set"));
}

/// How long the last counts may take at a stop.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Once no request is under way any more, what was counted of the last ones is not lost.
async fn settle_at_last(app: App, drained: CancellationToken) {
    drained.cancelled().await;
    match tokio::time::timeout(SETTLE_TIMEOUT, app.settle_requests()).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => {
            tracing::warn!(
                code = failure.get().code(),
                "the last second's requests are not counted: {failure}"
            );
        }
        Err(_) => tracing::warn!("the last second's requests are not counted: the control database is slow"),
    }
}

/// What it says of itself to a service manager.
const READY: &str = "ready";
const WAITING: &str = "waiting for the control database";

impl Running<'_> {
    /// Does what is to be done meanwhile: waits for the control database, reads settings again, shows that it
    /// is alive. Ends when it is told to stop.
    async fn until_stopped(mut self, settings: &Settings, limits: AppLimits) -> Result<(), AnyFailure> {
        let (ctx, caller) = (self.ctx, self.ctx.caller());
        let waiting = self.serving.waiting();
        service_manager::ready(if waiting.is_some() { WAITING } else { READY });
        let progress = ctx.screen.progress();
        let mut opening = pin!(async {
            let Some(waiting) = waiting else { return pending().await };
            let failed = |failure: &AnyFailure| {
                tracing::warn!(%failure, "the control database does not answer yet");
                waiting.failed(failure.code());
            };
            App::retry_to_serve(settings, limits, &caller, &progress, failed).await
        });
        let (mut watchdog, mut loaded, mut is_open) =
            (service_manager::watchdog(), ctx.loaded.clone(), false);
        loop {
            tokio::select! {
                () = ctx.interrupt.cancelled() => return Ok(()),
                () = self.gone.cancelled() => return Err(NoServer.into()),
                opened = &mut opening, if !is_open => {
                    is_open = true;
                    self.open(opened?)?;
                }
                Some(file) = self.beside.files.recv() => announce_file(self.ctx, &file),
                Some(()) = self.hangups.recv() => self.reload(&mut loaded),
                () = tick(&mut watchdog) => service_manager::alive(),
            }
        }
    }

    fn open(&mut self, (app, following): (App, Following)) -> Result<(), AnyFailure> {
        self.serving.ready(app.clone(), following)?;
        self.beside.begin(&app);
        self.ctx.screen.note("the control database answers: ready");
        service_manager::status(READY);
        Ok(())
    }

    /// Where anything is wrong, all stays as it was.
    fn reload(&mut self, loaded: &mut Loaded) {
        service_manager::reloading();
        let done = reload::reread(self.args, self.ctx, loaded).and_then(|reread| {
            self.serving.reload(reread.settings)?;
            *loaded = reread.loaded;
            Ok(reread.change)
        });
        match done {
            Ok(change) => {
                let changed = if change.applied.is_empty() { "none" } else { &change.applied.join(", ") };
                self.ctx
                    .screen
                    .note(&format!("settings and certificates were read again; changed: {changed}"));
                for key in change.needs_restart {
                    tracing::warn!(key, "the setting was changed, and needs a restart");
                }
            }
            Err(failure) => {
                tracing::warn!(code = failure.code(), %failure, "the settings were not taken over");
            }
        }
        service_manager::ready(if self.serving.waiting().is_some() { WAITING } else { READY });
    }
}

async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(ticks) => drop(ticks.tick().await),
        None => pending().await,
    }
}

/// Where clients find it.
pub(super) fn url(settings: &Settings, address: SocketAddr) -> String {
    let scheme = if settings.serve.tls_cert.is_some() { "https" } else { "http" };
    settings.serve.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"))
}

fn announce(ctx: &Invocation, url: String) -> Result<(), AnyFailure> {
    let view = ServeView { docs: format!("{url}/docs"), first: format!("curl -s {url}/health"), url };
    ctx.screen.thing(&view)?;
    ctx.screen.flush()?;
    Ok(())
}
