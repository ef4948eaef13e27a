//! TLS to a server, with what its certificates say, of a handshake that failed too.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error as TlsError, InvalidMessage, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::dialogue::{TLS_RECORDS, Wire, words};
use super::outcome::{BadCertificate, Why};
use super::steps::{Certificate, TlsSeen};
use crate::settings::mail::bare_host;
use crate::settings::trust;

/// Most bytes of a file of certificates.
const MOST_BYTES: u64 = 1 << 20;
/// Most certificates of a chain that are looked at.
const MOST_CERTIFICATES: usize = 10;

/// Whom to trust.
#[derive(Clone)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
    /// Certificates that are trusted themselves, where a file names them.
    pinned: Arc<Vec<CertificateDer<'static>>>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// The system's certificates, or those of a file. Reads files.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, Why> {
        let (pinned, all) = match file {
            Some(path) => {
                let certificates = of_file(path)?;
                (certificates.clone(), certificates)
            }
            None => (Vec::new(), rustls_native_certs::load_native_certs().certs),
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(all);
        if roots.is_empty() {
            let which = file.map_or("this machine has none (install ca-certificates)".to_owned(), |path| {
                format!("{} holds none in PEM form", path.display())
            });
            return Err(Why::NoTrust(which));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unusable = |error: &dyn std::fmt::Display| Why::NoTrust(error.to_string());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(|error| unusable(&error))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_webpki_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), verifier, pinned: Arc::new(pinned) })
    }

    /// Begins TLS on a stream; what its certificates say is known also where they are refused.
    pub(super) async fn begin(
        &self,
        host: &str,
        stream: Box<dyn Wire>,
    ) -> (Result<Box<dyn Wire>, Why>, TlsSeen) {
        let recorder = Arc::new(Recorder {
            inner: Arc::clone(&self.verifier),
            pinned: Arc::clone(&self.pinned),
            chain: Mutex::default(),
        });
        let mut config = ClientConfig::clone(&self.config);
        config.dangerous().set_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>);
        let bare = bare_host(host).to_owned();
        let Ok(name) = ServerName::try_from(bare) else {
            return (
                Err(Why::Tls(format!("{host:?} is no name that a certificate can have"))),
                TlsSeen::default(),
            );
        };
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let chain = std::mem::take(&mut *recorder.chain.lock().unwrap_or_else(PoisonError::into_inner));
        match shaken {
            Ok(stream) => {
                let version = stream.get_ref().1.protocol_version().map(|version| format!("{version:?}"));
                (Ok(Box::new(stream)), TlsSeen { version, chain })
            }
            Err(error) => (Err(failed(&error)), TlsSeen { version: None, chain }),
        }
    }
}

/// Whether a port answers TLS with TLS, whatever its certificate.
pub async fn speaks_tls(host: &str, port: u16, limit: Duration) -> bool {
    let probe = async {
        let mut stream = TcpStream::connect((host, port)).await.ok()?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
        let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).ok()?;
        let mut hello = Vec::new();
        let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
        connection.write_tls(&mut hello).ok()?;
        stream.write_all(&hello).await.ok()?;
        let mut first = [0];
        stream.read_exact(&mut first).await.ok()?;
        TLS_RECORDS.contains(&first[0]).then_some(())
    };
    tokio::time::timeout(limit, probe).await.ok().flatten().is_some()
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Why> {
    use io::Read as _;
    let unreadable = |why: &dyn std::fmt::Display| Why::NoTrust(format!("{}: {why}", path.display()));
    let file = trust::open(path).map_err(|error| unreadable(&error))?;
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text).map_err(|error| unreadable(&error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    certificates.map_err(|_| unreadable(&"it is not in PEM form"))
}

/// What the error of a handshake says.
fn failed(error: &io::Error) -> Why {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(TlsError::InvalidCertificate(wrong)) => Why::Certificate(bad(wrong)),
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => Why::SpeaksPlain,
        Some(TlsError::AlertReceived(AlertDescription::ProtocolVersion)) => {
            Why::Tls("the server speaks no TLS of version 1.2 or newer".to_owned())
        }
        Some(other) => Why::Tls(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Why::Closed,
        None => Why::Io(words(error)),
    }
}

fn bad(error: &CertificateError) -> BadCertificate {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            BadCertificate::Name
        }
        // The second: one who has the name of somebody who is trusted, and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => BadCertificate::Issuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => BadCertificate::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => BadCertificate::NotYet,
        // An authority's own certificate in the place of a server's: what `openssl req -x509` makes.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            BadCertificate::Issuer
        }
        other => BadCertificate::Other(other.to_string()),
    }
}

/// Checks certificates, and keeps what they say.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Arc<Vec<CertificateDer<'static>>>,
    chain: Mutex<Vec<Certificate>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let all = std::iter::once(end_entity).chain(intermediates).take(MOST_CERTIFICATES);
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = all.filter_map(seen).collect();
        if self.pinned.iter().any(|trusted| trusted.as_ref() == end_entity.as_ref()) {
            return pinned(end_entity, server_name, now);
        }
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// A certificate that is itself in the file of those to trust needs no issuer, but a name and its dates.
fn pinned(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, TlsError> {
    let Some(said) = seen(certificate) else { return Err(CertificateError::BadEncoding.into()) };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > said.not_after.unix_timestamp() {
        return Err(CertificateError::Expired.into());
    }
    if now < said.not_before.unix_timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    let is_right = match ParsedCertificate::try_from(certificate) {
        Ok(parsed) => rustls::client::verify_server_name(&parsed, name).is_ok(),
        // webpki parses no authority's certificate as a server's in some forms: the names are the same.
        Err(_) => false,
    };
    if is_right { Ok(ServerCertVerified::assertion()) } else { Err(CertificateError::NotValidForName.into()) }
}

fn seen(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|found| found.value.general_names.iter().filter_map(name).collect());
    Some(Certificate {
        subject: shown(&parsed.subject().to_string()),
        names: names.unwrap_or_default(),
        issuer: shown(&parsed.issuer().to_string()),
        not_before: parsed.validity().not_before.to_datetime(),
        not_after: parsed.validity().not_after.to_datetime(),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            16 => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// What a certificate says is anybody's text.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
