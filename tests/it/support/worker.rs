//! Processes that run jobs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::World;

/// How long anything may take before a test says that it hangs.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// As if the time of leases were over: of jobs, and of realms that are relayed.
pub fn end_leases(world: &World) {
    world.control_sql("update control.jobs set due_at = clock_timestamp() where state = 'running'");
    world.control_sql("update control.relays set lease_until = '-infinity'");
}

/// `nexus worker`, once it works, for as long as this lives.
pub struct Worker(Child);

impl Worker {
    /// Starts one.
    pub fn start(world: &World) -> Self {
        let mut child = world.command(&["worker"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said: Vec<String> =
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.contains("running jobs")).collect();
        assert!(child.try_wait().unwrap().is_none(), "it ended: {said:?}");
        // What nobody reads would fill the pipe and stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    /// Asks it to stop; its exit code, and how long that took.
    pub fn stop(mut self) -> (Option<i32>, Duration) {
        let since = Instant::now();
        let process = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(process, Signal::SIGTERM).unwrap();
        (self.0.wait().unwrap().code(), since.elapsed())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a statement in the control database gives this.
pub fn until(world: &World, statement: &str, wanted: &str) {
    world.until(&world.control, statement, |found| found == [wanted]);
}
