//! Finishing deletions: the object, and then the row. The intent is in the row before, so that what a process leaves
//! behind that dies is finished by the next round of any server.

use serde_json::{Map, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::FilesError;
use super::reach::{Reach, require_bucket};
use super::store;
use crate::features::iam::IamError;
use crate::infra::failpoint;
use crate::infra::objects::Bucket;
use crate::kernel::Caller;

/// What is to be deleted: ids of rows, and the keys of their objects.
pub(super) type Due = Vec<(Uuid, String)>;

/// Most times that one sweep of a realm takes some up: who left more waits for the next.
const MOST: usize = 100;

/// What a sweep of a realm came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many files it took up.
    pub files: usize,
    /// When what is left is due; `None`: nothing is left.
    pub next: Option<OffsetDateTime>,
}

/// Deletes what is due in a realm: uploads that were not completed in time, what a process left behind that was
/// killed, and what came by a URL that outlived its file.
///
/// # Errors
/// Without `file:delete` on all files; [`FilesError::NoBucket`]; when the store does not answer: then what was taken
/// up is due again in a while.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn sweep(at: &impl Reach, caller: &Caller) -> Result<Swept, FilesError> {
    let mut swept = Swept { files: 0, next: None };
    for _ in 0..MOST {
        let due = {
            let mut realm = at.realm().await?;
            let mut work = realm.change(caller).await?;
            work.authorize("file:delete", &Map::new())?;
            require_bucket(&work)?;
            let due = store::take_due(work.session()).await.map_err(IamError::of_rows)?;
            if !due.is_empty() {
                // A change without a note is rolled back.
                work.note("file.sweep", json!({ "files": due.len() }));
            }
            swept.next = store::next_due(work.session()).await.map_err(IamError::of_rows)?;
            work.commit().await?;
            due
        };
        if due.is_empty() {
            break;
        }
        let bucket = at.bucket().await?;
        finish(at, &bucket, &due).await?;
        swept.files += due.len();
    }
    Ok(swept)
}

/// Deletes objects, and then their rows.
pub(super) async fn finish(at: &impl Reach, bucket: &Bucket, due: &Due) -> Result<(), FilesError> {
    failpoint::pass(|| "files.marked".to_owned()).await;
    for (_, key) in due {
        bucket.delete(key).await?;
    }
    failpoint::pass(|| "files.object_deleted".to_owned()).await;
    let ids: Vec<Uuid> = due.iter().map(|(id, _)| *id).collect();
    let mut realm = at.realm().await?;
    let mut tx = realm.anonymous_tx().await.map_err(IamError::from)?;
    store::remove(&mut tx, &ids).await.map_err(IamError::of_rows)?;
    tx.commit().await.map_err(crate::infra::db::DbError::from).map_err(IamError::from)?;
    Ok(())
}

/// The same for who asked for something else, which goes on if it fails.
pub(super) async fn finish_left(at: &impl Reach, bucket: &Bucket, due: &Due) {
    if let Err(error) = finish(at, bucket, due).await {
        tracing::warn!(files = due.len(), "files that are to be deleted stay for now: {error}");
    }
}
