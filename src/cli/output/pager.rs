//! A pager for a table that is longer than the terminal, as git has one.

use std::io::{self, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kernel::child;

/// The shell's word for a command that it does not find, or cannot run (POSIX Shell Command Language,
/// 2.8.2).
const NOT_RUN: [i32; 2] = [126, 127];

/// How a pager ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It showed the text.
    Yes,
    /// There is none, or it cannot be run.
    No,
    /// SIGTERM came for us.
    Stopped,
}

/// The pager that has the terminal.
#[derive(Debug, Default)]
pub(super) struct Paging {
    runs: AtomicBool,
    stopped: AtomicBool,
    /// Its process; 0: none.
    child: AtomicI32,
}

impl Paging {
    /// Whether a pager has the terminal.
    pub(super) fn runs(&self) -> bool {
        self.runs.load(Ordering::SeqCst)
    }

    /// Ends the pager, also one that is about to start.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let id = self.child.load(Ordering::SeqCst);
        if id > 0 {
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
    }

    /// Shows a text in the user's pager.
    pub(super) fn show(&self, text: &[u8]) -> io::Result<Shown> {
        self.runs.store(true, Ordering::SeqCst);
        let shown = self.run(text);
        self.child.store(0, Ordering::SeqCst);
        self.runs.store(false, Ordering::SeqCst);
        if self.stopped.load(Ordering::SeqCst) {
            return Ok(Shown::Stopped);
        }
        shown.map(|shown| if shown { Shown::Yes } else { Shown::No })
    }

    fn run(&self, text: &[u8]) -> io::Result<bool> {
        let Some(pager) = chosen(std::env::var("PAGER").ok()) else { return Ok(false) };
        let mut command = child::command("sh");
        command.args(["-c", &pager]).stdin(Stdio::piped());
        // Leave where all fits, show colours, do not clear the screen.
        for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let Ok(mut child) = command.spawn() else { return Ok(false) };
        self.child.store(i32::try_from(child.id()).unwrap_or(0), Ordering::SeqCst);
        if self.stopped.load(Ordering::SeqCst) {
            self.stop();
        }
        if let Some(mut input) = child.stdin.take() {
            match input.write_all(text) {
                // The reader has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                other => other?,
            }
        }
        let ended = child.wait()?;
        Ok(!ended.code().is_some_and(|code| NOT_RUN.contains(&code)))
    }
}

/// The pager's command; `None` where the user wants none.
fn chosen(variable: Option<String>) -> Option<String> {
    match variable {
        None => Some("less".to_owned()),
        Some(pager) if pager.trim().is_empty() || pager.trim() == "cat" => None,
        Some(pager) => Some(pager),
    }
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn the_pager_is_the_users_and_cat_is_none() {
        assert_eq!(chosen(None).as_deref(), Some("less"));
        assert_eq!(chosen(Some("most -s".to_owned())).as_deref(), Some("most -s"));
        for none in ["", " ", "cat"] {
            assert_eq!(chosen(Some(none.to_owned())), None);
        }
    }
}
