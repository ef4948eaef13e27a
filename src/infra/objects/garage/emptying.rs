//! Deleting a bucket with all that is in it. Garage deletes only empty buckets, and its admin API
//! cannot delete objects, so that a key made for the purpose does it over S3.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::GarageStore;
use super::api::Bucket;
use crate::infra::objects::{ObjectError, Owner};

/// How long the key of an emptying is good: after a crash it is of no use to anybody soon.
const HOUR: Duration = Duration::from_hours(1);
/// How often a bucket is emptied that was written to meanwhile.
const ROUNDS: usize = 5;
/// How often, and after which pause, a key is tried that another node may not have heard of yet.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl GarageStore {
    /// Deletes a bucket that is the owner's. Its name and its mark go last and at once, so that
    /// whoever repeats the call after a crash finds the bucket and the key that emptied it.
    pub(super) async fn delete_with_content(
        &self,
        found: &Bucket,
        bucket: &str,
        owner: &Owner,
    ) -> Result<(), ObjectError> {
        let purge = format!("{}:purge", owner.mark);
        // What an earlier call left behind, perhaps before the key got its rights.
        for id in self.api.keys_named(&purge).await? {
            self.api.delete_key(&id).await?;
        }
        // From now on nobody else writes.
        for key in &found.keys {
            match self.api.deny(&found.id, &key.access_key_id).await? {
                Err(refusal) if !refusal.is_absence() => {
                    return Err(self.api.refused("DenyBucketKey", &refusal));
                }
                _ => {}
            }
        }
        for _ in 0..ROUNDS {
            // An unfinished upload does not keep Garage from deleting the bucket; its data would stay.
            match self.api.abort_uploads(&found.id).await? {
                Err(refusal) if !refusal.is_absence() => {
                    return Err(self.api.refused("CleanupIncompleteUploads", &refusal));
                }
                _ => {}
            }
            match self.api.delete_bucket(&found.id).await? {
                Ok(_) => return Ok(()),
                Err(refusal) if refusal.is_absence() => return Ok(()),
                Err(refusal) if refusal.code == "BucketNotEmpty" => self.empty(found, bucket, &purge).await?,
                Err(refusal) => return Err(self.api.refused("DeleteBucket", &refusal)),
            }
        }
        Err(self.api.0.refused(format!("bucket {bucket} is still being written to")))
    }

    /// Deletes all objects, with a key that is gone after.
    async fn empty(&self, found: &Bucket, bucket: &str, purge: &str) -> Result<(), ObjectError> {
        let until = (OffsetDateTime::now_utc() + HOUR).format(&Rfc3339);
        let until = until.map_err(|error| self.api.0.unavailable(error.to_string()))?;
        let key = self.told(self.api.create_key(purge, Some(&until)).await?)?;
        let allowed = self.api.allow(&found.id, &key.access_key_id).await?;
        allowed.map_err(|refusal| self.api.refused("AllowBucketKey", &refusal))?;
        let client = self.client(&key);
        // By any of its names: of a bucket that was only begun, the mark is the one it has.
        let name = if found.global_aliases.iter().any(|it| it == bucket) {
            bucket
        } else {
            found.global_aliases.first().map_or(bucket, String::as_str)
        };
        let (mut tries, mut before) = (0, None);
        loop {
            match client.delete_page(name).await {
                Ok(None) => break,
                Ok(first) if first == before => {
                    return Err(self.api.0.refused(format!("an object in {bucket} is not deleted")));
                }
                Ok(first) => (tries, before) = (TRIES, first),
                Err(ObjectError::Refused { .. }) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.api.delete_key(&key.access_key_id).await
    }
}
