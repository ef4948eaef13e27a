//! Runs jobs. Every process does; which of them takes a job is settled by the claim, and another takes it over once its
//! lease is no longer renewed.
//!
//! Statements go on beside the jobs, one of each sort at a time. How many jobs are held is in `slots.rs`.

mod queue_calls;
mod runner;
mod slots;

use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use crate::app::App;
use runner::JobRunner;

/// Runs jobs until it is told to stop. Then no more are claimed, and those that do not end in time are given back.
pub async fn run(app: App, registry: Registry, stop: CancellationToken) {
    let mut runner = JobRunner::new(app, registry);
    while !stop.is_cancelled() {
        runner.act();
        runner.wait(&stop).await;
    }
    runner.drain().await;
}
