//! A tenant's key at every other tenant's bucket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_http_client::Builder;

use super::{Neighbour, neighbours};
use crate::support::world::World;

fn client(tenant: &Neighbour) -> Client {
    let key = Credentials::new(
        tenant.get("AWS_ACCESS_KEY_ID"),
        tenant.get("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "test",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(tenant.get("S3_ENDPOINT"))
        .region(Region::new(tenant.get("AWS_REGION").to_owned()))
        .force_path_style(true)
        .credentials_provider(key)
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// The status of a call that must fail.
fn status<T: std::fmt::Debug, E: std::fmt::Debug>(result: Result<T, SdkError<E>>) -> u16 {
    let error = result.expect_err("this must be refused");
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

/// The status of a plain request.
fn request(method: &str, url: &str) -> u16 {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn no_tenants_key_reaches_another_tenants_bucket() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash", "birch", "cedar", "date", "elm"]);
    for tenant in &tenants {
        let own = client(tenant).put_object().bucket(tenant.get("S3_BUCKET")).key("secret");
        own.body(ByteStream::from_static(b"secret")).send().await.unwrap();
    }
    let mut refused = 0;
    for one in &tenants {
        let s3 = client(one);
        for other in tenants.iter().filter(|other| other.get("S3_BUCKET") != one.get("S3_BUCKET")) {
            let statuses = attempts(&s3, one.get("S3_BUCKET"), other.get("S3_BUCKET")).await;
            refused += statuses.len();
            assert!(statuses.iter().all(|(_, status)| *status == 403), "{statuses:?}");
        }
    }
    assert_eq!(refused, 5 * 4 * 11);
    for tenant in &tenants {
        let listed = client(tenant).list_objects_v2().bucket(tenant.get("S3_BUCKET")).send().await.unwrap();
        let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
        assert_eq!(keys, ["secret"]);
    }
}

/// Everything that a key can try at a bucket, and what came of it.
async fn attempts(s3: &Client, own: &str, other: &str) -> Vec<(&'static str, u16)> {
    let names = ObjectIdentifier::builder().key("secret").build().unwrap();
    let many = Delete::builder().objects(names).build().unwrap();
    let copy = s3.copy_object().bucket(own).key("stolen").copy_source(format!("{other}/secret"));
    let plant = s3.copy_object().bucket(other).key("planted").copy_source(format!("{own}/secret"));
    let config = || PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let get = s3.get_object().bucket(own).key("secret").presigned(config()).await.unwrap();
    let foreign = s3.get_object().bucket(other).key("secret").presigned(config()).await.unwrap();
    let put = s3.put_object().bucket(own).key("secret").presigned(config()).await.unwrap();
    assert_eq!(request("GET", get.uri()), 200);
    vec![
        ("list", status(s3.list_objects_v2().bucket(other).send().await)),
        ("get", status(s3.get_object().bucket(other).key("secret").send().await)),
        ("put", status(s3.put_object().bucket(other).key("x").send().await)),
        ("delete", status(s3.delete_object().bucket(other).key("secret").send().await)),
        ("delete many", status(s3.delete_objects().bucket(other).delete(many).send().await)),
        ("copy from", status(copy.send().await)),
        ("copy to", status(plant.send().await)),
        ("upload", status(s3.create_multipart_upload().bucket(other).key("x").send().await)),
        ("signed for it", request("GET", foreign.uri())),
        ("signed for mine", request("GET", &get.uri().replace(own, other))),
        ("signed to write mine", request("PUT", &put.uri().replace(own, other))),
    ]
}
