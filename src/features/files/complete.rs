//! Completing an upload: what is there is compared with what was declared.

use serde_json::json;
use uuid::Uuid;

use super::error::FilesError;
use super::model::{File, FileState};
use super::reach::Reach;
use super::service::{authorize, object_key};
use super::{store, sweep};
use crate::features::iam::IamError;
use crate::features::usage::require_storage;
use crate::infra::failpoint;
use crate::infra::objects::FoundObject;
use crate::kernel::Caller;

/// Compares an upload with what was declared: then the file is there. One that differs is deleted. Repeated, it
/// changes nothing.
///
/// # Errors
/// Without `file:create`; [`FilesError::NotFound`], [`FilesError::NotUploaded`], [`FilesError::Differs`],
/// [`FilesError::Usage`]; when the
/// store does not answer.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn complete(at: &impl Reach, caller: &Caller, id: Uuid) -> Result<File, FilesError> {
    let mut realm = at.realm().await?;
    let mut work = realm.look(caller).await?;
    let row = store::find(work.session(), id).await.map_err(IamError::of_rows)?;
    let (file, _) = authorize(&mut work, "file:create", (id, row))?;
    work.close().await?;
    drop(realm);
    if file.state == FileState::Ready {
        return Ok(file);
    }
    let bucket = at.bucket().await?;
    let found = bucket.find(&object_key(id)).await?.ok_or(FilesError::NotUploaded { id })?;
    failpoint::pass(|| "files.found".to_owned()).await;
    let mut realm = at.realm().await?;
    let mut work = realm.change(caller).await?;
    let row = store::lock(work.session(), id).await.map_err(IamError::of_rows)?;
    let (file, row) = authorize(&mut work, "file:create", (id, row))?;
    if file.state == FileState::Ready {
        return Ok(file);
    }
    let Some(differs) = difference(&file, &found) else {
        let used = store::lock_usage(work.session()).await.map_err(IamError::of_rows)?;
        require_storage(at.most_bytes(), (used.bytes, file.size))?;
        let row = store::complete(work.session(), id).await.map_err(IamError::of_rows)?;
        work.note("file.complete", json!({ "file": id, "name": file.name, "size": file.size }));
        work.commit().await?;
        return Ok(File::from(&row));
    };
    store::mark(work.session(), &row).await.map_err(IamError::of_rows)?;
    work.note("file.refuse", json!({ "file": id, "name": file.name, "why": differs.to_string() }));
    work.commit().await?;
    drop(realm);
    sweep::finish_left(at, &bucket, &vec![(id, row.object_key)]).await;
    Err(differs)
}

/// In what an upload is not what was declared.
fn difference(file: &File, found: &FoundObject) -> Option<FilesError> {
    let differs = |what, declared: String, found: String| {
        Some(FilesError::Differs { id: file.id, what, declared, found })
    };
    if file.size != found.size {
        return differs("size", file.size.to_string(), found.size.to_string());
    }
    // Stores may write a type in another way.
    let plain = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    if plain(&file.content_type) != plain(&found.content_type) {
        return differs("content_type", file.content_type.clone(), found.content_type.clone());
    }
    // Not every store keeps it; what was signed into the upload was compared then.
    match (&file.sha256, found.sha256.as_ref().map(hex::encode)) {
        (Some(declared), Some(found)) if *declared != found => differs("sha256", declared.clone(), found),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn an_upload_is_what_was_declared_in_size_type_and_digest() {
        let file = File {
            id: Uuid::nil(),
            name: "a".to_owned(),
            content_type: "text/plain; charset=UTF-8".to_owned(),
            size: 3,
            sha256: Some("ab".repeat(32)),
            attached_to: None,
            state: FileState::Pending,
            created_by: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
            completed_at: None,
        };
        let found = |size, kind: &str, sha256: Option<u8>| {
            let found =
                FoundObject { size, content_type: kind.to_owned(), sha256: sha256.map(|it| vec![it; 32]) };
            match difference(&file, &found) {
                Some(FilesError::Differs { what, .. }) => what,
                _ => "",
            }
        };
        let kind = "text/plain;charset=utf-8";
        assert_eq!(found(3, kind, Some(0xab)), "");
        assert_eq!(found(3, kind, None), "");
        assert_eq!(found(4, kind, None), "size");
        assert_eq!(found(3, "text/html", None), "content_type");
        assert_eq!(found(3, kind, Some(0xac)), "sha256");
    }
}
