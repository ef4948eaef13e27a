//! Watching operations: one reader looks at all that are watched, however many watch each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender, channel};

use super::super::error::ProvisioningError;
use super::{OperationView, store};
use crate::features::access::{self, About, rights};
use crate::infra::db::{LeaseSource, PgConnection};
use crate::infra::saga;
use crate::kernel::{Caller, OperationId};

/// How often those that are watched are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The operations that somebody watches. Cheap to clone.
#[derive(Clone)]
pub struct Watches(Arc<Shared>);

struct Shared {
    sessions: LeaseSource,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    operations: HashMap<OperationId, Sender<Arc<OperationView>>>,
    /// Somebody looks at them.
    is_read: bool,
}

impl Watches {
    /// With what draws sessions in the control database.
    #[must_use]
    pub fn new(sessions: LeaseSource) -> Self {
        Self(Arc::new(Shared { sessions, watched: Mutex::default() }))
    }

    /// An operation with its steps, as it is and as it will be. It changes no more once its sender is gone.
    ///
    /// # Errors
    /// Without `operation:read`; [`ProvisioningError::NoOperation`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn watch(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        id: OperationId,
    ) -> Result<Receiver<Arc<OperationView>>, ProvisioningError> {
        access::authorize(control, caller, &rights::OPERATION_READ, About::Platform).await?;
        let view = Arc::new(OperationView::read(control, id).await?);
        if view.is_settled() {
            return Ok(channel(view).1);
        }
        let mut watched = self.0.watched();
        let receiver = watched.operations.entry(id).or_insert_with(|| channel(view).0).subscribe();
        if !std::mem::replace(&mut watched.is_read, true) {
            tokio::spawn(read(Arc::clone(&self.0)));
        }
        Ok(receiver)
    }
}

impl Shared {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that somebody still watches.
    fn ids(&self) -> Vec<OperationId> {
        let mut watched = self.watched();
        watched.operations.retain(|_, sender| sender.receiver_count() > 0);
        watched.is_read = !watched.operations.is_empty();
        watched.operations.keys().copied().collect()
    }

    fn tell(&self, views: Vec<OperationView>) {
        let mut watched = self.watched();
        for view in views {
            let (id, is_settled) = (view.id, view.is_settled());
            if let Some(sender) = watched.operations.get(&id) {
                sender.send_if_modified(|now| {
                    let is_new = **now != view;
                    if is_new {
                        *now = Arc::new(view);
                    }
                    is_new
                });
            }
            if is_settled {
                watched.operations.remove(&id);
            }
        }
    }

    async fn views(&self, ids: &[OperationId]) -> Result<Vec<OperationView>, ProvisioningError> {
        let mut control = (self.sessions)().await?;
        let mut views = store::by_ids(&mut control, ids).await?;
        let mut steps = saga::steps_of(&mut control, ids).await?;
        for view in &mut views {
            view.steps = steps.remove(&view.id).unwrap_or_default();
        }
        Ok(views)
    }
}

/// Looks at what is watched until nothing is.
async fn read(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let ids = shared.ids();
        if ids.is_empty() {
            return;
        }
        match shared.views(&ids).await {
            Ok(views) => shared.tell(views),
            // It is looked at again in a moment.
            Err(error) => tracing::debug!(%error, "watched operations could not be read"),
        }
    }
}
