//! The certificate that clients are shown, and its key; they can be replaced while the server runs.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::kernel::{Failure, shell};
use crate::settings::ServeSettings;
use crate::settings::trust::{self, Distrust};

/// Most bytes of a file; more is a mistake.
const MOST_BYTES: u64 = 1 << 20;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error, Failure)]
pub enum TlsError {
    /// TLS needs both a certificate and its key, and only one is set.
    #[error("{given} is set, but {missing} is not: TLS needs both")]
    #[failure(Invalid, "tls_incomplete")]
    #[hint("set {missing} as well, or neither for plain HTTP")]
    Half { given: &'static str, missing: &'static str },
    /// The file of a certificate or its key cannot be read.
    #[error("cannot read the {what} {}: {source}", path.display())]
    #[failure(Invalid, "tls_file_unreadable")]
    #[hint(if source.kind() == io::ErrorKind::NotFound, "a path that does not begin with '/' is below the folder where the server was started")]
    #[hint("see who may read it: ls -l {}", shell::path(path))]
    Unreadable { what: &'static str, path: PathBuf, source: io::Error },
    /// Somebody else can change the file of a certificate or its key.
    #[error("the {what} {} is not trusted: {reason}", path.display())]
    #[failure(Forbidden, "tls_file_untrusted")]
    #[hints(reason.hints())]
    Untrusted {
        what: &'static str,
        path: PathBuf,
        #[source]
        reason: Distrust,
    },
    /// Everybody may read the key of a certificate.
    #[error("the key {} can be read by everybody (mode {mode:04o})", path.display())]
    #[failure(Forbidden, "tls_key_open")]
    #[hint("chmod o= {}", shell::path(path))]
    Open { path: PathBuf, mode: u32 },
    /// A file does not hold what it should.
    #[error("{} holds no {what} in PEM form", path.display())]
    #[failure(Invalid, "tls_file_malformed")]
    #[hint("a certificate begins with -----BEGIN CERTIFICATE-----, its key with -----BEGIN PRIVATE KEY-----")]
    Malformed { what: &'static str, path: PathBuf },
    /// The key is not that of the certificate.
    #[error("the key {} is not that of the certificate {}", key.display(), cert.display())]
    #[failure(Invalid, "tls_key_mismatch")]
    #[hint("the server's own certificate comes first in its file, those of authorities after it")]
    Mismatch { cert: PathBuf, key: PathBuf },
    /// The certificate or its key is of a kind that cannot be used.
    #[error("the certificate {} cannot be used: {reason}", path.display())]
    #[failure(Invalid, "tls_unusable")]
    #[hint("RSA keys of 2048 bits and more and ECDSA keys on P-256 or P-384 can be used")]
    Unusable { path: PathBuf, reason: String },
}

/// What new connections are encrypted with. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Of the settings' files; `None` where there are none.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn of(settings: &ServeSettings) -> Result<Option<Self>, TlsError> {
        let config = config(settings)?;
        Ok(config.map(|config| Self(Arc::new(ArcSwap::from_pointee(config)))))
    }

    /// Reads the files again, for connections that are opened from now on. With `None` in the settings
    /// nothing changes: a port that speaks TLS does so until it is closed.
    ///
    /// # Errors
    /// [`TlsError`]; then all stays as it was.
    pub(super) fn reload(&self, settings: &ServeSettings) -> Result<(), TlsError> {
        if let Some(config) = config(settings)? {
            self.0.store(Arc::new(config));
        }
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

fn config(settings: &ServeSettings) -> Result<Option<ServerConfig>, TlsError> {
    let half = |given, missing| Err(TlsError::Half { given, missing });
    let (cert, key) = match (&settings.tls_cert, &settings.tls_key) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => return half("tls_cert", "tls_key"),
        (None, Some(_)) => return half("tls_key", "tls_cert"),
    };
    let chain = chain(cert)?;
    warn_of_dates(cert, &chain[0]);
    let secret = secret(key)?;
    let unusable = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert: cert.clone(), key: key.clone() },
        error => TlsError::Unusable { path: cert.clone(), reason: error.to_string() },
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(unusable)?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, secret).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(config))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificate";
    let text = read(open(what, path)?, what, path)?;
    let malformed = || TlsError::Malformed { what, path: path.to_owned() };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(malformed)
}

/// The group may read a key: that is how Kubernetes and systemd hand one to a process that is not root.
fn secret(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "key";
    let file = open(what, path)?;
    let unreadable = |source| TlsError::Unreadable { what, path: path.to_owned(), source };
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(TlsError::Open { path: path.to_owned(), mode });
    }
    let text = read(file, what, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::Malformed { what, path: path.to_owned() })
}

/// Links are followed: whoever renews certificates moves one, mostly.
fn open(what: &'static str, path: &Path) -> Result<File, TlsError> {
    trust::open(path).map_err(|reason| match reason.into_io() {
        Ok(source) => TlsError::Unreadable { what, path: path.to_owned(), source },
        Err(reason) => TlsError::Untrusted { what, path: path.to_owned(), reason },
    })
}

fn read(file: File, what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    // Room for all of it at once: what a buffer grows out of is not erased.
    let room = file.metadata().map_or(0, |facts| facts.len().min(MOST_BYTES));
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0) + 1));
    let read = file.take(MOST_BYTES).read_to_end(&mut text);
    read.map_err(|source| TlsError::Unreadable { what, path: path.to_owned(), source })?;
    Ok(text)
}

/// One that is over is served still: some clients do not look, and without it none could connect.
fn warn_of_dates(path: &Path, certificate: &CertificateDer<'_>) {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return };
    let (validity, path) = (parsed.validity(), path.display());
    if let Some(left) = validity.time_to_expiration() {
        let days = left.whole_days();
        if days < 7 {
            let until = validity.not_after;
            tracing::warn!(%path, "the certificate is valid until {until} only; renew it");
        }
    } else {
        let (from, until) = (validity.not_before, validity.not_after);
        tracing::warn!(%path, "the certificate is valid from {from} until {until}, and not now; renew it");
    }
}
