//! What a person sees of a bug: where it is and how to report it, and nothing that was in memory.

use std::io::{Write, stderr};
use std::panic;

use super::exit::{self, Exit};

/// Replaces Rust's own report of a panic, whose message could hold a secret, by its place in the
/// source.
pub fn install_hook(json: bool) {
    panic::set_hook(Box::new(move |info| {
        let place = info
            .location()
            .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let message = format!("this is a bug in nexus{place}");
        let hint = "please report it with what you did and the output of: nexus version";
        let text = if json {
            let details = serde_json::Value::Object(serde_json::Map::new());
            exit::error_object("bug", &message, &[hint.to_owned()], details, None)
        } else {
            format!("error: {message}\nhint: {hint}")
        };
        // Standard error may be gone, too; there is nobody left to tell.
        let _ = writeln!(stderr(), "{text}");
    }));
}

/// Runs the work; a panic in it ends with the exit code of a bug.
pub fn guard(work: impl FnOnce() -> Exit) -> Exit {
    panic::catch_unwind(panic::AssertUnwindSafe(work)).unwrap_or(Exit::Bug)
}
