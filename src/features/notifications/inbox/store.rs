//! The SQL of inboxes, in a realm. Whoever changes rows of a user locks the user's counter first: two who do it at the
//! same time wait for each other there, and nowhere else.

use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{InboxFilter, InboxItem, Read};
use crate::features::templates::Rendered;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::Page;

/// Most that are kept for a user, near enough.
const MOST: i64 = 10_000;

/// One page, and one more row where another follows.
pub(super) async fn list(
    realm: &mut PgConnection,
    user: Uuid,
    filter: &InboxFilter,
    page: Page,
) -> Result<Vec<InboxItem>, DbError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select id, position, left(kind, 80) as kind, left(title, 1000) as title, left(text, 262144) as text,
                case when pg_column_size(data) <= 32768 and jsonb_typeof(data) = 'object' then data else '{}' end
                    as data,
                case when created_at between '1970-01-01' and '9999-01-01' then created_at else now() end as created_at,
                case when read_at between '1970-01-01' and '9999-01-01' then read_at when read_at is not null then now() end
                    as read_at
         from nexus.inbox where user_id = ",
    );
    query.push_bind(user);
    if filter.unread {
        query.push(" and read_at is null");
    }
    if let Some(before) = filter.before {
        query.push(" and position < ").push_bind(before);
    }
    query.push(" order by position desc limit ").push_bind(page.fetched());
    query.push(" offset ").push_bind(page.offset());
    Ok(query.build_query_as().fetch_all(realm).await?)
}

/// How many are not read.
pub(super) async fn unread(realm: &mut PgConnection, user: Uuid) -> Result<i32, DbError> {
    let found: Option<i32> = sqlx::query_scalar("select unread from nexus.inbox_counters where user_id = $1")
        .bind(user)
        .fetch_optional(realm)
        .await?;
    Ok(found.unwrap_or_default())
}

async fn lock_counter(realm: &mut PgConnection, user: Uuid) -> Result<(), DbError> {
    sqlx::query("select from nexus.inbox_counters where user_id = $1 for update")
        .bind(user)
        .execute(realm)
        .await?;
    Ok(())
}

/// Counts so many more, or less.
async fn count(realm: &mut PgConnection, user: Uuid, more: i64) -> Result<i32, DbError> {
    let unread: Option<i32> = sqlx::query_scalar(
        "update nexus.inbox_counters set unread = greatest(0, unread + $2)::int where user_id = $1 returning unread",
    )
    .bind(user)
    .bind(more)
    .fetch_optional(realm)
    .await?;
    Ok(unread.unwrap_or_default())
}

/// Marks as read; how many are not read after that, and whether that is another number than before.
pub(super) async fn mark_read(
    realm: &mut PgConnection,
    user: Uuid,
    which: &Read,
) -> Result<(i32, bool), DbError> {
    lock_counter(realm, user).await?;
    let done = match which {
        Read::These(ids) => {
            sqlx::query(
                "update nexus.inbox set read_at = now() where id = any($2) and user_id = $1 and read_at is null",
            )
            .bind(user)
            .bind(ids)
            .execute(&mut *realm)
            .await?
        }
        Read::UpTo(position) => {
            sqlx::query(
                "update nexus.inbox set read_at = now() where user_id = $1 and position <= $2 and read_at is null",
            )
            .bind(user)
            .bind(position)
            .execute(&mut *realm)
            .await?
        }
    };
    let read = done.rows_affected();
    Ok((count(realm, user, -i64::try_from(read).unwrap_or(i64::MAX)).await?, read > 0))
}

/// Deletes one; whether it was there.
pub(super) async fn delete(realm: &mut PgConnection, user: Uuid, id: Uuid) -> Result<bool, DbError> {
    lock_counter(realm, user).await?;
    let was_unread: Option<bool> = sqlx::query_scalar(
        "delete from nexus.inbox where id = $2 and user_id = $1 returning read_at is null",
    )
    .bind(user)
    .bind(id)
    .fetch_optional(&mut *realm)
    .await?;
    if was_unread == Some(true) {
        count(realm, user, -1).await?;
    }
    Ok(was_unread.is_some())
}

/// Adds one that is not read; how many are not read then. `None` where it is there already.
pub(super) async fn put(
    realm: &mut PgConnection,
    (id, user): (Uuid, Uuid),
    kind: &str,
    said: &Rendered,
    data: &Map<String, Value>,
) -> Result<Option<i32>, DbError> {
    let done = sqlx::query(
        "insert into nexus.inbox (id, user_id, kind, title, text, data) values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do nothing",
    )
    .bind(id)
    .bind(user)
    .bind(kind)
    .bind(&said.subject)
    .bind(&said.text)
    .bind(Json(data))
    .execute(&mut *realm)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    let unread = sqlx::query_scalar(
        "insert into nexus.inbox_counters as kept (user_id, unread) values ($1, 1)
         on conflict (user_id) do update set unread = kept.unread + 1 returning unread",
    );
    Ok(Some(unread.bind(user).fetch_one(realm).await?))
}

/// Forgets some of what a user read 90 days ago, and of what is behind the newest.
pub(super) async fn forget_old(realm: &mut PgConnection, user: Uuid) -> Result<(), DbError> {
    lock_counter(realm, user).await?;
    let unread: i64 = sqlx::query_scalar(
        "with gone as (
             delete from nexus.inbox using (
                 select id from nexus.inbox where user_id = $1
                   and (read_at < now() - interval '90 days' or position <= (
                        select position from nexus.inbox where user_id = $1 order by position desc offset $2 limit 1))
                 order by position limit 500) as old
             where inbox.id = old.id returning read_at)
         select count(*) from gone where read_at is null",
    )
    .persistent(false)
    .bind(user)
    .bind(MOST)
    .fetch_one(&mut *realm)
    .await?;
    if unread > 0 {
        count(realm, user, -unread).await?;
    }
    Ok(())
}
