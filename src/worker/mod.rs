//! What runs beside the API, or alone: the workers of operations and jobs, and the relay. No rule, no SQL, no door.
//!
//! Start reading at [`begin`]; what a kind of job does is in `registry.rs`.

pub mod event_consumers;
pub mod jobs;
pub mod operations;
pub mod registry;
pub mod relay;
pub mod schedules;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Post};
use registry::Registry;

/// Begins all that goes on in the background, until it is told to stop; what is under way then is brought to an end
/// within some seconds. Without a place for messages their jobs wait.
pub fn begin(app: &App, post: Option<Post>, tasks: &TaskTracker, stop: &CancellationToken) {
    begin_with(app, Registry::new(post), tasks, stop);
}

/// The same with kinds of jobs and subscribers of one's own.
pub fn begin_with(app: &App, registry: Registry, tasks: &TaskTracker, stop: &CancellationToken) {
    tasks.spawn(app.clone().run_wakeups(stop.clone()));
    tasks.spawn(operations::run(app.clone(), stop.clone()));
    tasks.spawn(app.clone().sweep_files(stop.clone()));
    app.begin_to_relay();
    tasks.spawn(relay::run(app.clone(), registry.clone(), stop.clone()));
    tasks.spawn(event_consumers::run(app.clone(), registry.clone(), stop.clone()));
    tasks.spawn(schedules::run(app.clone(), registry.clone(), stop.clone()));
    tasks.spawn(jobs::run(app.clone(), registry, stop.clone()));
}
