//! One run of a command: its global flags, its settings, its screen, and whether it was stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::output::Screen;
use super::output::progress::ScreenProgress;
use super::{GlobalArgs, logging};
use crate::app::{App, Session};
use crate::infra::telemetry::Telemetry;
use crate::kernel::{AnyFailure, Caller, Failure, Progress};
use crate::settings::{Flags, Loaded, Settings, Sources};

/// The user stopped work that only reads.
#[derive(Debug, thiserror::Error, Failure)]
#[error("stopped; nothing was changed")]
#[failure(Interrupted, "interrupted")]
pub struct Stopped;

/// One run of a command.
#[derive(Debug)]
pub struct Invocation {
    /// The flags that every command takes.
    pub global: GlobalArgs,
    /// Where output goes.
    pub screen: Screen,
    /// Cancelled by the first Ctrl-C: work stops at the next step's edge.
    pub interrupt: CancellationToken,
    /// Whether a program that runs in our place, e.g. psql, takes Ctrl-C.
    pub child_has_terminal: Arc<AtomicBool>,
    /// What settings were made from.
    pub sources: Sources,
    /// What was set, of every context.
    pub loaded: Loaded,
    /// What makes traces, where a collector is named and requests are served.
    pub telemetry: Option<Telemetry>,
}

impl Invocation {
    /// Reads the settings and starts the log, and traces where requests are to be served.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn begin(global: GlobalArgs, screen: Screen, serves: bool) -> Result<Self, AnyFailure> {
        let flags = Flags { config: global.config.clone(), context: global.context.clone() };
        let sources = Sources::from_process(flags);
        let loaded = Loaded::read(&sources)?;
        for warning in &loaded.warnings {
            screen.warn(warning);
        }
        let collector = loaded.telemetry().endpoint.filter(|_| serves);
        let telemetry = collector.map(|endpoint| Telemetry::new(&endpoint)).transpose()?;
        let filter = sources.variable("NEXUS_LOG");
        logging::start(&loaded.log(), filter, global.verbose, &screen, telemetry.as_ref())?;
        Ok(Self {
            global,
            screen,
            interrupt: CancellationToken::new(),
            child_has_terminal: Arc::default(),
            sources,
            loaded,
            telemetry,
        })
    }

    /// Waits for work that only reads. Where the user stops it, it is dropped at once, with what it
    /// holds open.
    ///
    /// # Errors
    /// [`Stopped`], or what the work says.
    pub fn reading<T, E: Into<AnyFailure>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, AnyFailure>> {
        let work = Box::pin(work);
        async move {
            tokio::select! {
                done = work => done.map_err(Into::into),
                () = self.interrupt.cancelled() => Err(Stopped.into()),
            }
        }
    }

    /// From here on Ctrl-C is for the program that runs in our place.
    pub fn interrupt_belongs_to_child(&self) {
        self.child_has_terminal.store(true, Ordering::Relaxed);
    }

    /// The settings of the context in use.
    ///
    /// # Errors
    /// When the context is not described, or lacks a key it must have.
    pub fn settings(&self) -> Result<Settings, AnyFailure> {
        Ok(self.loaded.settings()?)
    }

    /// Opens the context, however old its control database is where the command only reads.
    pub async fn open(&self, progress: &dyn Progress) -> Result<Session, AnyFailure> {
        let (settings, caller) = (self.settings()?, self.caller());
        if self.screen.reads() {
            App::open_to_read(&settings, &caller, progress).await
        } else {
            App::open(&settings, &caller, progress).await
        }
    }

    /// Has the workers of all processes look for jobs, after a commit. Where that fails they find them by themselves,
    /// later.
    pub async fn wake_workers(&self, app: &App) {
        if self.global.dry_run {
            return;
        }
        app.wake_workers();
        if let Err(failure) = app.notify_peers().await {
            tracing::debug!(code = failure.code(), "other processes could not be notified: {failure}");
        }
    }

    /// Who looks on at long work, and what stops it.
    pub fn watch(&self, progress: ScreenProgress) -> (Arc<dyn Progress>, CancellationToken) {
        (Arc::new(progress), self.interrupt.clone())
    }

    /// Who asks: the account on this machine that runs the command.
    #[must_use]
    pub fn caller(&self) -> Caller {
        caller()
    }
}

/// The same, where the settings may not be readable.
pub(super) fn caller() -> Caller {
    let id = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(id).ok().flatten().map(|user| user.name);
    Caller::Machine(user.unwrap_or_else(|| id.to_string()))
}
