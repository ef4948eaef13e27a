//! The SQL of the outbox.

use serde_json::Value;
use uuid::Uuid;

use super::model::{Entry, NewEntry};
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

/// The oldest message to a person that is not delivered, for whoever delivers it in this transaction; those
/// that others are at are passed over.
pub(in crate::features) async fn next_message(realm: &mut PgConnection) -> Result<Option<Entry>, DbError> {
    Ok(sqlx::query_as(
        "select id, type, payload, at from nexus.outbox
         where published_at is null and starts_with(type, 'mail.')
         order by id limit 1 for update skip locked",
    )
    .fetch_optional(realm)
    .await?)
}

/// A row is delivered.
pub(in crate::features) async fn mark_published(realm: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("update nexus.outbox set published_at = now() where id = $1").bind(id).execute(realm).await?;
    Ok(())
}

/// Forgets rows that were delivered a week ago, some hundreds at a time: they are the oldest.
pub(in crate::features) async fn forget_published(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from nexus.outbox using (select id from nexus.outbox order by id limit 500) as oldest
         where outbox.id = oldest.id and published_at < now() - interval '7 days'",
    )
    .execute(realm)
    .await?;
    Ok(())
}
