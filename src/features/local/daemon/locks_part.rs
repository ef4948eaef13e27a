//! Keeps one session from taking all of the server's lock table, without which nobody logs in.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::LocalError;
use super::super::stack::PostgresAddress;
use crate::infra::cluster::{self, ClusterError};
use crate::infra::db::{Host, ServerAddress, Tls};

/// How often it is looked at: filling it takes seconds.
const EVERY: Duration = Duration::from_millis(500);
/// How long to wait before a session is asked for once more.
const AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take; a server that is slower is asked by a new session.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one session is used: superusers that are made meanwhile are not known to it.
const LOOKS: u32 = 1200;

/// Until `stop`. It has its session before the table is full, because none is to be had then.
pub(super) async fn guard(
    address: impl Fn() -> Result<PostgresAddress, LocalError>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        if let Ok(address) = address()
            && let Err(error) = watch(&address, &stop).await
        {
            tracing::debug!(%error, "the lock table is not watched at this moment");
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn watch(address: &PostgresAddress, stop: &CancellationToken) -> Result<(), ClusterError> {
    let server = ServerAddress {
        host: Host::Socket(address.socket_dir.clone()),
        port: address.port,
        user: address.user.clone(),
        password: address.password.clone(),
        database: "postgres".to_owned(),
        tls: Tls::Disable,
    };
    let mut session = server.connect("nexus:locks").await?;
    let superusers = cluster::superusers(&mut session).await?;
    for _ in 0..LOOKS {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = stop.cancelled() => break,
        }
        let Ok(ended) = timeout(ANSWER_TIMEOUT, cluster::end_hoarders(&mut session, &superusers)).await
        else {
            return Ok(());
        };
        for (role, locks) in ended? {
            tracing::warn!(
                role,
                locks,
                "sessions were ended: they held most of the lock table, which all share"
            );
        }
    }
    let _ = session.close().await;
    Ok(())
}
