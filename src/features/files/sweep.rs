//! Finishing deletions: the object, and then the row. The intent is in the row before, so that what a process leaves
//! behind that dies is finished by the next request that makes or deletes a file in the realm.

use uuid::Uuid;

use super::error::FilesError;
use super::reach::Reach;
use super::store;
use crate::features::iam::{IamError, RowsTx};
use crate::infra::failpoint;
use crate::infra::objects::Bucket;

/// What is to be deleted: ids of rows, and the keys of their objects.
pub(super) type Due = Vec<(Uuid, String)>;

/// Takes up some of what others left, in the transaction of a change.
pub(super) async fn take(work: &mut RowsTx<'_>) -> Result<Due, FilesError> {
    Ok(store::take_due(work.session()).await.map_err(IamError::of_rows)?)
}

/// Deletes objects, and then their rows.
pub(super) async fn finish(at: &impl Reach, bucket: &Bucket, due: &Due) -> Result<(), FilesError> {
    if due.is_empty() {
        return Ok(());
    }
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

/// The same for what others left: whoever comes by asked for something else, which goes on if it fails.
pub(super) async fn finish_left(at: &impl Reach, bucket: &Bucket, due: &Due) {
    if let Err(error) = finish(at, bucket, due).await {
        tracing::warn!(files = due.len(), "files that are to be deleted stay for now: {error}");
    }
}
