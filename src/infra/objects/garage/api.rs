//! The calls of Garage's admin API v2 that the driver makes, and their answers. The shapes are
//! those of `garage_api_admin` 2.5.0 (`GET /v2/openapi.json` of a running server tells them too).

use hyper::{Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::infra::object_server::percent_encode;
use crate::infra::objects::ObjectError;
use crate::infra::objects::admin_api::AdminApi;

/// What an administrator's token must be good for, as scopes name it.
pub(super) const CALLS: [&str; 13] = [
    "GetBucketInfo",
    "ListBuckets",
    "CreateBucket",
    "AddBucketAlias",
    "DeleteBucket",
    "CleanupIncompleteUploads",
    "GetKeyInfo",
    "ListKeys",
    "CreateKey",
    "UpdateKey",
    "DeleteKey",
    "AllowBucketKey",
    "DenyBucketKey",
];
/// Things a page of a list. Full listings of a thousand tenants then take a few requests.
const PAGE: usize = 500;

/// A bucket. Its id never changes; names are aliases.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bucket {
    pub id: String,
    pub global_aliases: Vec<String>,
    /// Keys with rights to it. A list leaves them out.
    #[serde(default)]
    pub keys: Vec<BucketKey>,
}

/// A key as a bucket sees it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketKey {
    pub access_key_id: String,
}

/// A key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    pub access_key_id: String,
    pub name: String,
    /// Whether it is refused because its time is over.
    pub expired: bool,
    /// Told when a key is made.
    #[serde(default, rename = "secretAccessKey", deserialize_with = "secret_text")]
    pub secret: Option<SecretString>,
    pub buckets: Vec<KeyBucket>,
}

/// A bucket as a key sees it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyBucket {
    pub id: String,
    pub global_aliases: Vec<String>,
    pub permissions: Permissions,
}

/// What a key may do in a bucket.
#[derive(Deserialize)]
pub(super) struct Permissions {
    pub read: bool,
    pub write: bool,
    pub owner: bool,
}

impl Permissions {
    /// A bucket's name, with the rights to it where they are not those of [`GarageApi::allow`].
    pub(super) fn told_with(&self, bucket: String) -> String {
        if self.read && self.write && !self.owner {
            return bucket;
        }
        let rights = [(self.read, "reads"), (self.write, "writes"), (self.owner, "owns")];
        let rights: Vec<_> = rights.into_iter().filter(|(held, _)| *held).map(|(_, word)| word).collect();
        format!("{bucket} ({})", rights.join(", "))
    }
}

/// A key as it is listed.
#[derive(Deserialize)]
pub(super) struct ListedKey {
    pub id: String,
    pub name: String,
}

#[derive(Deserialize)]
struct TokenFacts {
    expired: bool,
    scope: Vec<String>,
}

fn secret_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// Something that pages of a list are made of.
trait Listed {
    fn id(&self) -> &str;
}

impl Listed for Bucket {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Key {
    fn id(&self) -> &str {
        &self.access_key_id
    }
}

impl Listed for ListedKey {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A request that the store understood and did not do.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    /// Garage's word for it, e.g. `NoSuchBucket`.
    pub code: String,
}

impl Refusal {
    /// Whether the bucket or key is not there.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self.code.as_str(), "NoSuchBucket" | "NoSuchAccessKey")
    }
}

/// The admin API of one Garage cluster.
pub(super) struct GarageApi(pub AdminApi);

impl GarageApi {
    /// The bucket with this alias.
    pub(super) async fn bucket(&self, alias: &str) -> Result<Option<Bucket>, ObjectError> {
        self.find(&format!("GetBucketInfo?globalAlias={}", percent_encode(alias))).await
    }

    /// All buckets, without their keys.
    pub(super) async fn buckets(&self) -> Result<Vec<Bucket>, ObjectError> {
        self.all("ListBuckets").await
    }

    /// Makes an empty bucket with this alias; 409 when the alias is taken.
    pub(super) async fn create_bucket(&self, alias: &str) -> Result<Result<Bucket, Refusal>, ObjectError> {
        self.change("CreateBucket", &json!({ "globalAlias": alias })).await
    }

    /// Gives a bucket another name; 400 when another bucket has it.
    pub(super) async fn add_alias(
        &self,
        id: &str,
        alias: &str,
    ) -> Result<Result<Bucket, Refusal>, ObjectError> {
        self.change("AddBucketAlias", &json!({ "bucketId": id, "globalAlias": alias })).await
    }

    /// Deletes an empty bucket with all its names; 409 when it is not empty.
    pub(super) async fn delete_bucket(&self, id: &str) -> Result<Result<Value, Refusal>, ObjectError> {
        self.change(&format!("DeleteBucket?id={}", percent_encode(id)), &Value::Null).await
    }

    /// Gives up all uploads that were begun and not ended.
    pub(super) async fn abort_uploads(&self, id: &str) -> Result<Result<Value, Refusal>, ObjectError> {
        self.change("CleanupIncompleteUploads", &json!({ "bucketId": id, "olderThanSecs": 0 })).await
    }

    /// One key, without its secret.
    pub(super) async fn key(&self, id: &str) -> Result<Option<Key>, ObjectError> {
        self.find(&format!("GetKeyInfo?id={}", percent_encode(id))).await
    }

    /// The ids of the keys with this name. Garage has no search by exact name, so all are read.
    pub(super) async fn keys_named(&self, name: &str) -> Result<Vec<String>, ObjectError> {
        let all = self.all::<ListedKey>("ListKeys").await?;
        Ok(all.into_iter().filter(|key| key.name == name).map(|key| key.id).collect())
    }

    /// All keys, without their secrets.
    pub(super) async fn keys(&self) -> Result<Vec<Key>, ObjectError> {
        self.all("ListKeysInfo").await
    }

    /// Makes a key without rights, for good or until a time.
    pub(super) async fn create_key(&self, name: &str, until: Option<&str>) -> Result<Key, ObjectError> {
        let made = self.change("CreateKey", &json!({ "name": name, "expiration": until })).await?;
        made.map_err(|refusal| self.refused("CreateKey", &refusal))
    }

    /// Changes until when a key is good.
    pub(super) async fn update_key(
        &self,
        id: &str,
        body: &Value,
    ) -> Result<Result<Key, Refusal>, ObjectError> {
        self.change(&format!("UpdateKey?id={}", percent_encode(id)), body).await
    }

    /// Deletes a key.
    pub(super) async fn delete_key(&self, id: &str) -> Result<(), ObjectError> {
        match self.change::<Value>(&format!("DeleteKey?id={}", percent_encode(id)), &Value::Null).await? {
            Err(refusal) if !refusal.is_absence() => Err(self.refused("DeleteKey", &refusal)),
            _ => Ok(()),
        }
    }

    /// Lets a key read, write and list in a bucket. Not own it: an owner can delete the bucket and
    /// open it to the world.
    pub(super) async fn allow(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Result<Bucket, Refusal>, ObjectError> {
        let rights = json!({ "read": true, "write": true, "owner": false });
        let body = json!({ "bucketId": bucket, "accessKeyId": key, "permissions": rights });
        self.change("AllowBucketKey", &body).await
    }

    /// Takes all rights to a bucket from a key.
    pub(super) async fn deny(&self, bucket: &str, key: &str) -> Result<Result<Bucket, Refusal>, ObjectError> {
        let rights = json!({ "read": true, "write": true, "owner": true });
        let body = json!({ "bucketId": bucket, "accessKeyId": key, "permissions": rights });
        self.change("DenyBucketKey", &body).await
    }

    /// The calls that the token is not good for.
    pub(super) async fn missing_scopes(&self) -> Result<Vec<&'static str>, ObjectError> {
        let (status, facts) = self.call(Method::GET, "GetCurrentAdminTokenInfo", &Value::Null).await?;
        let facts: TokenFacts = serde_json::from_value(facts)
            .map_err(|_| self.0.senseless(&format!("its answer ({status}) to GetCurrentAdminTokenInfo")))?;
        if facts.expired {
            return Err(self.0.refused("the administrator's token has expired".to_owned()));
        }
        let has = |call: &str| facts.scope.iter().any(|scope| scope == "*" || scope == call);
        Ok(CALLS.into_iter().chain(["ListKeysInfo"]).filter(|call| !has(call)).collect())
    }

    /// A refusal that the caller has no use for.
    pub(super) fn refused(&self, call: &str, refusal: &Refusal) -> ObjectError {
        self.0.refused(format!("it answered {} to {call}: {}", refusal.status, refusal.code))
    }

    async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ObjectError> {
        match self.reply(Method::GET, path, &Value::Null).await? {
            Ok(found) => Ok(Some(found)),
            Err(refusal) if refusal.is_absence() => Ok(None),
            Err(refusal) => Err(self.refused(call_of(path), &refusal)),
        }
    }

    /// All pages of a list, by id. The first of a page is the last of the one before.
    async fn all<T: DeserializeOwned + Listed>(&self, call: &str) -> Result<Vec<T>, ObjectError> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let offset = all.last().map(|last| format!("&offset={}", percent_encode(last.id())));
            let path = format!("{call}?limit={PAGE}{}", offset.unwrap_or_default());
            let page: Result<Vec<T>, Refusal> = self.reply(Method::GET, &path, &Value::Null).await?;
            let page = page.map_err(|refusal| self.refused(call, &refusal))?;
            let is_last = page.len() < PAGE;
            let last = all.last().map(|last| last.id().to_owned());
            all.extend(page.into_iter().filter(|it| last.as_deref().is_none_or(|last| it.id() > last)));
            if is_last || all.last().map(Listed::id) == last.as_deref() {
                return Ok(all);
            }
        }
    }

    async fn change<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Result<T, Refusal>, ObjectError> {
        self.reply(Method::POST, path, body).await
    }

    async fn reply<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Result<T, Refusal>, ObjectError> {
        let (status, answer) = self.call(method, path, body).await?;
        let senseless = || self.0.senseless(&format!("its answer ({status}) to {}", call_of(path)));
        if status.is_success() {
            return serde_json::from_value(answer).map(Ok).map_err(|_| senseless());
        }
        // An answer without Garage's own code comes from something else in between.
        let code = answer["code"].as_str().ok_or_else(senseless)?.to_owned();
        Ok(Err(Refusal { status, code }))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), ObjectError> {
        let answer = self.0.call(method, &format!("/v2/{path}"), body).await?;
        if matches!(answer.0, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let call = call_of(path);
            let reason = format!("the administrator's token is wrong, or has expired, or may not {call}");
            return Err(self.0.refused(reason));
        }
        Ok(answer)
    }
}

fn call_of(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
