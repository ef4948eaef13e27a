//! Ctrl-C: the first asks the work to stop at the next step's edge, the second quits at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::output::Screen;

/// Watches for SIGINT and SIGTERM from now on. Must be called within a runtime.
pub fn watch(token: &CancellationToken, screen: &Screen) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without a handler both signals end the process, as they do everywhere.
        return;
    };
    let (token, screen) = (token.clone(), screen.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                screen.restore_terminal();
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            token.cancel();
            screen.note("stopping at the next step; press Ctrl-C again to quit at once");
        }
    });
}
