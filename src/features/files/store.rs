//! The SQL of files, in a realm.

use sqlx::{AssertSqlSafe, FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{Attachment, File, FileChange, FileFilter, FileState, FileUsage, NewFile};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::Page;

const COLUMNS: &str = "id, object_key, name, content_type, size, encode(sha256, 'hex') as sha256,
    attached_kind, attached_id, state, created_by, created_at, updated_at, completed_at,
    upload_until, now() as looked_at";

/// A file's row.
#[derive(FromRow)]
pub(super) struct FileRow {
    id: Uuid,
    pub(super) object_key: String,
    name: String,
    content_type: String,
    pub(super) size: i64,
    sha256: Option<String>,
    attached_kind: Option<String>,
    attached_id: Option<String>,
    pub(super) state: FileState,
    created_by: Option<Uuid>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    completed_at: Option<OffsetDateTime>,
    /// When the URL for its upload ends.
    pub(super) upload_until: OffsetDateTime,
    /// What time it was in the database.
    pub(super) looked_at: OffsetDateTime,
}

impl From<&FileRow> for File {
    fn from(row: &FileRow) -> Self {
        let kind = row.attached_kind.as_ref().and_then(|kind| kind.parse().ok());
        let attached_to = kind.zip(row.attached_id.as_ref().and_then(|id| id.parse().ok()));
        Self {
            id: row.id,
            name: row.name.clone(),
            content_type: row.content_type.clone(),
            size: row.size,
            sha256: row.sha256.clone(),
            attached_to: attached_to.map(|(kind, id)| Attachment { kind, id }),
            state: row.state,
            created_by: row.created_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        }
    }
}

/// Makes the row of a file that is to be uploaded within `seconds`, and is waited for a day; [`reserve`] counts it.
pub(super) async fn insert(
    realm: &mut PgConnection,
    (id, object_key, created_by): (Uuid, &str, Option<Uuid>),
    new: &NewFile,
    seconds: f64,
) -> Result<FileRow, DbError> {
    let statement = format!(
        "insert into nexus.files (id, object_key, name, content_type, size, sha256, attached_kind, attached_id,
                                  state, created_by, upload_until, sweep_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, now() + make_interval(secs => $10),
                 now() + interval '1 day')
         returning {COLUMNS}"
    );
    let attached = new.attached_to.as_ref();
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(id)
        .bind(object_key)
        .bind(new.name.as_str())
        .bind(new.content_type.as_str())
        .bind(new.size.bytes())
        .bind(new.sha256.as_ref().map(super::model::Digest::bytes))
        .bind(attached.map(|to| to.kind.as_str()))
        .bind(attached.map(|to| to.id.as_str()))
        .bind(created_by)
        .bind(seconds)
        .fetch_one(realm)
        .await?)
}

/// A file by its id, in whichever state.
pub(super) async fn find(realm: &mut PgConnection, id: Uuid) -> Result<Option<FileRow>, DbError> {
    let statement = format!("select {COLUMNS} from nexus.files where id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(realm).await?)
}

/// The same, which nobody else changes until the transaction ends.
pub(super) async fn lock(realm: &mut PgConnection, id: Uuid) -> Result<Option<FileRow>, DbError> {
    let statement = format!("select {COLUMNS} from nexus.files where id = $1 for update");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(realm).await?)
}

/// The files that a filter lets through. Only what is asked for is in the statement: a condition that may be
/// switched off keeps the planner from the index that serves it.
fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &FileFilter) {
    query.push(match filter.state {
        None => "state <> 'deleting'",
        Some(FileState::Pending) => "state = 'pending'",
        Some(FileState::Ready) => "state = 'ready'",
        Some(FileState::Deleting) => "state = 'deleting'",
    });
    if let Some(Attachment { kind, id }) = &filter.attached_to {
        query.push(" and attached_kind = ").push_bind(kind.as_str().to_owned());
        query.push(" and attached_id = ").push_bind(id.as_str().to_owned());
    }
    if let Some(name) = &filter.name {
        query.push(" and lower(name) collate \"C\" >= lower(").push_bind(name.clone());
        // Nothing stands behind the last character that there is.
        query.push(") and lower(name) collate \"C\" < lower(").push_bind(name.clone());
        query.push(") || chr(1114111)");
    }
}

/// One page of files, the newest first; one more than it has, which says that there is another.
pub(super) async fn page(
    realm: &mut PgConnection,
    filter: &FileFilter,
    page: Page,
) -> Result<Vec<FileRow>, DbError> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from nexus.files where "));
    push_filter(&mut query, filter);
    if let Some(after) = filter.after {
        query.push(" and id < ").push_bind(after);
    }
    query.push(" order by id desc limit ").push_bind(i64::from(page.limit) + 1);
    query.push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().fetch_all(realm).await?)
}

/// How many files a filter lets through; no more than `most` are looked at.
pub(super) async fn count(
    realm: &mut PgConnection,
    filter: &FileFilter,
    most: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::new("select count(*) from (select from nexus.files where ");
    push_filter(&mut query, filter);
    query.push(" limit ").push_bind(most).push(") as counted");
    let counted: i64 = query.build_query_scalar().fetch_one(realm).await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

/// Changes name and attachment.
pub(super) async fn update(
    realm: &mut PgConnection,
    id: Uuid,
    change: &FileChange,
) -> Result<FileRow, DbError> {
    let statement = format!(
        "update nexus.files
         set name = coalesce($2, name), updated_at = now(),
             attached_kind = case when $3 then $4 else attached_kind end,
             attached_id = case when $3 then $5 else attached_id end
         where id = $1 returning {COLUMNS}"
    );
    let attached = change.attached_to.as_ref().and_then(Option::as_ref);
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(id)
        .bind(change.name.as_ref().map(super::model::FileName::as_str))
        .bind(change.attached_to.is_some())
        .bind(attached.map(|to| to.kind.as_str()))
        .bind(attached.map(|to| to.id.as_str()))
        .fetch_one(realm)
        .await?)
}

/// A file that waits for its upload is there. The caller has locked it.
pub(super) async fn complete(realm: &mut PgConnection, id: Uuid) -> Result<FileRow, DbError> {
    let statement = format!(
        "update nexus.files set state = 'ready', completed_at = now(), updated_at = now(), sweep_at = null
         where id = $1 returning {COLUMNS}"
    );
    let row: FileRow = sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_one(&mut *realm).await?;
    add(realm, (1, row.size), (-1, -row.size)).await?;
    Ok(row)
}

/// A file that waits gets another URL for `seconds`, and is waited for a day again. The caller has locked it.
pub(super) async fn renew(realm: &mut PgConnection, id: Uuid, seconds: f64) -> Result<FileRow, DbError> {
    let statement = format!(
        "update nexus.files set upload_until = now() + make_interval(secs => $2), sweep_at = now() + interval '1 day'
         where id = $1 returning {COLUMNS}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).bind(seconds).fetch_one(realm).await?)
}

/// A file is to be deleted: nobody sees it from here on. The caller has locked it.
pub(super) async fn mark(realm: &mut PgConnection, row: &FileRow) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.files set state = 'deleting', updated_at = now(), sweep_at = now() + interval '1 minute'
         where id = $1",
    )
    .bind(row.id)
    .execute(&mut *realm)
    .await?;
    let (none, gone) = ((0, 0), (-1, -row.size));
    match row.state {
        FileState::Ready => add(realm, gone, none).await,
        FileState::Pending => add(realm, none, gone).await,
        FileState::Deleting => Ok(()),
    }
}

/// Adds to the files that are ready, and to those that wait: how many, and their bytes.
async fn add(realm: &mut PgConnection, ready: (i64, i64), pending: (i64, i64)) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.file_totals set files = files + $1, bytes = bytes + $2,
             pending_files = pending_files + $3, pending_bytes = pending_bytes + $4",
    )
    .bind(ready.0)
    .bind(ready.1)
    .bind(pending.0)
    .bind(pending.1)
    .execute(realm)
    .await?;
    Ok(())
}

/// Counts a file that waits; what all take then. Nobody else asks for one until the transaction ends.
pub(super) async fn reserve(realm: &mut PgConnection, bytes: i64) -> Result<FileUsage, DbError> {
    Ok(sqlx::query_as(
        "update nexus.file_totals set pending_files = pending_files + 1, pending_bytes = pending_bytes + $1
         returning files, bytes, pending_files, pending_bytes",
    )
    .bind(bytes)
    .fetch_one(realm)
    .await?)
}

/// What the files take.
pub(super) async fn usage(realm: &mut PgConnection) -> Result<FileUsage, DbError> {
    Ok(sqlx::query_as("select files, bytes, pending_files, pending_bytes from nexus.file_totals")
        .fetch_one(realm)
        .await?)
}

/// The same, until the transaction ends: nobody else completes a file meanwhile.
pub(super) async fn lock_usage(realm: &mut PgConnection) -> Result<FileUsage, DbError> {
    Ok(sqlx::query_as("select files, bytes, pending_files, pending_bytes from nexus.file_totals for update")
        .fetch_one(realm)
        .await?)
}

/// Takes up some of what is to be deleted, the longest due first, for whoever deletes the objects now; if that
/// comes to nothing, the next one does in a while. Their ids, and the keys of their objects.
pub(super) async fn take_due(realm: &mut PgConnection) -> Result<Vec<(Uuid, String)>, DbError> {
    Ok(sqlx::query_as(
        "with due as (
             select id, state, size from nexus.files where sweep_at < now()
             order by sweep_at limit 20 for update skip locked
         ), waited as (
             select count(*) as files, coalesce(sum(size), 0)::bigint as bytes from due where state = 'pending'
         ), counted as (
             update nexus.file_totals set pending_files = pending_files - waited.files,
                                          pending_bytes = pending_bytes - waited.bytes
             from waited where waited.files > 0
         )
         update nexus.files set state = 'deleting', sweep_at = now() + interval '10 minutes'
         from due where files.id = due.id returning files.id, object_key",
    )
    .fetch_all(realm)
    .await?)
}

/// When the first of what is to be deleted is due.
pub(super) async fn next_due(realm: &mut PgConnection) -> Result<Option<OffsetDateTime>, DbError> {
    Ok(sqlx::query_scalar("select min(sweep_at) from nexus.files where sweep_at is not null")
        .fetch_one(realm)
        .await?)
}

/// Removes the rows of files whose objects are gone. Where somebody may still hold a URL for the upload, or be
/// uploading by it, the row waits: what comes then is deleted, too.
pub(super) async fn remove(realm: &mut PgConnection, ids: &[Uuid]) -> Result<(), DbError> {
    sqlx::query(
        "with gone as (
             delete from nexus.files
             where id = any ($1) and state = 'deleting' and upload_until + interval '1 hour' < now()
         )
         update nexus.files set sweep_at = upload_until + interval '1 hour'
         where id = any ($1) and state = 'deleting' and upload_until + interval '1 hour' >= now()",
    )
    .bind(ids)
    .execute(realm)
    .await?;
    Ok(())
}
