//! Asks each part whether it answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use super::stack::PostgresAddress;
use crate::infra::objects::health;

/// How long a part may take to answer a question.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The address of the S3 endpoint for clients on this machine.
pub(super) fn endpoint(port: u16) -> String {
    format!("http://{}", address(port))
}

/// The loopback address: nobody else's machine can reach it.
pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Logs in as the superuser and asks for a sign of life.
///
/// # Errors
/// Why not, in words.
pub(super) async fn postgres(address: &PostgresAddress) -> Result<(), String> {
    let ask = async {
        let mut connection =
            address.options("postgres").connect().await.map_err(|error| error.to_string())?;
        connection.ping().await.map_err(|error| error.to_string())?;
        connection.close().await.map_err(|error| error.to_string())
    };
    tokio::time::timeout(PROBE_TIMEOUT, ask).await.unwrap_or_else(|_| Err(no_answer()))
}

/// Asks the S3 endpoint for its health.
///
/// # Errors
/// Why not, in words.
pub(super) async fn s3(port: u16) -> Result<(), String> {
    tokio::time::timeout(PROBE_TIMEOUT, health(address(port))).await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> String {
    format!("no answer within {} s", PROBE_TIMEOUT.as_secs())
}
