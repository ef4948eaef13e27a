//! Ctrl-C: the first asks the work to stop at the next step's edge, the second quits at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::output::Screen;

/// Watches for SIGINT and SIGTERM from now on. Must be called within a runtime.
pub fn watch(token: &CancellationToken, child_has_terminal: &Arc<AtomicBool>, screen: &Screen) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without a handler both signals end the process, as they do everywhere.
        return;
    };
    let (token, screen) = (token.clone(), screen.clone());
    let child_has_terminal = Arc::clone(child_has_terminal);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if child_has_terminal.load(Ordering::Relaxed) {
                continue;
            }
            if token.is_cancelled() {
                screen.restore_terminal();
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            // Said before the work ends, which may be at once.
            screen.note("stopping at the next step; press Ctrl-C again to quit at once");
            token.cancel();
        }
    });
}
