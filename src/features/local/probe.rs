//! Asks each part whether it answers.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use super::layout::address;
use super::stack::PostgresAddress;
use crate::infra::objects::health;

/// How long a part may take to answer a question.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

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
