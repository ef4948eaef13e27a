//! Wake-ups: what this process has committed that others may wait for, and what others have.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::App;
use crate::infra::db::wakeup::{self, Wakeup};
use crate::kernel::{AnyFailure, TenantId};

/// How long is waited between two notifications: what comes meanwhile goes with the next.
const NOTIFY_PAUSE: Duration = Duration::from_millis(10);
/// Why `NOTIFY` from other processes does not arrive.
const BROKEN: &str = "the session that listens has ended";
const SILENT: &str =
    "the session that listens receives nothing; a pooler before the control database may keep it";

/// How often a process notifies itself. A probe that has not arrived by the next one means that none arrive.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// When it is tried again to listen: after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

const JOBS: &str = "jobs";
const OPERATIONS: &str = "operations";
const REALM: &str = "realm:";

/// Wake-ups of other processes.
#[derive(Debug)]
pub(super) struct PeerWakeups {
    /// This process, to the others.
    own: Uuid,
    /// What is to be sent.
    waiting: Mutex<BTreeSet<String>>,
    wake: Notify,
    /// Whether this process relays the events of realms itself.
    relays: AtomicBool,
}

impl Default for PeerWakeups {
    fn default() -> Self {
        let own = Uuid::now_v7();
        Self { own, waiting: Mutex::default(), wake: Notify::new(), relays: AtomicBool::new(false) }
    }
}

impl PeerWakeups {
    fn notify(&self, word: String) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(word);
        self.wake.notify_one();
    }

    pub(super) fn notify_jobs(&self) {
        self.notify(JOBS.to_owned());
    }

    pub(super) fn notify_operations(&self) {
        self.notify(OPERATIONS.to_owned());
    }

    /// Where this process relays, others would find nothing.
    pub(super) fn notify_realm(&self, realm: TenantId) {
        if !self.relays.load(Ordering::Relaxed) {
            self.notify(format!("{REALM}{realm}"));
        }
    }

    fn take(&self) -> Vec<String> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().collect()
    }
}

impl App {
    /// Notes that this process relays the events of realms from now on.
    pub fn begin_to_relay(&self) {
        self.shared().peers.relays.store(true, Ordering::Relaxed);
    }

    /// Tells other processes what this one commits, and listens to them, until it is told to stop. Without it they find
    /// that out by themselves, later.
    pub async fn run_wakeups(self, stop: CancellationToken) {
        tokio::select! {
            () = self.send_wakeups() => {}
            () = self.listen() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn send_wakeups(&self) {
        let peers = &self.shared().peers;
        loop {
            peers.wake.notified().await;
            if let Err(failure) = self.notify_peers().await {
                tracing::debug!(code = failure.code(), "other processes could not be notified: {failure}");
            }
            tokio::time::sleep(NOTIFY_PAUSE).await;
        }
    }

    /// Sends other processes the wake-ups that wait, at once.
    ///
    /// # Errors
    /// When the control database does not answer: then they find it out by themselves.
    pub async fn notify_peers(&self) -> Result<(), AnyFailure> {
        let peers = &self.shared().peers;
        let words = peers.take();
        if !words.is_empty() {
            wakeup::notify(&mut *self.control().await?, peers.own, &words).await?;
        }
        Ok(())
    }

    async fn listen(&self) {
        let (mut pause, mut is_logged) = (FIRST_PAUSE, false);
        loop {
            let began = Instant::now();
            let why = self.listen_once(&mut is_logged).await;
            if !is_logged {
                tracing::warn!(
                    "NOTIFY from other processes does not arrive; jobs are found by polling each second: {why}"
                );
                is_logged = true;
            }
            pause = if began.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { pause };
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Listens until nothing arrives any more; why.
    async fn listen_once(&self, is_logged: &mut bool) -> String {
        let (control, own) = (&self.shared().provisioning.control, self.shared().peers.own);
        let mut received = match wakeup::listen(control, own, PROBE_INTERVAL).await {
            Ok(received) => received,
            Err(error) => return error.to_string(),
        };
        let mut probe = tokio::time::interval(PROBE_INTERVAL);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_answered = true;
        loop {
            tokio::select! {
                next = received.next() => match next {
                    None => return BROKEN.to_owned(),
                    Some(Wakeup::Words(words)) => words.iter().for_each(|word| self.wake_for(word)),
                    Some(Wakeup::Own) => {
                        if *is_logged {
                            tracing::info!("NOTIFY arrives again");
                            *is_logged = false;
                        }
                        is_answered = true;
                    }
                },
                _ = probe.tick() => {
                    if !is_answered {
                        return SILENT.to_owned();
                    }
                    is_answered = false;
                    if let Err(failure) = self.probe().await {
                        return failure.to_string();
                    }
                }
            }
        }
    }

    /// By another session: one that listens through a pooler of transactions receives from itself, and from nobody else.
    async fn probe(&self) -> Result<(), AnyFailure> {
        Ok(wakeup::notify_own(&mut *self.control().await?, self.shared().peers.own).await?)
    }

    /// A word that is not known is a newer version's.
    fn wake_for(&self, word: &str) {
        let shared = self.shared();
        match word.strip_prefix(REALM).map(str::parse) {
            Some(Ok(realm)) => shared.realm_wakeups.written.wake(realm),
            None if word == JOBS => shared.jobs.notify_one(),
            None if word == OPERATIONS => shared.queued.notify_one(),
            _ => {}
        }
    }
}
