//! TLS to an address that was checked, by the certificates that this machine trusts.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error as TlsError, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::OutboundError;

/// Whom to trust; read once, when it is needed first.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust(Arc<OnceCell<Arc<ClientConfig>>>);

impl Trust {
    pub(super) async fn begin(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, OutboundError> {
        let config = self.0.get_or_try_init(|| async {
            tokio::task::spawn_blocking(load).await.unwrap_or_else(|error| Err(error.to_string()))
        });
        let config = config.await.map_err(OutboundError::Trust)?;
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| OutboundError::Tls("no certificate can have its name".to_owned()))?;
        let shaken = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        shaken.map_err(|error| OutboundError::Tls(in_words(&error)))
    }
}

fn load() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("there are none (install ca-certificates)".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn in_words(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(TlsError::InvalidCertificate(wrong)) => format!("its certificate is not good: {wrong}"),
        Some(other) => other.to_string(),
        None => super::client::words(error),
    }
}
