//! What other processes change in the control database, for a program that runs for long: everything that it
//! keeps in memory is brought up to date several times a second.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::AbortHandle;

use super::{PgConnection, ServerAddress};
use crate::kernel::AnyFailure;

/// How often the control database is asked what has changed.
const PERIOD: Duration = Duration::from_millis(400);
/// How often it is logged that nothing can be read, while that lasts.
const REMINDER: Duration = Duration::from_secs(30);
/// How long one asking may take; then a new connection is tried.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);

/// Something that is kept in memory, and goes by what the control database says.
#[async_trait]
pub trait Follower: Send + Sync {
    /// Brings it up to date. Called again a moment later, whatever came of it.
    async fn refresh(&self, control: &mut PgConnection) -> Result<(), AnyFailure>;
}

/// Keeps followers up to date until it is dropped.
#[derive(Debug)]
#[must_use = "a feed that is dropped ends"]
pub struct Feed(AbortHandle);

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Feed {
    /// Begins with a session of its own. A follower that is held by nobody else is not followed any more;
    /// the feed ends with the last one.
    pub fn start(control: ServerAddress, first: PgConnection, followers: &[Arc<dyn Follower>]) -> Self {
        let followers = followers.iter().map(Arc::downgrade).collect();
        Self(tokio::spawn(follow(control, first, followers)).abort_handle())
    }
}

async fn follow(control: ServerAddress, first: PgConnection, followers: Vec<Weak<dyn Follower>>) {
    let mut session = Some(first);
    let mut failures = Failures::default();
    loop {
        tokio::time::sleep(PERIOD).await;
        let followers: Vec<_> = followers.iter().filter_map(Weak::upgrade).collect();
        if followers.is_empty() {
            return;
        }
        let mut failed = None;
        // One that fails keeps no other from what is new.
        for follower in &followers {
            let refreshing = refresh(&control, session.take(), follower.as_ref());
            match tokio::time::timeout(POLL_TIMEOUT, refreshing).await {
                Ok(Ok(open)) => session = Some(open),
                Ok(Err((open, failure))) => (session, failed) = (open, Some(failure.to_string())),
                Err(_) => failed = Some("the control database is slow to say it".to_owned()),
            }
        }
        failures.note(failed);
    }
}

/// The session, where it can be used again, with what went wrong.
async fn refresh(
    control: &ServerAddress,
    session: Option<PgConnection>,
    follower: &dyn Follower,
) -> Result<PgConnection, (Option<PgConnection>, AnyFailure)> {
    let mut session = match session {
        Some(session) => session,
        None => control.connect("nexus:feed").await.map_err(|error| (None, error.into()))?,
    };
    let Err(failure) = follower.refresh(&mut session).await else { return Ok(session) };
    let open = session.ping().await.is_ok();
    Err((open.then_some(session), failure))
}

/// What is logged of failures: the first at once, then one now and then, and the end.
#[derive(Default)]
struct Failures {
    count: u64,
    said: Option<Instant>,
}

impl Failures {
    /// Takes what came of one asking.
    fn note(&mut self, failed: Option<String>) {
        let Some(error) = failed else {
            if self.count > 0 {
                tracing::warn!(failures = self.count, "what has changed is read again");
                *self = Self::default();
            }
            return;
        };
        self.count += 1;
        if self.said.is_none_or(|at| at.elapsed() >= REMINDER) {
            tracing::warn!(error, failures = self.count, "cannot read what has changed; trying again");
            self.said = Some(Instant::now());
        }
    }
}
