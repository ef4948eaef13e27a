//! What other processes change in the control database, for a program that runs for long: everything that it
//! keeps in memory is brought up to date several times a second.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::AbortHandle;

use super::{PgConnection, ServerAddress};
use crate::kernel::AnyFailure;

/// How often the control database is asked what has changed.
const PERIOD: Duration = Duration::from_millis(400);
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
    loop {
        tokio::time::sleep(PERIOD).await;
        let followers: Vec<_> = followers.iter().filter_map(Weak::upgrade).collect();
        if followers.is_empty() {
            return;
        }
        // One that fails keeps no other from what is new.
        for follower in &followers {
            let refreshing = refresh(&control, session.take(), follower.as_ref());
            if let Ok(open) = tokio::time::timeout(POLL_TIMEOUT, refreshing).await {
                session = open;
            } else {
                tracing::warn!("the control database is slow to say what has changed");
            }
        }
    }
}

/// The session, where it can be used again.
async fn refresh(
    control: &ServerAddress,
    session: Option<PgConnection>,
    follower: &dyn Follower,
) -> Option<PgConnection> {
    let mut session = match session {
        Some(session) => session,
        None => match control.connect("nexus:feed").await {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!(%error, "cannot read what has changed");
                return None;
            }
        },
    };
    let Err(error) = follower.refresh(&mut session).await else { return Some(session) };
    tracing::warn!(%error, "cannot read what has changed");
    session.ping().await.is_ok().then_some(session)
}
