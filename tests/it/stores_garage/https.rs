//! A Garage behind HTTPS, as it is run anywhere but on one machine.

use std::env;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nexus::infra::objects::{ObjectError, ObjectStore};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::{client, store_at, tenant};
use crate::support::garage;

const S3: &str = "NEXUS_TEST_HTTPS_S3";
const ADMIN: &str = "NEXUS_TEST_HTTPS_ADMIN";

/// Speaks HTTPS before an endpoint, as long as the test lives; where.
async fn before(endpoint: &str, certified: &CertifiedKey<KeyPair>) -> String {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = endpoint.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, store) = (acceptor.clone(), store.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut store = TcpStream::connect(store).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut store).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_spoken_to_over_https_where_its_certificate_is_trusted() {
    // What a process that trusts the certificate does: this test, run again.
    if let (Ok(s3), Ok(admin)) = (env::var(S3), env::var(ADMIN)) {
        let (it, store) = (tenant(), store_at(&s3, &admin));
        store.check().await.unwrap();
        store.create_bucket(&it.bucket, &it.owner).await.unwrap();
        let key = store.create_key(&it.bucket, &it.owner).await.unwrap();
        client(&key).put_object().bucket(&it.bucket).key("k").send().await.unwrap();
        store.purge_bucket(&it.bucket, &it.owner).await.unwrap();
        assert!(!store.has_bucket(&it.bucket, &it.owner).await.unwrap());
        return;
    }
    let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let s3 = before(&garage::shared().s3_endpoint, &certified).await;
    let admin = before(&garage::shared().admin_endpoint, &certified).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, certified.cert.pem()).unwrap();
    let name = "stores_garage::https::a_store_is_spoken_to_over_https_where_its_certificate_is_trusted";
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", name]).env("SSL_CERT_FILE", trusted).env(S3, s3).env(ADMIN, admin);
    let output =
        tokio::task::spawn_blocking(move || again.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn a_store_whose_certificate_nobody_vouches_for_is_not_trusted_with_the_token() {
    let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let admin = before(&garage::shared().admin_endpoint, &certified).await;
    match store_at(&garage::shared().s3_endpoint, &admin).check().await {
        Err(ObjectError::Unavailable { reason, .. }) => assert!(reason.contains("certificate"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
