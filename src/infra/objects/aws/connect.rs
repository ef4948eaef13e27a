//! The SDK's clients, and where they connect to.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use secrecy::ExposeSecret;

use super::AwsConfig;
use super::policy::partition;
use crate::infra::objects::client::http_client;
use crate::infra::objects::patience::REQUEST_TIMEOUT;

/// Where the services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// The URL of S3 that a tenant's app uses.
    pub(super) s3: String,
    /// The URL of IAM, for errors.
    pub(super) iam: String,
    /// The S3 endpoint that is not the SDK's own.
    pub(super) own_s3: Option<String>,
    /// The IAM endpoint that is not the SDK's own.
    pub(super) own_iam: Option<String>,
}

impl Places {
    /// By the configuration. A store that has an S3 endpoint and none for IAM answers both at one:
    /// its administrator's key is never shown to AWS.
    pub(super) fn of(config: &AwsConfig) -> Self {
        let clean = |url: &String| url.trim().trim_end_matches('/').to_owned();
        let own_s3 = config.s3_endpoint.as_ref().map(clean);
        let own_iam = config.iam_endpoint.as_ref().map(clean).or_else(|| own_s3.clone());
        let (domain, iam) = match partition(&config.region) {
            "aws-cn" => ("amazonaws.com.cn", "https://iam.cn-north-1.amazonaws.com.cn"),
            "aws-us-gov" => ("amazonaws.com", "https://iam.us-gov.amazonaws.com"),
            _ => ("amazonaws.com", "https://iam.amazonaws.com"),
        };
        Self {
            s3: own_s3.clone().unwrap_or_else(|| format!("https://s3.{}.{domain}", config.region)),
            iam: own_iam.clone().unwrap_or_else(|| iam.to_owned()),
            own_s3,
            own_iam,
        }
    }
}

/// The client of S3.
pub(super) fn s3(config: &AwsConfig, places: &Places) -> aws_sdk_s3::Client {
    let mut builder = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials(config))
        .retry_config(retries())
        .timeout_config(timeouts())
        .http_client(http_client(&places.s3));
    if let Some(url) = &places.own_s3 {
        // A name for each bucket is more than most services at an address of their own have.
        builder = builder.endpoint_url(url).force_path_style(true);
    }
    aws_sdk_s3::Client::from_conf(builder.build())
}

/// The client of IAM.
pub(super) fn iam(config: &AwsConfig, places: &Places) -> aws_sdk_iam::Client {
    let mut builder = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials(config))
        .retry_config(retries())
        .timeout_config(timeouts())
        .http_client(http_client(&places.iam));
    if let Some(url) = &places.own_iam {
        builder = builder.endpoint_url(url);
    }
    aws_sdk_iam::Client::from_conf(builder.build())
}

fn credentials(config: &AwsConfig) -> Credentials {
    let secret = config.secret.expose_secret().to_owned();
    Credentials::new(config.access_key_id.clone(), secret, None, None, "nexus")
}

/// Throttling and broken connections are tried again after a growing pause, four times in all.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4).with_max_backoff(Duration::from_secs(5))
}

/// A request with its repetitions ends within fifteen seconds, and so does the one that tidies up after
/// it: half a minute after the last sign of life.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(REQUEST_TIMEOUT)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(s3: Option<&str>, iam: Option<&str>, region: &str) -> Places {
        Places::of(&AwsConfig {
            s3_endpoint: s3.map(str::to_owned),
            iam_endpoint: iam.map(str::to_owned),
            region: region.to_owned(),
            access_key_id: "AKIA".to_owned(),
            secret: "secret".into(),
        })
    }

    #[test]
    fn a_tenants_app_is_told_the_endpoint_of_the_region() {
        assert_eq!(places(None, None, "eu-central-1").s3, "https://s3.eu-central-1.amazonaws.com");
        assert_eq!(places(None, None, "us-east-1").s3, "https://s3.us-east-1.amazonaws.com");
        assert_eq!(places(None, None, "cn-north-1").s3, "https://s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(places(Some("http://10.0.0.1:9000/"), None, "x").s3, "http://10.0.0.1:9000");
    }

    #[test]
    fn the_key_of_a_store_with_its_own_endpoint_never_goes_to_aws() {
        let own = places(Some("https://ceph.example"), None, "us-east-1");
        assert_eq!(own.own_iam.as_deref(), Some("https://ceph.example"));
        let two = places(Some("https://s3.example"), Some("https://iam.example/"), "us-east-1");
        assert_eq!(two.own_iam.as_deref(), Some("https://iam.example"));
    }

    #[test]
    fn without_endpoints_the_sdk_finds_the_services() {
        let aws = places(None, None, "us-gov-west-1");
        assert_eq!((aws.own_s3, aws.own_iam), (None, None));
        assert_eq!(aws.iam, "https://iam.us-gov.amazonaws.com");
    }
}
