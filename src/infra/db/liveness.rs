//! Whether a server from which nothing comes is at work, or will never answer.
//!
//! A session that has waited for five seconds without a message has the server looked at through
//! another session: is ours at work there? While it is, it is waited for. Where no look shows a sign
//! of life for [`LIMIT`], or the server says that ours has nothing to do (its answer was lost on the
//! way), the wait ends with an error and the session is given up. What one session found out about a
//! server shortens the waits of the others, so that a command as a whole ends soon after.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::look::{Look, Sign};
use super::{Host, ServerAddress};

/// How long a wait may last without a sign of life. Five seconds remain for what a command does after
/// it, so that it ends within thirty.
const LIMIT: Duration = Duration::from_secs(25);
/// How long nothing may come before the server is looked at.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// The pause after a session was seen at work; the one to look with is closed meanwhile, since a server
/// has only so many.
const PAUSE_AT_WORK: Duration = Duration::from_secs(8);
/// How long is waited where a server has been silent for [`LIMIT`] already.
const LAST_CHANCE: Duration = Duration::from_secs(1);
/// How long what one session found out holds for the others.
const FRESH: Duration = Duration::from_secs(15);
/// How many logins of a server are remembered to look at it with.
const LOGINS: usize = 4;

impl Span {
    fn is_fresh(&self) -> bool {
        self.until.elapsed() < FRESH
    }
}

/// What a wait without a sign of life ends with, after that.
pub(super) type Silence = BoxFuture<'static, sqlx::Error>;

/// Why a session was given up.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Lost {
    pub(super) server: String,
    reason: String,
}

/// What a session knows of itself and its server.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) server: ServerAddress,
    pub(super) application: String,
    pub(super) health: Arc<Health>,
    broken: AtomicBool,
    /// Somebody asked something and went away before the answer came.
    abandoned: AtomicBool,
}

impl Watch {
    pub(super) fn new(server: &ServerAddress, application: &str) -> Arc<Self> {
        let health = Health::of(server);
        health.remember(server);
        let application = application.to_owned();
        let [broken, abandoned] = [false, false].map(AtomicBool::new);
        Arc::new(Self { server: server.clone(), application, health, broken, abandoned })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// A session that was given up is not used again: what it would answer belongs to what was asked
    /// before.
    pub(super) fn usable(&self) -> Result<(), sqlx::Error> {
        if self.is_broken() { Err(self.lost("the session was given up before")) } else { Ok(()) }
    }

    /// Something came.
    pub(super) fn heard(&self) {
        if !self.is_broken() {
            self.health.heard();
        }
    }

    fn lost(&self, reason: &str) -> sqlx::Error {
        let lost = Lost { server: self.server.display(), reason: reason.to_owned() };
        sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, lost))
    }

    fn give_up(&self, reason: &str) -> sqlx::Error {
        self.broken.store(true, Ordering::Relaxed);
        tracing::debug!(server = self.server.display(), reason, "a session was given up");
        self.lost(reason)
    }

    /// Ends when the server is not to be waited for any longer. `text` is how the statement begins
    /// that it should be at work on, where that is known.
    pub(super) fn silence(self: &Arc<Self>, text: Option<String>) -> Silence {
        Arc::clone(self).listen(text).boxed()
    }

    async fn listen(self: Arc<Self>, text: Option<String>) -> sqlx::Error {
        let mut sign_of_life = self.health.silent_since();
        sleep(left(sign_of_life).clamp(LAST_CHANCE, FIRST_LOOK)).await;
        let mut look = Look::new(Arc::clone(&self), text);
        loop {
            let mut pause = PAUSE;
            match timeout(left(sign_of_life), look.look()).await {
                Ok(sign @ (Sign::AtWork | Sign::Quiet)) => {
                    sign_of_life = Instant::now();
                    self.health.heard();
                    if sign == Sign::AtWork {
                        pause = PAUSE_AT_WORK;
                    }
                }
                Ok(Sign::Idle) => {
                    return self
                        .give_up("its answer was lost on the way: it has nothing to do for this session");
                }
                Ok(Sign::None) => {}
                Ok(Sign::NoAnswer) | Err(_) => self.health.silent(sign_of_life),
            }
            if left(sign_of_life).is_zero() {
                return self.give_up(&format!("no sign of life for {} seconds", LIMIT.as_secs()));
            }
            let before = Instant::now();
            sleep(pause.min(left(sign_of_life))).await;
            if before.elapsed() > pause * 2 {
                // It was this process that stood still.
                sign_of_life = Instant::now();
            }
        }
    }
}

fn left(sign_of_life: Instant) -> Duration {
    LIMIT.saturating_sub(sign_of_life.elapsed())
}

/// What this process knows of a server.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// A wait for it failed, and nothing has come from it since.
    is_silent: AtomicBool,
    silence: Mutex<Option<Span>>,
    logins: Mutex<Vec<ServerAddress>>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    since: Instant,
    until: Instant,
}

type Servers = HashMap<(Host, u16), Arc<Health>>;
static SERVERS: LazyLock<Mutex<Servers>> = LazyLock::new(Mutex::default);

impl Health {
    pub(super) fn of(server: &ServerAddress) -> Arc<Self> {
        let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(servers.entry((server.host.clone(), server.port)).or_default())
    }

    pub(super) fn heard(&self) {
        if self.is_silent.load(Ordering::Relaxed) {
            *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.is_silent.store(false, Ordering::Relaxed);
        }
    }

    /// Nothing came in a wait that began then.
    pub(super) fn silent(&self, since: Instant) {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        let since = silence.filter(Span::is_fresh).map_or(since, |it| it.since.min(since));
        *silence = Some(Span { since, until: Instant::now() });
        self.is_silent.store(true, Ordering::Relaxed);
    }

    /// Since when nothing has come that was waited for; now, where all is well.
    pub(super) fn silent_since(&self) -> Instant {
        if !self.is_silent.load(Ordering::Relaxed) {
            return Instant::now();
        }
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        silence.filter(Span::is_fresh).map_or_else(Instant::now, |it| it.since)
    }

    /// How long a login may take, at most `usual`.
    pub(super) fn patience(&self, usual: Duration) -> Duration {
        left(self.silent_since()).clamp(LAST_CHANCE, usual)
    }

    /// The newest login comes last.
    fn remember(&self, server: &ServerAddress) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|it| (&it.user, &it.database) != (&server.user, &server.database));
        logins.push(server.clone());
        if logins.len() > LOGINS {
            logins.remove(1);
        }
    }

    /// The logins that it may be looked at with, but for `own`.
    pub(super) fn other_logins(&self, own: &ServerAddress) -> Vec<ServerAddress> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let others = logins.iter().filter(|it| (&it.user, &it.database) != (&own.user, &own.database));
        others.cloned().collect()
    }
}
