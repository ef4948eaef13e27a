//! Writes the jobs that are due again and again. Every process does; each job is written by one of them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use crate::app::App;
use crate::kernel::AnyFailure;

/// How long the next look waits at least, and at most: another process may have made another schedule known.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Writes jobs until it is told to stop.
pub async fn run(app: App, registry: Registry, stop: CancellationToken) {
    let (mut is_known, mut failed) = (false, false);
    loop {
        let turn = turn(&app, &registry, &mut is_known).await;
        if let Err(failure) = &turn
            && !failed
        {
            tracing::warn!(code = failure.code(), "jobs that are due again are not written: {failure}");
        }
        failed = turn.is_err();
        let wait = turn.ok().flatten().unwrap_or(LONGEST_WAIT).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// How long until the next one is due.
async fn turn(app: &App, registry: &Registry, is_known: &mut bool) -> Result<Option<Duration>, AnyFailure> {
    let schedules = registry.schedules();
    if !*is_known {
        app.register_schedules(&schedules).await?;
        *is_known = true;
    }
    let (written, wait) = app.run_due_schedules(&schedules).await?;
    if written > 0 {
        app.wake_workers();
    }
    // One that is late is another's to write.
    Ok(wait.map(|wait| Duration::try_from(wait).unwrap_or_default()))
}
