//! A server that speaks AWS's S3 and IAM and holds callers to their policies: moto, an emulator.
//!
//! What it cannot show: it lets a copy read any bucket, answers presigned URLs with 500, accepts a
//! key that is turned off, and sees each change at once.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use nexus::infra::objects::ADMINISTRATOR_ACTIONS;
use serde_json::{Value, json};

/// A running server.
pub struct Moto {
    /// Where S3 and IAM are spoken.
    pub endpoint: String,
    /// The key for Nexus: it may what the driver says that it needs, and nothing else.
    pub access_key_id: String,
    /// Its secret.
    pub secret_key: String,
    /// The key of one who may everything.
    pub root: (String, String),
    /// It ends when its standard input does: with this process.
    _server: Child,
}

/// The one that the tests of this process share.
pub fn shared() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    // A thread of its own, because a test may be inside a runtime already.
    MOTO.get_or_init(|| std::thread::spawn(start).join().unwrap())
}

fn start() -> Moto {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/moto");
    let mut server = Command::new(script)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let endpoint = loop {
        let line = lines.next().unwrap_or_else(|| panic!("moto did not start: {said}")).unwrap();
        if let Some((_, address)) = line.split_once("Running on ") {
            break address.trim().to_owned();
        }
        said.push_str(&line);
    };
    // What nobody reads would fill the pipe and stop it.
    std::thread::spawn(move || lines.for_each(drop));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (root, (access_key_id, secret_key)) = runtime.block_on(async {
        // The three calls that need no key.
        let root = user(&iam(&endpoint, "nobody", "nothing"), "root", &json!("*")).await;
        let nexus = user(&iam(&endpoint, &root.0, &root.1), "nexus", &json!(ADMINISTRATOR_ACTIONS)).await;
        (root, nexus)
    });
    Moto { endpoint, access_key_id, secret_key, root, _server: server }
}

/// Makes a user who may do these things anywhere; its key.
async fn user(iam: &aws_sdk_iam::Client, name: &str, actions: &Value) -> (String, String) {
    iam.create_user().user_name(name).send().await.unwrap();
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
    });
    let request = iam.put_user_policy().user_name(name).policy_name("rights");
    request.policy_document(policy.to_string()).send().await.unwrap();
    let key = iam.create_access_key().user_name(name).send().await.unwrap().access_key.unwrap();
    (key.access_key_id, key.secret_access_key)
}

/// A client of IAM at an endpoint.
pub fn iam(endpoint: &str, id: &str, secret: &str) -> aws_sdk_iam::Client {
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_iam::Client::from_conf(config)
}

/// A client of S3 at an endpoint.
pub fn s3(endpoint: &str, region: &str, id: &str, secret: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
