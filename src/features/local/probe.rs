//! Asks each part whether it answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use sqlx::{ConnectOptions, Connection};
use tokio::net::TcpStream;

use super::stack::PostgresAddress;

/// How long a part may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(3);

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
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(no_answer()))
}

/// Asks the S3 endpoint for its health.
///
/// # Errors
/// Why not, in words.
pub(super) async fn s3(port: u16) -> Result<(), String> {
    let ask = async {
        let stream = TcpStream::connect(address(port)).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let request = Request::get("/_nexus/v1/health").header("host", address(port).to_string());
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string());
        connection.abort();
        match answer?.status() {
            StatusCode::OK => Ok(()),
            status => Err(format!("it answers its health check with {status}")),
        }
    };
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}
