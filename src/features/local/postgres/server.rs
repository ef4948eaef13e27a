//! The server's command line, and how it says that it is ready.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::super::account::ServerAccount;
use super::super::layout::{Layout, POSTGRES_PORT};
use super::super::{LocalError, logs};
use super::binaries::Binaries;

/// What Nexus promises of the private server, whatever `postgresql.conf` says (PostgreSQL 15
/// documentation, chapter 20):
/// - reached through its socket alone, and that by its own account and root alone;
/// - passwords as SCRAM verifiers, commits on disk before they are answered;
/// - nothing is prepared: what is keeps its locks when its session has ended;
/// - a statement whose client died is given up within half a second;
/// - no text of any statement in the log, where a password could be part of it: errors go to the
///   client only (`log` leaves out the level ERROR), and those logged carry no detail.
const PROMISED: [&str; 20] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "password_encryption=scram-sha-256",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "client_connection_check_interval=500ms",
    "log_destination=stderr",
    "logging_collector=off",
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_statement=none",
    "log_min_duration_statement=-1",
    "log_connections=off",
    "log_disconnections=off",
    "log_checkpoints=off",
    "debug_print_parse=off",
    "cluster_name=nexus-local",
    "max_prepared_transactions=0",
];

/// Starts the server as a child of this process. Its log is its own file, so that it outlives us
/// without harm.
///
/// # Errors
/// When the log cannot be opened or the program cannot be run.
pub(crate) fn spawn(
    layout: &Layout,
    binaries: &Binaries,
    account: &ServerAccount,
) -> Result<Child, LocalError> {
    let program = binaries.postgres();
    let log = logs::open(&layout.postgres_log())?;
    let log_again = log.try_clone().map_err(LocalError::io("share", &layout.postgres_log()))?;
    let mut command: Command = account.command(&program);
    command.arg("-D").arg(layout.data());
    command.arg("-c").arg(format!("port={POSTGRES_PORT}"));
    command.arg("-c").arg(socket_setting(&layout.socket_dir()));
    for setting in PROMISED {
        command.arg("-c").arg(setting);
    }
    command.stdin(Stdio::null()).stdout(Stdio::from(log)).stderr(Stdio::from(log_again));
    // A group of its own: Ctrl-C on a daemon in the foreground is for the daemon alone.
    command.process_group(0);
    command.spawn().map_err(LocalError::io("run", &program))
}

/// The setting is a list with commas, whose items may be quoted.
fn socket_setting(folder: &Path) -> OsString {
    let mut setting = OsString::from("unix_socket_directories=\"");
    setting.push(folder.to_string_lossy().replace('"', "\"\"").as_str());
    setting.push("\"");
    setting
}

/// Whether the server that is process `pid` accepts connections, by the eighth line of its own
/// `postmaster.pid` (what `pg_ctl --wait` reads).
pub(crate) fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_the_eighth_line_and_counts_for_the_right_process_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("postmaster.pid");
        assert!(!is_ready(folder.path(), 42));
        fs::write(&file, "42\n/data\n1700000000\n5432\n/run\n\n  1 2\nstarting\n").unwrap();
        assert!(!is_ready(folder.path(), 42));
        fs::write(&file, "42\n/data\n1700000000\n5432\n/run\n\n  1 2\nready   \n").unwrap();
        assert!(is_ready(folder.path(), 42));
        assert!(!is_ready(folder.path(), 43));
    }

    #[test]
    fn a_folder_with_commas_and_quotes_stays_one_folder() {
        assert_eq!(socket_setting(Path::new("/a,b/\"c")), "unix_socket_directories=\"/a,b/\"\"c\"");
    }
}
