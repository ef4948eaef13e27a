//! `up`: from whatever there is to a running stack, by one process at a time.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::infra::private_file;
use crate::kernel::{Event, Progress, child};

use super::account::ServerAccount;
use super::postgres::binaries::{self, Binaries};
use super::postgres::cluster;
use super::state::{PartState, State};
use super::{DaemonCommand, LocalError, LocalStack, Running, folders, lock, logs, secrets};

/// How often a lock or the state is looked at.
pub(super) const STEP: Duration = Duration::from_millis(5);

/// How long to wait for another process that starts or stops the stack, and for a daemon that is
/// on its way up: PostgreSQL may have to redo much of its log after a power cut.
const START_TIMEOUT: Duration = Duration::from_mins(5);

/// The variables that the daemon takes over; whatever else is set may be a secret.
const PASSED_ON: [&str; 7] =
    ["PATH", "HOME", "XDG_DATA_HOME", "LANG", "TMPDIR", "NEXUS_LOG", "RUST_BACKTRACE"];

/// What waiting for the start lock came to.
enum Turn {
    /// It is for us to start what does not run.
    Ours(File),
    /// Somebody else has started it.
    Done(Running),
}

impl LocalStack {
    /// Starts what does not run, and answers when both parts do. Safe to repeat and to call from
    /// many processes at once: one starts, the others wait and use the same stack.
    ///
    /// # Errors
    /// Whatever [`LocalError`] tells; nothing is left half made that a repetition would not mend.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn up(&self, progress: &dyn Progress) -> Result<Running, LocalError> {
        if let Some(running) = self.running()? {
            return Ok(running);
        }
        let account = ServerAccount::find()?;
        let lock = match self.lock_to_start(&account).await? {
            Turn::Ours(lock) => lock,
            Turn::Done(running) => return Ok(running),
        };
        // A daemon that was on its way down may have let go while we waited: then, once more.
        for _ in 0..3 {
            let child = if lock::is_held(&self.layout.daemon_lock())? {
                None
            } else {
                let binaries = self.prepare(&account, &lock, progress).await?;
                progress.event(Event::Note(format!(
                    "starting PostgreSQL {} and the S3 endpoint",
                    binaries.version
                )));
                Some(self.spawn_daemon(&binaries)?)
            };
            if let Some(running) = self.until_ready(child).await? {
                return Ok(running);
            }
        }
        let reason = "the daemon stopped as soon as it had started".to_owned();
        Err(LocalError::StartFailed { reason, log: logs::tail_for_error(&self.layout.daemon_log()) })
    }

    async fn lock_to_start(&self, account: &ServerAccount) -> Result<Turn, LocalError> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            // Again each time: a reset may have taken the folders away, even while they are made.
            match folders::prepare(&self.layout, account) {
                Err(LocalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    sleep(STEP).await;
                    continue;
                }
                prepared => prepared?,
            }
            if let Some(lock) = lock::try_exclusive(&self.layout.start_lock())? {
                return Ok(Turn::Ours(lock));
            }
            while lock::is_held(&self.layout.start_lock())? && Instant::now() < deadline {
                sleep(STEP).await;
                if let Some(running) = self.running()? {
                    return Ok(Turn::Done(running));
                }
            }
        }
        Err(LocalError::Busy(self.layout.start_lock()))
    }

    /// Everything that has to be there before a daemon can start. Only for the holder of `lock`,
    /// while no daemon lives.
    async fn prepare(
        &self,
        account: &ServerAccount,
        lock: &File,
        progress: &dyn Progress,
    ) -> Result<Binaries, LocalError> {
        folders::prepare(&self.layout, account)?;
        cluster::sweep(&self.layout);
        self.sweep_deleted();
        let data = self.layout.data();
        let major = cluster::data_version(&data)?;
        let needed = major.map(|major| (major, data.as_path()));
        if let Some(folder) = &self.pg_bin {
            private_file::check_dir(folder)?;
        }
        let binaries = binaries::find(self.pg_bin.as_deref(), needed).await?;
        if major.is_none() {
            let (version, place) = (binaries.version, data.display());
            progress
                .event(Event::Note(format!("creating a private PostgreSQL {} in {place}", version.major)));
            let password = secrets::read_or_make(&self.layout.password())?;
            cluster::make(&self.layout, &binaries, account, &password, lock).await?;
        } else if secrets::read(&self.layout.password())?.is_none() {
            return Err(self.missing_password());
        }
        secrets::read_or_make(&self.layout.token())?;
        if let Some(port) = self.s3_port {
            private_file::replace(&self.layout.s3_port(), format!("{port}\n").as_bytes())?;
        }
        // What a killed daemon last said must not be taken for the new one's word.
        match fs::remove_file(self.layout.state()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LocalError::io("remove", &self.layout.state())(error))
            }
            _ => Ok(binaries),
        }
    }

    fn spawn_daemon(&self, binaries: &Binaries) -> Result<Child, LocalError> {
        let daemon = match &self.daemon {
            Some(command) => command.clone(),
            None => DaemonCommand {
                program: env::current_exe().map_err(LocalError::io("find", &PathBuf::from("nexus")))?,
                args: ["--context", "local", "-v", "local", "daemon"].map(Into::into).into(),
                env: Vec::new(),
            },
        };
        let log = logs::open(&self.layout.daemon_log())?;
        let log_again = log.try_clone().map_err(LocalError::io("share", &self.layout.daemon_log()))?;
        let mut command = Command::from(child::command(&daemon.program));
        command.args(&daemon.args).env_clear().current_dir("/");
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.env("NEXUS_HOME", self.layout.home()).env(binaries::OVERRIDE, &binaries.folder);
        command.envs(daemon.env);
        command.stdin(Stdio::null()).stdout(Stdio::from(log)).stderr(Stdio::from(log_again));
        command.spawn().map_err(LocalError::io("run", &daemon.program))
    }

    /// Waits until both parts answer. `child` is the daemon if it is ours; `None` comes back when
    /// somebody else's daemon went away.
    async fn until_ready(&self, mut child: Option<Child>) -> Result<Option<Running>, LocalError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(running) = self.running()? {
                return Ok(Some(running));
            }
            if let Some(state) = State::of_living_daemon(&self.layout)? {
                self.check_parts(&state)?;
            }
            match child.as_mut() {
                Some(child) => {
                    let ended =
                        child.try_wait().map_err(LocalError::io("wait for", &self.layout.pid_file()))?;
                    if let Some(status) = ended {
                        return Err(self.start_failed(&format!("the daemon ended ({status})")));
                    }
                }
                None if !lock::is_held(&self.layout.daemon_lock())? => return Ok(None),
                None => {}
            }
            if Instant::now() > deadline {
                return Err(
                    self.start_failed(&format!("it is not ready after {} s", START_TIMEOUT.as_secs()))
                );
            }
            sleep(STEP).await;
        }
    }

    /// Waiting for a part that dies again and again would be waiting for ever.
    fn check_parts(&self, state: &State) -> Result<(), LocalError> {
        let failing = |part, reason: &Option<String>, log: PathBuf| LocalError::Failing {
            part,
            reason: reason.clone().unwrap_or_default(),
            log: logs::tail_for_error(&log),
        };
        if state.postgres.state == PartState::Failing {
            return Err(failing("postgres", &state.postgres.last_error, self.layout.postgres_log()));
        }
        if state.s3.state == PartState::Failing {
            return Err(failing("s3", &state.s3.last_error, self.layout.daemon_log()));
        }
        Ok(())
    }

    /// With the daemon's own last word, if it left one, and the log that tells more.
    fn start_failed(&self, otherwise: &str) -> LocalError {
        let state = State::read(&self.layout).ok().flatten();
        let postgres_died = state.as_ref().is_some_and(|state| state.postgres.last_error.is_some());
        let log = if postgres_died { self.layout.postgres_log() } else { self.layout.daemon_log() };
        let reason = state.and_then(|state| state.failure).unwrap_or_else(|| otherwise.to_owned());
        LocalError::StartFailed { reason, log: logs::tail_for_error(&log) }
    }
}
