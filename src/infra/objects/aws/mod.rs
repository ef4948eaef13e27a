//! The driver of AWS: S3 for buckets, IAM for keys. With endpoints of its own it serves any
//! service that speaks both.
//!
//! A bucket `nx…` has an IAM user of the same name with the path `/nexus/<installation>/<tenant>/`,
//! one inline policy that confines it to the bucket, and at most two access keys. Both bear the
//! owner's mark in the tag `nexus-owner`.
//!
//! **Whose is a bucket that a crash left without a mark?** Newer S3 marks a bucket as it makes it;
//! other services ignore that and are told in a second request. The user is made first, and IAM
//! makes it with its mark. A bucket without a mark is therefore ours exactly if the owner's user of
//! its name is there, the bucket was made after that user, and nothing is in it. Any other one is
//! left alone. Its name alone would prove nothing: S3's first region answers "made" for a bucket
//! that the account had already.
//!
//! **What it cannot do.** Neither service can refuse a late request of a dead process, so
//! [`ObjectStore::fence`] does nothing here; every call can be repeated instead. A change of rights
//! reaches all of AWS after some seconds: a new key is tried until it works, but a key that was
//! deleted or turned off may live a little longer.
//!
//! What the administrator has to be allowed: [`ADMINISTRATOR_ACTIONS`].

mod buckets;
mod connect;
mod fault;
mod policy;
mod shared;
mod users;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use secrecy::SecretString;
use tokio::time::Instant;

use self::buckets::{Buckets, Whose};
pub use self::policy::ADMINISTRATOR_ACTIONS;

/// Most requests under way at once.
const AT_ONCE: usize = 8;

use self::connect::Places;
use self::users::Users;
use super::{
    BucketClient, FoundBucket, FoundKey, ObjectError, ObjectStore, Owner, Refusal, ScopedKey, StoreInventory,
};

/// How long a new key may take until S3 accepts it, and a new mark until S3 shows it.
const SETTLING: Duration = Duration::from_secs(30);
/// The second pause between two looks (there is no first); each is twice the one before, up to
/// [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How far the clocks of S3 and IAM may be apart, in seconds.
const SKEW: i64 = 60;

pub use shared::SharedKeyStore;

/// Where S3 and IAM are, and who asks.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    /// The URL of S3; AWS's own if none.
    pub s3_endpoint: Option<String>,
    /// The URL of IAM; the one of S3 if that is given, else AWS's own.
    pub iam_endpoint: Option<String>,
    /// The region of the buckets, e.g. `eu-central-1`.
    pub region: String,
    pub access_key_id: String,
    pub secret: SecretString,
}

/// S3 and IAM, with the rights of an administrator.
pub struct AwsStore {
    buckets: Buckets,
    users: Users,
}

impl AwsStore {
    /// Connects when it is first used.
    #[must_use]
    pub fn new(config: &AwsConfig) -> Self {
        let places = Places::of(config);
        Self {
            buckets: Buckets {
                client: connect::s3(config, &places),
                endpoint: places.s3.clone(),
                region: config.region.clone(),
                is_aws: places.own_s3.is_none(),
            },
            users: Users {
                client: connect::iam(config, &places),
                endpoint: places.iam.clone(),
                partition: policy::partition(&config.region),
            },
        }
    }

    /// Whether a bucket without a mark is what a crash left of the owner's.
    async fn is_unfinished(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError> {
        let Some(claimed) = self.users.made(bucket, owner).await? else { return Ok(false) };
        let Some(made) = self.buckets.made(bucket).await? else { return Ok(false) };
        Ok(made.secs() + SKEW >= claimed.secs() && self.buckets.is_empty(bucket).await?)
    }

    /// Whose the bucket is, as far as the owner is concerned.
    async fn standing(&self, bucket: &str, owner: &Owner) -> Result<Standing, ObjectError> {
        match self.buckets.whose(bucket).await? {
            Whose::Absent => Ok(Standing::Absent),
            Whose::Of(mark) if mark == owner.mark => Ok(Standing::Ours),
            Whose::Unmarked if self.is_unfinished(bucket, owner).await? => Ok(Standing::Unfinished),
            Whose::Unmarked | Whose::Of(_) => Err(foreign_bucket(bucket)),
        }
    }

    /// Waits until S3 accepts a new key: a right takes some seconds to be known everywhere.
    async fn accepted(&self, bucket: &str, key: &ScopedKey) -> Result<(), ObjectError> {
        let client = BucketClient::new(self.endpoint(), self.region(), key);
        let mut pauses = Pauses::new();
        loop {
            match client.try_list(bucket).await {
                Ok(Refusal::Allowed) => return Ok(()),
                Ok(Refusal::Refused)
                | Err(ObjectError::Unavailable { .. } | ObjectError::Busy { .. } | ObjectError::Ill { .. }) =>
                    {}
                Err(error) => return Err(error),
            }
            if !pauses.next().await {
                return Err(ObjectError::Unavailable {
                    endpoint: self.endpoint().to_owned(),
                    reason: format!("the new key of bucket {bucket} was not accepted within 30 seconds"),
                });
            }
        }
    }

    /// Deletes the user of a bucket that is gone. Somebody else's user of that name is left alone.
    async fn release(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        match self.users.made(bucket, owner).await {
            Ok(Some(_)) => Ok(self.users.release(bucket, None).await?),
            Ok(None) | Err(ObjectError::Foreign { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A bucket, if its mark begins so. What we may not look at is not ours, unless it bears the
    /// name of one of our users.
    async fn found(
        &self,
        bucket: String,
        installation: &str,
        users: &[(String, String)],
    ) -> Result<Option<FoundBucket>, ObjectError> {
        let claimed = users.iter().find(|(name, _)| *name == bucket);
        let mark = match self.buckets.whose(&bucket).await {
            Ok(Whose::Of(mark)) => Some(mark).filter(|mark| mark.starts_with(installation)),
            Ok(Whose::Unmarked) => match claimed {
                Some((_, mark)) => {
                    let owner = Owner { mark: mark.clone(), fence: 0 };
                    self.is_unfinished(&bucket, &owner).await?.then_some(owner.mark)
                }
                None => None,
            },
            Ok(Whose::Absent) => None,
            Err(fault) if claimed.is_none() && fault.is(&["AccessDenied", "PermanentRedirect"]) => None,
            Err(fault) => return Err(fault.into()),
        };
        Ok(mark.map(|mark| FoundBucket { name: bucket, mark }))
    }
}

/// A bucket that is not another's.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Absent,
    /// It is the owner's and does not say so yet.
    Unfinished,
    Ours,
}

fn foreign_bucket(bucket: &str) -> ObjectError {
    ObjectError::Foreign { what: format!("bucket {bucket}") }
}

/// Growing pauses up to a deadline.
struct Pauses {
    deadline: Instant,
    pause: Duration,
}

impl Pauses {
    fn new() -> Self {
        Self { deadline: Instant::now() + SETTLING, pause: Duration::ZERO }
    }

    /// Pauses; `false`, at once, when the time is up.
    async fn next(&mut self) -> bool {
        if Instant::now() + self.pause > self.deadline {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        true
    }
}

#[async_trait]
impl ObjectStore for AwsStore {
    fn endpoint(&self) -> &str {
        &self.buckets.endpoint
    }

    fn region(&self) -> &str {
        &self.buckets.region
    }

    async fn fence(&self, _owner: &Owner) -> Result<(), ObjectError> {
        Ok(())
    }

    async fn high_water(&self, _installation: &str) -> Result<i64, ObjectError> {
        Ok(0)
    }

    async fn has_bucket(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError> {
        Ok(self.standing(bucket, owner).await? == Standing::Ours)
    }

    async fn create_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        let mut pauses = Pauses::new();
        loop {
            match self.standing(bucket, owner).await? {
                Standing::Ours => return Ok(()),
                Standing::Unfinished => self.buckets.mark(bucket, owner).await?,
                Standing::Absent => {
                    self.users.claim(bucket, owner).await?;
                    if !self.buckets.create(bucket, owner).await? {
                        return Err(foreign_bucket(bucket));
                    }
                }
            }
            if !pauses.next().await {
                return Err(ObjectError::Unavailable {
                    endpoint: self.endpoint().to_owned(),
                    reason: format!("bucket {bucket} did not show its mark within 30 seconds"),
                });
            }
        }
    }

    async fn purge_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        if self.standing(bucket, owner).await? != Standing::Absent {
            self.buckets.purge(bucket).await?;
        }
        self.release(bucket, owner).await
    }

    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, ObjectError> {
        let mut ids = Vec::new();
        for (name, _) in self.users.marked(&owner.mark).await? {
            ids.extend(self.users.keys(&name).await?.into_iter().map(|key| key.id));
        }
        Ok(ids)
    }

    async fn create_key(&self, bucket: &str, owner: &Owner) -> Result<ScopedKey, ObjectError> {
        self.users.claim(bucket, owner).await?;
        self.users.confine(bucket, bucket).await?;
        let key = self.users.add_key(bucket).await?;
        if let Err(error) = self.accepted(bucket, &key).await {
            // Nobody will ever use it. If this fails, too, it is among the owner's keys.
            self.users.remove_key(bucket, &key.access_key_id).await?;
            self.users.release(bucket, Some(&key.access_key_id)).await?;
            return Err(error);
        }
        Ok(key)
    }

    async fn delete_key(&self, access_key_id: &str, owner: &Owner) -> Result<(), ObjectError> {
        let mut is_found = false;
        for (name, _) in self.users.marked(&owner.mark).await? {
            if self.users.keys(&name).await?.iter().any(|key| key.id == access_key_id) {
                self.users.remove_key(&name, access_key_id).await?;
                is_found = true;
            }
            // Of an earlier try the user may be left alone.
            self.users.release(&name, Some(access_key_id)).await?;
        }
        if !is_found && self.users.holder(access_key_id).await?.is_some_and(|it| !it.is_empty()) {
            return Err(ObjectError::Foreign { what: format!("key {access_key_id}") });
        }
        Ok(())
    }

    async fn set_key_enabled(
        &self,
        access_key_id: &str,
        bucket: &str,
        owner: &Owner,
        enabled: bool,
    ) -> Result<(), ObjectError> {
        let is_there = self.users.made(bucket, owner).await?.is_some();
        if !is_there && !enabled {
            return Ok(());
        }
        Ok(self.users.set_enabled(bucket, access_key_id, enabled).await?)
    }

    async fn inventory(&self, installation: &str) -> Result<StoreInventory, ObjectError> {
        let users = self.users.marked(installation).await?;
        let keys = stream::iter(users.clone())
            .map(|(name, mark)| async move { self.users.found_keys(&name, &mark).await });
        let keys: Vec<Vec<FoundKey>> = keys.buffered(AT_ONCE).try_collect().await?;
        let (names, users) = (self.buckets.all(None).await?, &users);
        let buckets =
            stream::iter(names).map(|(name, _)| async move { self.found(name, installation, users).await });
        let buckets: Vec<Option<FoundBucket>> = buckets.buffered(AT_ONCE).try_collect().await?;
        let mut found = StoreInventory {
            buckets: buckets.into_iter().flatten().collect(),
            keys: keys.into_iter().flatten().collect(),
            // Who else may touch a bucket is in policies of the whole account.
            unmanaged: Vec::new(),
        };
        found.buckets.sort_by(|one, other| one.name.cmp(&other.name));
        found.keys.sort_by(|one, other| one.access_key_id.cmp(&other.access_key_id));
        Ok(found)
    }

    /// Shows that both services accept the key and let it list. Whether it may make things shows
    /// when it does: AWS's simulation of rights is a right that an administrator may lack.
    async fn check(&self) -> Result<(), ObjectError> {
        self.buckets.check().await?;
        Ok(self.users.check().await?)
    }
}
