//! Carries out the operations that requests have recorded. Every process of the API does; which of them takes an
//! operation up is settled by the lock of its tenant, and so is that another does once it died.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::features::provisioning::ProvisioningError;
use crate::kernel::progress::Silent;
use crate::kernel::{AnyFailure, Caller, OperationId};

/// Operations that one process carries out at once.
const AT_ONCE: usize = 4;
/// How often it looks for operations that others recorded, or left behind.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long the place of an operation that failed is kept: what fails before it is counted would be tried without
/// end.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(3);
/// How long operations that are under way may take to their next step once the process is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Carries out operations until it is told to stop; those that are under way stop at the edge of a step, and
/// another process goes on with them.
pub async fn run(app: App, stop: CancellationToken) {
    let mut runner = OperationRunner { app, stop, tasks: JoinSet::new(), under_way: HashMap::new() };
    let mut failed = false;
    while !runner.stop.is_cancelled() {
        if runner.under_way.len() < AT_ONCE {
            let begun = runner.begin().await;
            if let Err(failure) = &begun
                && !failed
            {
                tracing::warn!(code = failure.get().code(), "cannot look for operations: {failure}");
            }
            failed = begun.is_err();
        }
        runner.wait().await;
    }
    let ended =
        tokio::time::timeout(STOP_TIMEOUT, async { while runner.tasks.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!(
            "operations did not come to the end of a step in time; another process goes on with them"
        );
    }
}

/// The operations that this process carries out.
struct OperationRunner {
    app: App,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    under_way: HashMap<Id, OperationId>,
}

impl OperationRunner {
    /// Begins as many operations as there is room for.
    async fn begin(&mut self) -> Result<(), AnyFailure> {
        // Those that this process has begun may not hold their locks yet.
        let queued = self.app.queued_operations(i64::try_from(AT_ONCE).unwrap_or(i64::MAX)).await?;
        let new: Vec<_> =
            queued.into_iter().filter(|id| !self.under_way.values().any(|it| it == id)).collect();
        for id in new.into_iter().take(AT_ONCE - self.under_way.len()) {
            let task = self.tasks.spawn(carry_out(self.app.clone(), id, self.stop.clone()));
            self.under_way.insert(task.id(), id);
        }
        Ok(())
    }

    /// Until there may be something to begin.
    async fn wait(&mut self) {
        tokio::select! {
            Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                };
                self.under_way.remove(&id);
            }
            () = self.app.told_of_operation() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// Carries one out. One that fails is not taken up again at once, whatever it failed for.
async fn carry_out(app: App, id: OperationId, stop: CancellationToken) {
    let carried_out = async {
        let (provisioning, worker) = app.operation_worker().await?;
        let ended = provisioning.carry_out_queued(&worker, &Caller::System, id, &Silent, &stop).await;
        match ended {
            // Another process was quicker, or a person.
            Err(
                ProvisioningError::InProgress { .. }
                | ProvisioningError::Over { .. }
                | ProvisioningError::NoOperation { .. },
            ) => Ok(()),
            ended => Ok::<_, AnyFailure>(ended.map(drop)?),
        }
    };
    if let Err(failure) = carried_out.await {
        tracing::warn!(operation = %id, code = failure.get().code(), "an operation stopped: {failure}");
        tokio::select! {
            () = tokio::time::sleep(PAUSE_AFTER_FAILURE) => {}
            () = stop.cancelled() => {}
        }
    }
}
