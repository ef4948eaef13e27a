//! The driver of Garage (<https://garagehq.deuxfleurs.fr>), over its admin API v2; tried with 2.5.0.
//!
//! - **Marks.** A key's name is its mark. A bucket is made under an alias that says the mark
//!   ([`marks`]) and is given its real name after, so that there is no moment at which it is not
//!   known as ours.
//! - **Off and on.** A key that is off has expired: Garage refuses all that it signs, presigned
//!   URLs too, and forgets neither its rights nor its secret.
//! - **Fences.** Garage cannot refuse a late request. What holds two attempts of one operation
//!   apart is the operation's own lock in the control database; what a killed process still had on
//!   its way may land after that. It then bears a mark, gives nobody a secret, and the inventory
//!   finds it.

mod api;
mod emptying;
mod marks;

use async_trait::async_trait;
use hyper::StatusCode;
use secrecy::SecretString;
use serde_json::json;

use self::api::{Bucket, GarageApi, Key};
use self::marks::{Mark, marked};
use super::admin_api::AdminApi;
use super::{
    BucketClient, FoundBucket, FoundKey, ObjectError, ObjectStore, Owner, Refusal, ScopedKey, StoreInventory,
};

/// When a key that is off ran out: a time that no clock is before.
const LONG_AGO: &str = "1970-01-01T00:00:01Z";

/// A Garage cluster, with the rights of its administrator.
pub struct GarageStore {
    s3_endpoint: String,
    region: String,
    api: GarageApi,
}

impl GarageStore {
    /// Of the two endpoints, such as `https://s3.example.com` and `https://admin.example.com`, the
    /// region that the cluster is set to (`s3_region`), and an administrator's token.
    #[must_use]
    pub fn new(s3_endpoint: &str, admin_endpoint: &str, region: &str, token: SecretString) -> Self {
        Self {
            s3_endpoint: s3_endpoint.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            api: GarageApi(AdminApi::new(admin_endpoint, token)),
        }
    }

    fn mark(&self, owner: &Owner) -> Result<Mark, ObjectError> {
        let wrong = || format!("the mark {:?} is not nexus:<uuid>:<uuid>", owner.mark);
        Mark::of(owner).ok_or_else(|| self.api.0.refused(wrong()))
    }

    /// The bucket of this name, if it is the owner's.
    async fn named(&self, bucket: &str, owner: &Owner) -> Result<Option<Bucket>, ObjectError> {
        let mark = self.mark(owner)?;
        match self.api.bucket(bucket).await? {
            Some(found) if marked(&found.global_aliases).is_none_or(|(it, _)| it != mark) => {
                Err(ObjectError::Foreign { what: format!("bucket {bucket}") })
            }
            found => Ok(found),
        }
    }

    /// The bucket of this name, or the one that was marked for it and never got it.
    async fn named_or_begun(&self, bucket: &str, owner: &Owner) -> Result<Option<Bucket>, ObjectError> {
        match self.named(bucket, owner).await? {
            None => self.named(&self.mark(owner)?.alias(bucket), owner).await,
            found => Ok(found),
        }
    }

    /// A key, if it is the owner's.
    async fn own_key(&self, id: &str, owner: &Owner) -> Result<Option<Key>, ObjectError> {
        match self.api.key(id).await? {
            Some(key) if key.name != owner.mark => Err(ObjectError::Foreign { what: format!("key {id}") }),
            found => Ok(found),
        }
    }

    fn client(&self, key: &ScopedKey) -> BucketClient {
        BucketClient::new(&self.s3_endpoint, &self.region, key)
    }

    /// A key's two halves as they were told when it was made.
    fn told(&self, made: Key) -> Result<ScopedKey, ObjectError> {
        let secret = made.secret.ok_or_else(|| self.api.0.senseless("a key without a secret"))?;
        Ok(ScopedKey { access_key_id: made.access_key_id, secret })
    }
}

#[async_trait]
impl ObjectStore for GarageStore {
    fn endpoint(&self) -> &str {
        &self.s3_endpoint
    }

    fn region(&self) -> &str {
        &self.region
    }

    async fn fence(&self, _owner: &Owner) -> Result<(), ObjectError> {
        // See this file's head.
        Ok(())
    }

    async fn high_water(&self, _installation: &str) -> Result<i64, ObjectError> {
        Ok(0)
    }

    async fn has_bucket(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError> {
        Ok(self.named(bucket, owner).await?.is_some())
    }

    async fn create_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        if self.named(bucket, owner).await?.is_some() {
            return Ok(());
        }
        let mark = self.mark(owner)?.alias(bucket);
        let id = match self.api.create_bucket(&mark).await? {
            Ok(made) => made.id,
            Err(taken) if taken.status == StatusCode::CONFLICT => {
                let begun = self.api.bucket(&mark).await?;
                begun.ok_or_else(|| self.api.refused("CreateBucket", &taken))?.id
            }
            Err(refusal) => return Err(self.api.refused("CreateBucket", &refusal)),
        };
        let Err(refusal) = self.api.add_alias(&id, bucket).await? else { return Ok(()) };
        // The name was free a moment ago. Whoever has it now keeps it, and what was begun goes.
        let taken = self.named(bucket, owner).await;
        if matches!(taken, Err(ObjectError::Foreign { .. }))
            && let Err(refusal) = self.api.delete_bucket(&id).await?
            && !refusal.is_absence()
        {
            return Err(self.api.refused("DeleteBucket", &refusal));
        }
        taken?.map(|_| ()).ok_or_else(|| self.api.refused("AddBucketAlias", &refusal))
    }

    async fn purge_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        match self.named_or_begun(bucket, owner).await? {
            Some(found) => self.delete_with_content(&found, bucket, owner).await,
            None => Ok(()),
        }
    }

    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, ObjectError> {
        self.api.keys_named(&owner.mark).await
    }

    async fn create_key(&self, bucket: &str, owner: &Owner) -> Result<ScopedKey, ObjectError> {
        let missing = || ObjectError::Missing { what: format!("bucket {bucket}") };
        let found = self.named(bucket, owner).await?.ok_or_else(missing)?;
        let key = self.told(self.api.create_key(&owner.mark, None).await?)?;
        match self.api.allow(&found.id, &key.access_key_id).await? {
            Ok(_) => Ok(key),
            Err(refusal) => Err(self.api.refused("AllowBucketKey", &refusal)),
        }
    }

    async fn delete_key(&self, access_key_id: &str, owner: &Owner) -> Result<(), ObjectError> {
        match self.own_key(access_key_id, owner).await? {
            Some(_) => self.api.delete_key(access_key_id).await,
            None => Ok(()),
        }
    }

    async fn set_key_enabled(
        &self,
        access_key_id: &str,
        _bucket: &str,
        owner: &Owner,
        enabled: bool,
    ) -> Result<(), ObjectError> {
        let missing = || ObjectError::Missing { what: format!("key {access_key_id}") };
        if self.own_key(access_key_id, owner).await?.is_none() {
            return if enabled { Err(missing()) } else { Ok(()) };
        }
        let change =
            if enabled { json!({ "neverExpires": true }) } else { json!({ "expiration": LONG_AGO }) };
        match self.api.update_key(access_key_id, &change).await? {
            Ok(key) if key.expired != enabled => Ok(()),
            Ok(_) => Err(self.api.0.refused("it does not know keys that expire; Garage 2.5 does".to_owned())),
            Err(refusal) if refusal.is_absence() && !enabled => Ok(()),
            Err(refusal) if refusal.is_absence() => Err(missing()),
            Err(refusal) => Err(self.api.refused("UpdateKey", &refusal)),
        }
    }

    async fn inventory(&self, installation: &str) -> Result<StoreInventory, ObjectError> {
        // Keys first: a bucket is made before its keys, so that no key names one that is not listed.
        let (mut keys, mut unmanaged) = (Vec::new(), Vec::new());
        for key in self.api.keys().await? {
            let reached = key.buckets.iter().filter(|it| {
                let may = &it.permissions;
                may.read || may.write || may.owner
            });
            if !key.name.starts_with(installation) {
                let ours = reached.filter_map(|it| marked(&it.global_aliases));
                let ours = ours.filter(|(mark, _)| mark.text().starts_with(installation));
                let buckets: Vec<String> = ours.map(|(_, name)| name.to_owned()).collect();
                let enabled = !key.expired;
                if enabled && !buckets.is_empty() {
                    let (access_key_id, mark) = (key.access_key_id, key.name);
                    unmanaged.push(FoundKey { access_key_id, mark, buckets, enabled });
                }
                continue;
            }
            let name = |it: &api::KeyBucket| {
                let name = marked(&it.global_aliases).map(|(_, name)| name.to_owned());
                name.or_else(|| it.global_aliases.first().cloned()).unwrap_or_else(|| it.id.clone())
            };
            let reach = |it: &api::KeyBucket| it.permissions.told_with(name(it));
            let mut buckets: Vec<String> = reached.map(reach).collect();
            buckets.sort_unstable();
            let enabled = !key.expired;
            keys.push(FoundKey { access_key_id: key.access_key_id, mark: key.name, buckets, enabled });
        }
        let found = self.api.buckets().await?;
        let found = found.iter().filter_map(|bucket| marked(&bucket.global_aliases));
        let mut buckets: Vec<FoundBucket> = found
            .map(|(mark, name)| FoundBucket { name: name.to_owned(), mark: mark.text() })
            .filter(|bucket| bucket.mark.starts_with(installation))
            .collect();
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(StoreInventory { buckets, keys, unmanaged })
    }

    async fn check(&self) -> Result<(), ObjectError> {
        let missing = self.api.missing_scopes().await?;
        if !missing.is_empty() {
            return Err(self.api.0.refused(format!("the token may not {}", missing.join(", "))));
        }
        // Nobody has this key. That it is refused says that S3 is spoken there and that the region
        // is the cluster's: another one is told before the key is looked at.
        let nobody = ScopedKey {
            access_key_id: "GK000000000000000000000000".to_owned(),
            secret: SecretString::from("0".repeat(64)),
        };
        match self.client(&nobody).try_list("nexus-check").await? {
            Refusal::Refused => Ok(()),
            Refusal::Allowed => Err(ObjectError::Refused {
                endpoint: self.s3_endpoint.clone(),
                reason: "it accepted a key that nobody has".to_owned(),
            }),
        }
    }
}
