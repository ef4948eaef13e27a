//! Looking at files, asking for uploads and downloads, changing and deleting.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::error::FilesError;
use super::model::{Download, File, FileChange, FileFilter, FileState, FileUsage, NewFile, Upload};
use super::reach::{Reach, require_bucket};
use super::store::{self, FileRow};
use super::sweep;
use crate::features::iam::model::{Changed, WriteOutcome};
use crate::features::iam::{IamError, Realm, RowsTx};
use crate::features::usage::require_storage;
use crate::infra::failpoint;
use crate::infra::objects::PresignedObject;
use crate::kernel::{Caller, Expected, Page, Pagination, Total};

/// How long a URL is good.
const URL_LIFETIME: Duration = Duration::from_mins(15);
/// Most files of a tenant that wait for their upload.
const MOST_PENDING: i64 = 1_000;

/// The key of a file's object: of its id, which nobody chooses.
pub(super) fn object_key(id: Uuid) -> String {
    format!("files/{id}")
}

/// The file that a row is of, if the caller has the permission on it. Who may not know hears nothing of which there
/// are.
pub(super) fn authorize(
    work: &mut RowsTx<'_>,
    permission: &'static str,
    (id, row): (Uuid, Option<FileRow>),
) -> Result<(File, FileRow), FilesError> {
    let found = row.map(|row| (File::from(&row), row));
    work.authorize(permission, &found.as_ref().map(|(file, _)| file.attributes()).unwrap_or_default())?;
    require_bucket(work)?;
    found.filter(|(file, _)| file.state != FileState::Deleting).ok_or(FilesError::NotFound { id })
}

/// One page of files, the newest first, and where it stands among all.
///
/// # Errors
/// Without `file:read` on all files.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(
    realm: &mut Realm,
    caller: &Caller,
    filter: &FileFilter,
    (page, total): (Page, Total),
) -> Result<(Vec<File>, Pagination), FilesError> {
    let mut work = realm.look(caller).await?;
    work.authorize("file:read", &serde_json::Map::new())?;
    require_bucket(&work)?;
    let mut rows = store::page(work.session(), filter, page).await.map_err(IamError::of_rows)?;
    let counting = store::count(work.session(), filter, total.limit());
    let place = Pagination::of((page, total), &mut rows, filter.after.is_none(), counting);
    let place = place.await.map_err(IamError::of_rows)?;
    work.close().await?;
    Ok((rows.iter().map(File::from).collect(), place))
}

/// What the files take.
///
/// # Errors
/// Without `file:read` on all files.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn usage(realm: &mut Realm, caller: &Caller) -> Result<FileUsage, FilesError> {
    let mut work = realm.look(caller).await?;
    work.authorize("file:read", &serde_json::Map::new())?;
    require_bucket(&work)?;
    let usage = totals(&mut work).await?;
    work.close().await?;
    Ok(usage)
}

/// The same for who was asked for another permission in a tenant's realm.
pub(in crate::features) async fn totals(work: &mut RowsTx<'_>) -> Result<FileUsage, FilesError> {
    Ok(store::usage(work.session()).await.map_err(IamError::of_rows)?)
}

/// The file.
///
/// # Errors
/// Without `file:read` on it; [`FilesError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(realm: &mut Realm, caller: &Caller, id: Uuid) -> Result<File, FilesError> {
    let mut work = realm.look(caller).await?;
    let row = store::find(work.session(), id).await.map_err(IamError::of_rows)?;
    let (file, _) = authorize(&mut work, "file:read", (id, row))?;
    work.close().await?;
    Ok(file)
}

/// Makes the row of a file, and gives the request that uploads it: of that size and type and no other, once, within
/// a quarter of an hour. Completed it is there; what is not completed within a day is deleted.
///
/// # Errors
/// Without `file:create` for such a file; [`FilesError::NoBucket`]; [`FilesError::Usage`], where this file, those that
/// are ready and those that wait are more than the tenant may have; [`FilesError::TooManyUploads`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create(at: &impl Reach, caller: &Caller, new: &NewFile) -> Result<(File, Upload), FilesError> {
    let owner = match caller {
        Caller::User { id, .. } => Some(id.uuid()),
        Caller::Machine(_) | Caller::System => None,
    };
    let id = Uuid::now_v7();
    let key = object_key(id);
    at.expect_sweep().await?;
    let mut realm = at.realm().await?;
    let mut work = realm.change(caller).await?;
    work.authorize("file:create", &new.attributes(owner))?;
    require_bucket(&work)?;
    let seconds = URL_LIFETIME.as_secs_f64();
    let row = store::insert(work.session(), (id, &key, owner), new, seconds).await;
    let row = row.map_err(IamError::of_rows)?;
    // Last, for others wait from here on.
    let used = store::reserve(work.session(), row.size).await.map_err(IamError::of_rows)?;
    let before = used.bytes.saturating_add(used.pending_bytes).saturating_sub(row.size);
    require_storage(at.most_bytes(), (before, row.size))?;
    if used.pending_files > MOST_PENDING {
        return Err(FilesError::TooManyUploads { most: MOST_PENDING });
    }
    let attached = new.attached_to.as_ref();
    let name = new.name.as_str();
    work.note("file.create", json!({ "file": id, "name": name, "size": row.size, "attached_to": attached }));
    work.commit().await?;
    drop(realm);
    failpoint::pass(|| "files.recorded".to_owned()).await;
    presigned(at, &row).await
}

/// The request that uploads a file: nothing is asked of the store.
async fn presigned(at: &impl Reach, row: &FileRow) -> Result<(File, Upload), FilesError> {
    let bucket = at.bucket().await?;
    let file = File::from(row);
    let sha256 = file.sha256.as_ref().and_then(|digest| hex::decode(digest).ok());
    let object =
        PresignedObject { size: file.size, content_type: &file.content_type, sha256: sha256.as_deref() };
    let request = bucket.presign_put(&row.object_key, &object, URL_LIFETIME).await?;
    Ok((file, Upload { request, expires_at: row.upload_until }))
}

/// Another request that uploads a file that waits, for a quarter of an hour from now; it is waited for a day again.
///
/// # Errors
/// Without `file:create` on it; [`FilesError::NotFound`], [`FilesError::Completed`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn renew_upload(at: &impl Reach, caller: &Caller, id: Uuid) -> Result<(File, Upload), FilesError> {
    let mut realm = at.realm().await?;
    let mut work = realm.change(caller).await?;
    let row = store::lock(work.session(), id).await.map_err(IamError::of_rows)?;
    let (file, _) = authorize(&mut work, "file:create", (id, row))?;
    if file.state != FileState::Pending {
        return Err(FilesError::Completed { id });
    }
    let row =
        store::renew(work.session(), id, URL_LIFETIME.as_secs_f64()).await.map_err(IamError::of_rows)?;
    work.note("file.renew", json!({ "file": id, "name": file.name }));
    work.commit().await?;
    drop(realm);
    presigned(at, &row).await
}

/// The request that downloads a file, under its name, within a quarter of an hour.
///
/// # Errors
/// Without `file:read` on it; [`FilesError::NotFound`], [`FilesError::NotReady`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn download(at: &impl Reach, caller: &Caller, id: Uuid) -> Result<Download, FilesError> {
    let mut realm = at.realm().await?;
    let mut work = realm.look(caller).await?;
    let row = store::find(work.session(), id).await.map_err(IamError::of_rows)?;
    let (file, row) = authorize(&mut work, "file:read", (id, row))?;
    work.close().await?;
    drop(realm);
    if file.state != FileState::Ready {
        return Err(FilesError::NotReady { id });
    }
    let shown = (disposition(&file.name), &*file.content_type);
    let bucket = at.bucket().await?;
    let request = bucket.presign_get(&row.object_key, (&shown.0, shown.1), URL_LIFETIME).await?;
    Ok(Download { request, expires_at: row.looked_at + URL_LIFETIME })
}

/// Renames a file, attaches it to something else, or to nothing.
///
/// # Errors
/// Without `file:update` on it as it is, and as it is to be; [`FilesError::NotFound`], [`FilesError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update(
    realm: &mut Realm,
    caller: &Caller,
    id: Uuid,
    change: &FileChange,
) -> Result<File, FilesError> {
    let mut work = realm.change(caller).await?;
    let row = store::lock(work.session(), id).await.map_err(IamError::of_rows)?;
    let (file, _) = authorize(&mut work, "file:update", (id, row))?;
    change.expected.check(&file)?;
    let wanted = File {
        name: change.name.as_ref().map_or(file.name.clone(), |name| name.as_str().to_owned()),
        attached_to: change.attached_to.clone().unwrap_or_else(|| file.attached_to.clone()),
        ..file.clone()
    };
    work.authorize("file:update", &wanted.attributes())?;
    if (&wanted.name, &wanted.attached_to) == (&file.name, &file.attached_to) {
        return Ok(file);
    }
    let row = store::update(work.session(), id, change).await.map_err(IamError::of_rows)?;
    work.note("file.update", json!({ "file": id, "name": wanted.name, "attached_to": wanted.attached_to }));
    work.commit().await?;
    Ok(File::from(&row))
}

/// Deletes a file. Once that is written nobody sees it; then its object is deleted, and its row.
///
/// # Errors
/// Without `file:delete` on it; [`FilesError::NotFound`], [`FilesError::Stale`]. When the store does not answer:
/// then the file is gone for whoever asks, and its object will be.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delete(
    at: &impl Reach,
    caller: &Caller,
    id: Uuid,
    expected: &Expected,
) -> Result<Changed, FilesError> {
    at.expect_sweep().await?;
    let mut realm = at.realm().await?;
    let mut work = realm.change(caller).await?;
    let row = store::lock(work.session(), id).await.map_err(IamError::of_rows)?;
    let (file, row) = authorize(&mut work, "file:delete", (id, row))?;
    expected.check(&file)?;
    store::mark(work.session(), &row).await.map_err(IamError::of_rows)?;
    work.note("file.delete", json!({ "file": id, "name": file.name }));
    work.commit().await?;
    drop(realm);
    let bucket = at.bucket().await?;
    sweep::finish(at, &bucket, &vec![(id, row.object_key)]).await?;
    let (subject, object) = (id.to_string(), file.name);
    Ok(Changed { action: "file.delete", subject, object, outcome: WriteOutcome::Done })
}

/// As which name a browser saves a file (RFC 6266, with the form of RFC 8187 for what is not ASCII).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii() && !matches!(c, '"' | '\\' | '%') { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn a_file_is_saved_under_its_name_whatever_is_in_it() {
        assert_eq!(disposition("a.pdf"), "attachment; filename=\"a.pdf\"; filename*=UTF-8''a.pdf");
        assert_eq!(
            disposition("Größe \"1\".pdf"),
            "attachment; filename=\"Gr__e _1_.pdf\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.pdf"
        );
    }
}
