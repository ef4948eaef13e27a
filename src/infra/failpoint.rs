//! Named points at which a test may stop or kill the process. Compiled out unless the crate is
//! built with feature `failpoints`.
//!
//! `NEXUS_FAILPOINT=create.database.before=kill,create.key.after=pause:/tmp/f`: `kill` is
//! `kill -9` of this process; `panic` is one of the task that passes; `pause:PATH` makes `PATH.reached` and waits while `PATH` exists.

/// Passes a point. Does nothing in a release.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unused_async, reason = "has the shape of the one that a test build has")]
pub async fn pass(_name: impl FnOnce() -> String) {}

/// Passes a point, or stops there as `NEXUS_FAILPOINT` says.
#[cfg(feature = "failpoints")]
pub async fn pass(name: impl FnOnce() -> String) {
    let Ok(orders) = std::env::var("NEXUS_FAILPOINT") else { return };
    let name = name();
    let order = orders.split(',').filter_map(|order| order.split_once('=')).find(|(point, _)| *point == name);
    match order.map(|(_, action)| action.split_once(':').unwrap_or((action, ""))) {
        Some(("kill", _)) => {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
            std::future::pending::<()>().await;
        }
        Some(("panic", _)) => std::panic::resume_unwind(Box::new(name)),
        Some(("pause", path)) => {
            let _ = std::fs::write(format!("{path}.reached"), name);
            while std::path::Path::new(path).exists() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        _ => {}
    }
}
