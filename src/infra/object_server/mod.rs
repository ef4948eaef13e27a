//! x
use secrecy::SecretString;
use std::path::PathBuf;
pub struct ObjectServerConfig {
    pub root: PathBuf,
    pub region: String,
    pub admin_token: SecretString,
}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ObjectServerError;
pub async fn serve(
    _l: tokio::net::TcpListener,
    _c: ObjectServerConfig,
    s: tokio_util::sync::CancellationToken,
) -> Result<(), ObjectServerError> {
    s.cancelled().await;
    Ok(())
}
