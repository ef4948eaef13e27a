//! The SQL of the outbox.

use serde_json::Value;
use uuid::Uuid;

use super::model::{NewEntry, Waiting};
use crate::infra::db::{DbError, PgConnection};

/// Writes rows, in the transaction of the change that they are about.
pub(in crate::features) async fn append(
    realm: &mut PgConnection,
    actor: &str,
    entries: &[NewEntry],
) -> Result<(), DbError> {
    let ids: Vec<Uuid> = entries.iter().map(|_| Uuid::now_v7()).collect();
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.kind).collect();
    let payloads: Vec<&Value> = entries.iter().map(|entry| &entry.payload).collect();
    sqlx::query(
        "insert into nexus.outbox (id, key, type, payload, actor)
         select id, key, type, payload, left($1, 200)
         from unnest($2::uuid[], $3::text[], $4::text[], $5::jsonb[]) as given (id, key, type, payload)",
    )
    .bind(actor)
    .bind(ids)
    .bind(keys)
    .bind(kinds)
    .bind(payloads)
    .execute(realm)
    .await?;
    Ok(())
}

/// The oldest that are not marked as delivered, up to so many. Whoever owns the database may have written what no
/// check of ours would take: of what is longer than 15,000 bytes, or no JSON that can be read here, nothing is
/// read. What is stored as more bytes than that is not even looked into.
pub(in crate::features) async fn waiting(
    realm: &mut PgConnection,
    most: i64,
) -> Result<Vec<Waiting>, DbError> {
    Ok(sqlx::query_as(
        "select id, left(type, 100) as type, case when isfinite(at) then at else now() end as at,
                case when pg_column_size(payload) <= 15000 then
                     case when octet_length(payload::text) <= 15000 then payload::text end end as payload
         from nexus.outbox where published_at is null order by id limit $1",
    )
    .bind(most)
    .fetch_all(realm)
    .await?)
}

/// Marks rows as delivered.
pub(in crate::features) async fn mark_published(
    realm: &mut PgConnection,
    ids: &[Uuid],
) -> Result<(), DbError> {
    sqlx::query("update nexus.outbox set published_at = now() where id = any($1) and published_at is null")
        .bind(ids)
        .execute(realm)
        .await?;
    Ok(())
}

/// Forgets rows that were delivered a week ago, some hundreds at a time: they are the oldest.
pub(in crate::features) async fn forget_published(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from nexus.outbox using (select id from nexus.outbox order by id limit 500) as oldest
         where outbox.id = oldest.id and published_at < now() - interval '7 days'",
    )
    .persistent(false)
    .execute(realm)
    .await?;
    Ok(())
}
