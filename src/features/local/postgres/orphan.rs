//! Servers without a daemon: what a `kill -9` of the daemon or of the postmaster leaves running.
//!
//! Two servers on one data folder destroy it, so a new one starts only after every process of the
//! old one is gone. Whoever calls holds the daemon's lock, or the start lock while no daemon lives.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::super::LocalError;
use super::super::layout::Layout;

/// How often the processes are looked at.
const STEP: Duration = Duration::from_millis(10);

/// Stops all server processes of the data folder: fast shutdown, then immediate, then by force
/// (PostgreSQL 15 documentation, section 19.5). Then removes the files by which the dead server
/// would keep a new one out. Answers whether there was anything to stop.
///
/// # Errors
/// [`LocalError::DoesNotStop`].
pub(crate) async fn clear(layout: &Layout) -> Result<bool, LocalError> {
    let data = layout.data();
    let Some(&first) = processes_of(&data).first() else {
        remove_stale_files(layout);
        return Ok(false);
    };
    tracing::warn!(pid = first.as_raw(), "stopping a PostgreSQL that a killed daemon left running");
    let tries = [
        (Signal::SIGINT, Duration::from_secs(15)),
        (Signal::SIGQUIT, Duration::from_secs(5)),
        (Signal::SIGKILL, Duration::from_secs(5)),
    ];
    for (signal, patience) in tries {
        // To the postmaster alone while it lives: its children follow it in good order.
        let postmaster = postmaster_of(&data).map_or_else(|| processes_of(&data), |pid| vec![pid]);
        for pid in postmaster {
            let _ = kill(pid, signal);
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if processes_of(&data).is_empty() {
                remove_stale_files(layout);
                return Ok(true);
            }
            sleep(STEP).await;
        }
    }
    let pid = processes_of(&data).first().map_or(first.as_raw(), |pid| pid.as_raw());
    Err(LocalError::DoesNotStop { what: "postgres", pid })
}

/// The living postmaster of the data folder, if there is one.
pub(crate) fn postmaster_of(data: &Path) -> Option<Pid> {
    let pid = named_by(&data.join("postmaster.pid"))?;
    is_server_of(pid, data).then_some(pid)
}

/// All processes of servers on the data folder: every one of them works in it.
#[cfg(target_os = "linux")]
fn processes_of(data: &Path) -> Vec<Pid> {
    let Ok(data) = fs::canonicalize(data) else { return Vec::new() };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(Pid::from_raw).filter(|pid| works_in(*pid, &data)).collect()
}

/// Elsewhere only the postmaster can be told for sure; PostgreSQL itself refuses to start beside
/// its children, by the shared memory they still hold.
#[cfg(not(target_os = "linux"))]
fn processes_of(data: &Path) -> Vec<Pid> {
    postmaster_of(data).into_iter().collect()
}

#[cfg(target_os = "linux")]
fn is_server_of(pid: Pid, data: &Path) -> bool {
    fs::canonicalize(data).is_ok_and(|data| works_in(pid, &data))
}

/// `data` is the folder's true path. A process that is dead but not yet collected works in no
/// folder, and so is not one.
#[cfg(target_os = "linux")]
fn works_in(pid: Pid, data: &Path) -> bool {
    let works_here = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == data);
    works_here && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
}

#[cfg(not(target_os = "linux"))]
fn is_server_of(pid: Pid, data: &Path) -> bool {
    let asked = crate::kernel::child::command("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    asked.is_ok_and(|answer| {
        let command = String::from_utf8_lossy(&answer.stdout);
        command.contains("postgres") && command.contains(&*data.to_string_lossy())
    })
}

/// After a power cut the process number in these files may belong to a stranger, and the server
/// would refuse to start beside it. A number that belongs to nobody is left to the server, which
/// also looks at the shared memory of the dead one. A server enters its folder before it writes
/// these files, so none that lives is taken for a stranger.
fn remove_stale_files(layout: &Layout) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut socket_lock = layout.socket().into_os_string();
    socket_lock.push(".lock");
    for file in [layout.data().join("postmaster.pid"), socket_lock.into()] {
        let is_strange =
            |pid| !is_server_of(pid, &layout.data()) && !matches!(kill(pid, None), Err(Errno::ESRCH));
        if named_by(&file).is_some_and(is_strange) {
            tracing::warn!(file = %file.display(), "removing a file that names a process of somebody else");
            let _ = fs::remove_file(file);
        }
    }
}

/// The process number in the first line of one of the server's files.
fn named_by(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    let number = text.lines().next()?.trim().parse().ok();
    number.filter(|pid| *pid > 1).map(Pid::from_raw)
}
