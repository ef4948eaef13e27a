//! The SQL of the outbox. Whoever owns the database may have written what no check of ours would take: what is read
//! has bounds, and what is stored as more bytes than a bound is not even looked into. Moments before 1970 and after
//! 9998, which no clock gave and not all of which can be read here, count as now.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{LogEnds, LoggedEvent, NewEntry, Waiting};
use crate::infra::db::{DbError, PgConnection};

/// Bounds a transaction of whoever relays: nobody else's events wait for a lock that the database's owner holds.
pub(in crate::features) async fn bound(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "select set_config('lock_timeout', '1s', true), set_config('statement_timeout', '10s', true)",
    )
    .execute(realm)
    .await?;
    Ok(())
}

/// Writes rows, in the transaction of the change that they are about; gives their ids.
pub(in crate::features) async fn append(
    realm: &mut PgConnection,
    actor: &str,
    entries: &[NewEntry],
) -> Result<Vec<Uuid>, DbError> {
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
    .bind(&ids)
    .bind(keys)
    .bind(kinds)
    .bind(payloads)
    .execute(realm)
    .await?;
    Ok(ids)
}

/// Writes a row whose id is known: nothing where it is written already.
pub(in crate::features) async fn append_once(
    realm: &mut PgConnection,
    (id, actor): (Uuid, &str),
    entry: &NewEntry,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into nexus.outbox (id, key, type, payload, actor) values ($1, $2, $3, $4, left($5, 200))
         on conflict (id) do nothing",
    )
    .bind(id)
    .bind(&entry.key)
    .bind(entry.kind)
    .bind(&entry.payload)
    .bind(actor)
    .execute(realm)
    .await?;
    Ok(())
}

/// The oldest that are not marked as delivered, and events that have no position, up to so many, in the order in which
/// they were written: a process of a version that has no log marks events, and gives them no position. Payloads are
/// those of messages; of what is longer than 15,000 bytes, or no JSON that can be read here, nothing is read.
pub(in crate::features) async fn waiting(
    realm: &mut PgConnection,
    most: i64,
) -> Result<Vec<Waiting>, DbError> {
    Ok(sqlx::query_as(
        "select id, left(type, 100) as type, case when at between '1970-01-01' and '9999-01-01' then at else now() end as at,
                case when type like 'mail.%' and pg_column_size(payload) <= 15000 then
                     case when octet_length(payload::text) <= 15000 then payload::text end end as payload
         from nexus.outbox where published_at is null or (position is null and type not like 'mail.%')
         order by seq limit $1",
    )
    .bind(most)
    .fetch_all(realm)
    .await?)
}

/// The same of a realm whose schema is of a version that numbers no rows.
pub(in crate::features) async fn waiting_unnumbered(
    realm: &mut PgConnection,
    most: i64,
) -> Result<Vec<Waiting>, DbError> {
    Ok(sqlx::query_as(
        "select id, left(type, 100) as type, case when at between '1970-01-01' and '9999-01-01' then at else now() end as at,
                case when type like 'mail.%' and pg_column_size(payload) <= 15000 then
                     case when octet_length(payload::text) <= 15000 then payload::text end end as payload
         from nexus.outbox where published_at is null order by id limit $1",
    )
    .bind(most)
    .fetch_all(realm)
    .await?)
}

/// Marks rows of such a realm as delivered.
pub(in crate::features) async fn mark_handed_over(
    realm: &mut PgConnection,
    ids: &[Uuid],
) -> Result<(), DbError> {
    sqlx::query("update nexus.outbox set published_at = now() where id = any($1) and published_at is null")
        .bind(ids)
        .execute(realm)
        .await?;
    Ok(())
}

/// Marks rows as delivered, and gives those that are events the next positions of the log. Whoever else does so waits
/// for the end of the transaction: no position is given twice, and none is left out.
pub(in crate::features) async fn number(realm: &mut PgConnection, ids: &[Uuid]) -> Result<(), DbError> {
    // A statement of its own: the next one sees what others gave before it.
    sqlx::query(
        "insert into nexus.event_counter as log (only_row, last_position)
         select true, coalesce(max(position), 0) from nexus.outbox where position is not null
         on conflict (only_row) do update set last_position = log.last_position",
    )
    .execute(&mut *realm)
    .await?;
    sqlx::query(
        "with due as (
             select id, type like 'mail.%' as is_message, seq from nexus.outbox
             where id = any($1) and (published_at is null or (position is null and type not like 'mail.%'))
         ), numbered as (
             select id, case when not is_message then last_position + row_number() over (partition by is_message order by seq) end
                        as position
             from due cross join nexus.event_counter
         ), marked as (
             update nexus.outbox set published_at = now(), position = numbered.position
             from numbered where outbox.id = numbered.id returning outbox.position
         )
         update nexus.event_counter set last_position = newest
         from (select max(position) as newest from marked) as given where newest is not null",
    )
    .persistent(false)
    .bind(ids)
    .execute(realm)
    .await?;
    Ok(())
}

/// Forgets rows that were delivered a week ago, some hundreds at a time: of the log always the oldest, so that what is
/// kept of it has no gap.
pub(in crate::features) async fn forget_published(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from nexus.outbox where position <= (
             select max(position) from (
                 select position, published_at from nexus.outbox where position is not null order by position limit 500
             ) as oldest where published_at < now() - interval '7 days')",
    )
    .persistent(false)
    .execute(&mut *realm)
    .await?;
    sqlx::query(
        "delete from nexus.outbox using (
             select id from nexus.outbox where published_at is not null and position is null and type like 'mail.%'
             order by seq limit 500
         ) as oldest
         where outbox.id = oldest.id and published_at < now() - interval '7 days'",
    )
    .persistent(false)
    .execute(realm)
    .await?;
    Ok(())
}

/// A row as others are told of it, its payload as the text of its JSON; `None` where there is none any more. Of a
/// payload of more bytes than that, and of one that is stored as more, nothing is read.
pub(in crate::features) async fn event(
    realm: &mut PgConnection,
    id: Uuid,
    most_bytes: i32,
) -> Result<Option<Waiting>, DbError> {
    Ok(sqlx::query_as(
        "select id, left(type, 100) as type, case when at between '1970-01-01' and '9999-01-01' then at else now() end as at,
                case when pg_column_size(payload) <= $2 then
                     case when octet_length(payload::text) <= $2 then payload::text end end as payload
         from nexus.outbox where id = $1",
    )
    .bind(id)
    .bind(most_bytes)
    .fetch_optional(realm)
    .await?)
}

/// Rows that were relayed since a moment, or are not yet, in the order of their ids, after one of these and up to so many;
/// without their payloads. When they were written says less: a transaction that stays open writes rows of long ago.
pub(in crate::features) async fn since(
    realm: &mut PgConnection,
    (moment, after): (OffsetDateTime, Uuid),
    most: i64,
) -> Result<Vec<Waiting>, DbError> {
    Ok(sqlx::query_as(
        "select id, left(type, 100) as type, case when at between '1970-01-01' and '9999-01-01' then at else now() end as at,
                null::text as payload
         from nexus.outbox where id > $2 and (published_at >= $1 or published_at is null) order by id limit $3",
    )
    .bind(moment)
    .bind(after)
    .bind(most)
    .fetch_all(realm)
    .await?)
}

/// Events after a position, in their order, up to so many, and not many more bytes of payloads than 256 KB: row by row,
/// so that no more are read of those that follow. Positions have no gaps; at one it ends.
pub(in crate::features) async fn log_after(
    realm: &mut PgConnection,
    after: i64,
    most: i64,
) -> Result<Vec<LoggedEvent>, DbError> {
    Ok(sqlx::query_as(
        "with recursive page as (
             select $1::bigint as position, null::uuid as id, null::text as type, null::text as key, null::text as actor,
                    null::timestamptz as at, null::text as payload, 0::bigint as rows, 0::bigint as bytes
             union all
             select next.position, next.id, next.type, next.key, next.actor, next.at, next.payload,
                    page.rows + 1, page.bytes + coalesce(octet_length(next.payload), 0)
             from page cross join lateral (
                 select position, id, left(type, 100) as type, left(key, 200) as key, left(actor, 200) as actor,
                        case when at between '1970-01-01' and '9999-01-01' then at else now() end as at,
                        case when pg_column_size(payload) <= 70000 then
                             case when octet_length(payload::text) <= 65536 then payload::text end end as payload
                 from nexus.outbox where position = page.position + 1 limit 1) as next
             where page.rows < $2 and page.bytes < 262144
         )
         select position, id, type, key, actor, at, payload from page where rows > 0 order by position",
    )
    .bind(after)
    .bind(most)
    .fetch_all(realm)
    .await?)
}

/// Which positions the log has.
pub(in crate::features) async fn log_ends(realm: &mut PgConnection) -> Result<LogEnds, DbError> {
    Ok(sqlx::query_as(
        "select coalesce((select position from nexus.outbox where position is not null order by position limit 1),
                         newest + 1) as oldest, newest
         from (select coalesce((select last_position from nexus.event_counter), 0) as newest) as log",
    )
    .fetch_one(realm)
    .await?)
}

/// The position of an event; `Some(None)` where it has none yet, `None` where it is not kept.
pub(in crate::features) async fn position_of(
    realm: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Option<i64>>, DbError> {
    Ok(sqlx::query_scalar("select position from nexus.outbox where id = $1")
        .bind(id)
        .fetch_optional(realm)
        .await?)
}

/// The first position that was given at a moment or later; none where that was the last of none.
pub(in crate::features) async fn position_at(
    realm: &mut PgConnection,
    at: OffsetDateTime,
) -> Result<Option<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "select position from nexus.outbox where position is not null and published_at >= $1
         order by position limit 1",
    )
    .bind(at)
    .fetch_optional(realm)
    .await?)
}
