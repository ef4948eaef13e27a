//! The driver of Garage against a real one.

mod buckets;
mod crash;
mod https;
mod isolation;
mod keys;
mod line;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Builder;
use nexus::infra::objects::{GarageStore, ObjectStore, Owner, ScopedKey};
use nexus::kernel::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::support::garage::{self, REGION};

/// The driver, as Nexus makes it.
pub fn store() -> GarageStore {
    let garage = garage::shared();
    store_at(&garage.s3_endpoint, &garage.admin_endpoint)
}

fn store_at(s3: &str, admin: &str) -> GarageStore {
    let token = SecretString::from(garage::shared().admin_token.clone());
    GarageStore::new(s3, admin, REGION, token)
}

/// A tenant of an installation, with a bucket's name of its own.
#[derive(Debug, Clone)]
struct Tenant {
    installation: String,
    owner: Owner,
    bucket: String,
}

fn tenant() -> Tenant {
    tenant_of(&Uuid::new_v4())
}

fn tenant_of(installation: &Uuid) -> Tenant {
    let bucket = format!("nx{}", &Uuid::new_v4().simple().to_string()[..20]);
    let mark = format!("nexus:{installation}:{}", Uuid::new_v4());
    Tenant { installation: format!("nexus:{installation}:"), owner: Owner { mark, fence: 1 }, bucket }
}

impl Tenant {
    /// With a bucket and a key to it.
    async fn settled(&self) -> ScopedKey {
        store().create_bucket(&self.bucket, &self.owner).await.unwrap();
        store().create_key(&self.bucket, &self.owner).await.unwrap()
    }

    /// What the store holds of it and its installation, by name: buckets, then keys.
    async fn there(&self) -> (Vec<String>, Vec<String>) {
        let found = store().inventory(&self.installation).await.unwrap();
        let buckets = found.buckets.into_iter().map(|it| it.name).collect();
        (buckets, found.keys.into_iter().map(|it| it.access_key_id).collect())
    }
}

pub fn client(key: &ScopedKey) -> Client {
    let secret = key.secret.expose_secret();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&garage::shared().s3_endpoint)
        .region(Region::new(REGION))
        .force_path_style(true)
        .credentials_provider(Credentials::new(&key.access_key_id, secret, None, None, "test"))
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

pub async fn put(s3: &Client, bucket: &str, key: &str) {
    let body = ByteStream::from_static(b"content");
    s3.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

/// The status of a call that must fail.
fn status<T: std::fmt::Debug, E: std::fmt::Debug>(result: Result<T, SdkError<E>>) -> u16 {
    let error = result.expect_err("this must be refused");
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

/// A plain request; its status and its JSON.
fn request(method: &str, url: &str, body: &str) -> (u16, Value) {
    use std::io::{Read, Write};
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let token = &garage::shared().admin_token;
    let bearer =
        if path.starts_with("v2/") { format!("authorization: Bearer {token}\r\n") } else { String::new() };
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n{bearer}\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

/// A call of the admin API by somebody else, e.g. the cluster's own people.
pub fn admin(call: &str, body: &Value) -> Value {
    let method = if body.is_null() && call.starts_with("Get") { "GET" } else { "POST" };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = request(method, &format!("{}/v2/{call}", garage::shared().admin_endpoint), &body);
    assert_eq!(status, 200, "{call}: {answer}");
    answer
}
