//! What a tenant's user may do: the one policy that Nexus writes, and the parts of AWS's names.

use serde_json::{Value, json};

/// What an app does with its bucket as a whole. It reads; it never deletes or reconfigures the
/// bucket: no policy, ACL, versioning, lifecycle or CORS (Service Authorization Reference, S3).
const ON_BUCKET: &[&str] = &["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"];

/// What an app does with its objects. No ACL, because one could open an object to the world, and no
/// action on versions, because the buckets have none. Tags, because copying a tagged object reads
/// and writes them.
const ON_OBJECTS: &[&str] = &[
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectTagging",
    "s3:GetObject",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectTagging",
];

/// What the administrator whose key Nexus is given has to be allowed: the first group on all
/// buckets, the second on users below `/nexus/` (`iam:ListUsers` and `iam:GetAccessKeyLastUsed` on
/// all).
pub const ADMINISTRATOR_ACTIONS: &[&str] = &[
    "s3:AbortMultipartUpload",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetBucketTagging",
    "s3:ListAllMyBuckets",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:PutBucketTagging",
    "s3:TagResource",
    "iam:CreateAccessKey",
    "iam:CreateUser",
    "iam:DeleteAccessKey",
    "iam:DeleteUser",
    "iam:DeleteUserPolicy",
    "iam:GetAccessKeyLastUsed",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListUsers",
    "iam:PutUserPolicy",
    "iam:TagUser",
    "iam:UpdateAccessKey",
];

/// The policy document that confines a user to one bucket.
pub(super) fn document(partition: &str, bucket: &str) -> Value {
    let arn = format!("arn:{partition}:s3:::{bucket}");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Sid": "Bucket", "Effect": "Allow", "Action": ON_BUCKET, "Resource": arn },
            { "Sid": "Objects", "Effect": "Allow", "Action": ON_OBJECTS, "Resource": format!("{arn}/*") },
        ],
    })
}

/// The buckets that a policy document lets a user touch, sorted. `document` may be percent-encoded,
/// as IAM answers it (`GetUserPolicy`, RFC 3986).
pub(super) fn buckets(document: &str) -> Vec<String> {
    let Ok(document) = urlencoding::decode(document) else { return Vec::new() };
    let Ok(document) = serde_json::from_str::<Value>(&document) else { return Vec::new() };
    let mut found: Vec<String> = many(&document["Statement"])
        .filter(|statement| statement["Effect"] == "Allow")
        .flat_map(|statement| many(&statement["Resource"]))
        .filter_map(Value::as_str)
        .filter_map(|arn| arn.split_once(":s3:::"))
        .map(|(_, name)| name.split_once('/').map_or(name, |(bucket, _)| bucket).to_owned())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// An element that a policy may give alone or in a list.
fn many(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

/// The partition of AWS that a region belongs to: the second part of every ARN (AWS General
/// Reference, "Amazon Resource Names").
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_one_bucket_and_no_action_that_changes_it() {
        insta::assert_json_snapshot!(document("aws", "nxabc"), @r#"
        {
          "Statement": [
            {
              "Action": [
                "s3:GetBucketLocation",
                "s3:ListBucket",
                "s3:ListBucketMultipartUploads"
              ],
              "Effect": "Allow",
              "Resource": "arn:aws:s3:::nxabc",
              "Sid": "Bucket"
            },
            {
              "Action": [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:DeleteObjectTagging",
                "s3:GetObject",
                "s3:GetObjectAttributes",
                "s3:GetObjectTagging",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
                "s3:PutObjectTagging"
              ],
              "Effect": "Allow",
              "Resource": "arn:aws:s3:::nxabc/*",
              "Sid": "Objects"
            }
          ],
          "Version": "2012-10-17"
        }
        "#);
    }

    #[test]
    fn the_buckets_of_a_policy_are_read_as_iam_answers_it() {
        let plain = document("aws-cn", "nxabc").to_string();
        let encoded: String = plain
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        assert_eq!(buckets(&plain), ["nxabc"]);
        assert_eq!(buckets(&encoded), ["nxabc"]);
    }

    #[test]
    fn a_policy_that_somebody_widened_shows_all_its_buckets() {
        let wide = json!({
            "Statement": { "Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::a"] },
        });
        assert_eq!(buckets(&wide.to_string()), ["a", "b"]);
        assert_eq!(buckets("no policy at all"), Vec::<String>::new());
    }

    #[test]
    fn china_and_the_us_government_have_partitions_of_their_own() {
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition("eu-central-1"), "aws");
    }
}
