//! A pager for a table that is longer than the terminal, as git has one.

use std::io::{self, Write};
use std::process::Stdio;

use crate::kernel::child;

/// The shell's word for a command that it does not find, or cannot run (POSIX Shell Command Language,
/// 2.8.2).
const NOT_RUN: [i32; 2] = [126, 127];

/// Shows a text in the user's pager. Whether it was: without one, or where it cannot be run, it was not.
pub(super) fn show(text: &[u8]) -> io::Result<bool> {
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
