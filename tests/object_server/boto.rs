use std::path::Path;
use std::process::Stdio;

use crate::support::{REGION, Server};

/// Python's own client, with the calls that a business app makes.
#[tokio::test(flavor = "multi_thread")]
async fn boto3_finds_its_way() {
    let server = Server::start().await;
    server.bucket("boto").await;
    let key = server.key(&["boto"]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/s3-compat");
    let output = tokio::process::Command::new(script)
        .env("AWS_ENDPOINT_URL_S3", &server.endpoint)
        .env("AWS_ACCESS_KEY_ID", &key.id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("S3_BUCKET", "boto")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("scripts/s3-compat must run");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("all passed"), "{out}");
}
