//! Keeps the mailbox for development, at the same port as long as that can be had. What is wrong with it takes
//! nothing else down.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::infra::{mail_sink, private_file};

use super::super::LocalError;
use super::super::layout::{Layout, address};
use super::super::state::{Board, PartState};

/// How long to wait before a port is asked for once more.
const AGAIN: Duration = Duration::from_secs(5);

/// Until `stop`.
pub(super) async fn keep(layout: Layout, board: Arc<Board>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match listen(&layout).await {
            Ok((listener, port)) => {
                tracing::info!(port, "the mailbox is up");
                board.update(|state| {
                    state.mail.state = PartState::Running;
                    state.mail.port = Some(port);
                    state.mail.last_error = None;
                });
                // A task of its own: a panic in there ends it, and not the daemon.
                let served = tokio::spawn(mail_sink::serve(listener, layout.mail(), stop.clone())).await;
                if served.is_err() {
                    tracing::error!("the mailbox broke, and is started again");
                }
            }
            Err(error) => {
                tracing::error!(%error, "the mailbox does not start");
                board.update(|state| {
                    state.mail.state = PartState::Failing;
                    state.mail.last_error = Some(error.to_string());
                });
                tokio::select! {
                    () = sleep(AGAIN) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

async fn listen(layout: &Layout) -> Result<(TcpListener, u16), LocalError> {
    let file = layout.mail_port();
    let remembered = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = remembered.filter(|port| *port > 0) {
        match TcpListener::bind(address(port)).await {
            Ok(listener) => return Ok((listener, port)),
            Err(error) => tracing::warn!(port, %error, "the mailbox gets another port"),
        }
    }
    let folder = layout.mail();
    let failed = || LocalError::io("listen at 127.0.0.1 for", &folder);
    let listener = TcpListener::bind(address(0)).await.map_err(failed())?;
    let port = listener.local_addr().map_err(failed())?.port();
    private_file::replace(&file, format!("{port}\n").as_bytes())?;
    Ok((listener, port))
}
