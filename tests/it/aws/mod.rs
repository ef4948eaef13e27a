//! Buckets and keys at a service that speaks AWS's S3 and IAM.

mod cuts;
mod files;
mod foreign;
mod keys;
mod stock;

use std::sync::atomic::{AtomicU64, Ordering};

use nexus::infra::objects::{AwsConfig, AwsStore, Owner, ScopedKey};
use secrecy::ExposeSecret;

use crate::support::moto;

/// A region that is not the first one: its name must be given when a bucket is made.
const REGION: &str = "eu-central-1";

/// One tenant of an installation of its own, at the shared service.
struct Tenant {
    store: AwsStore,
    installation: String,
    owner: Owner,
    bucket: String,
}

impl Tenant {
    fn new() -> Self {
        Self::at(&moto::shared().endpoint, REGION)
    }

    /// Seen through an endpoint, e.g. a proxy before the service.
    fn at(endpoint: &str, region: &str) -> Self {
        let installation = format!("nexus:{}:", uuid::Uuid::new_v4());
        let moto = moto::shared();
        Self {
            store: store(endpoint, region, &moto.access_key_id, &moto.secret_key),
            owner: Owner { mark: format!("{installation}{}", uuid::Uuid::new_v4()), fence: 1 },
            installation,
            bucket: name(),
        }
    }

    /// The owner of something else in the same installation.
    fn other(&self) -> Owner {
        Owner { mark: format!("{}{}", self.installation, uuid::Uuid::new_v4()), fence: 1 }
    }
}

fn store(endpoint: &str, region: &str, id: &str, secret: &str) -> AwsStore {
    AwsStore::new(&AwsConfig {
        s3_endpoint: Some(endpoint.to_owned()),
        iam_endpoint: None,
        region: region.to_owned(),
        access_key_id: id.to_owned(),
        secret: secret.to_owned().into(),
    })
}

/// A name that nothing else has.
fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("nx{}{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// S3 as the holder of a key uses it.
fn as_holder(key: &ScopedKey) -> aws_sdk_s3::Client {
    moto::s3(&moto::shared().endpoint, REGION, &key.access_key_id, key.secret.expose_secret())
}

/// S3 as one who may everything uses it.
fn as_root() -> aws_sdk_s3::Client {
    let moto = moto::shared();
    moto::s3(&moto.endpoint, REGION, &moto.root.0, &moto.root.1)
}

/// IAM as one who may everything uses it.
fn iam() -> aws_sdk_iam::Client {
    let moto = moto::shared();
    moto::iam(&moto.endpoint, &moto.root.0, &moto.root.1)
}
