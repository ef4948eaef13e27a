//! The SQL of notifications, in a realm. Whoever owns the database may have written what no check of ours would take:
//! nothing is read that is longer than it can be.

use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use time::{Duration, OffsetDateTime, Time};
use uuid::Uuid;

use super::model::{Content, DedupKey, NewNotification, NotificationPriority};
use super::preferences::{KindPattern, Preference};
use super::quiet::QuietHours;
use super::views::{NotificationFilter, NotificationView};
use crate::features::templates::{Channel, Kind};
use crate::infra::db::{DbError, PgConnection};

/// A recipient's row that is about to be written.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) channel: Channel,
    pub(super) user: Option<Uuid>,
    pub(super) address: Option<String>,
}

/// Writes what was asked for; `false` where that was done before, by the same key.
pub(super) async fn insert_request(
    realm: &mut PgConnection,
    id: Uuid,
    new: &NewNotification,
    by: &str,
) -> Result<bool, DbError> {
    let (template, subject, text) = match &new.content {
        Content::Template(kind) => (Some(kind.as_str()), None, None),
        Content::Text { subject, text } => (None, Some(subject.as_str()), Some(text.as_str())),
    };
    let done = sqlx::query(
        "insert into nexus.notification_requests
             (id, kind, template, subject, text, data, priority, dedup_key, not_before, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, left($10, 200)) on conflict (dedup_key) do nothing",
    )
    .bind(id)
    .bind(new.kind.as_str())
    .bind(template)
    .bind(subject)
    .bind(text)
    .bind(Json(&new.data))
    .bind(new.priority)
    .bind(new.dedup_key.as_ref().map(DedupKey::as_str))
    .bind(new.not_before)
    .bind(by)
    .execute(realm)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What was asked for with a key, and the ids of its recipients' rows.
pub(super) async fn by_key(realm: &mut PgConnection, key: &str) -> Result<(Uuid, Vec<Uuid>), DbError> {
    let request: Uuid = sqlx::query_scalar("select id from nexus.notification_requests where dedup_key = $1")
        .bind(key)
        .fetch_one(&mut *realm)
        .await?;
    let ids =
        sqlx::query_scalar("select id from nexus.notifications where request_id = $1 order by id limit 5000")
            .bind(request)
            .fetch_all(realm)
            .await?;
    Ok((request, ids))
}

/// Writes the rows of recipients.
pub(super) async fn insert(
    realm: &mut PgConnection,
    (request, kind): (Uuid, &Kind),
    ids: &[Uuid],
    rows: &[NewRow],
) -> Result<(), DbError> {
    let channels: Vec<Channel> = rows.iter().map(|row| row.channel).collect();
    let users: Vec<Option<Uuid>> = rows.iter().map(|row| row.user).collect();
    let addresses: Vec<Option<&str>> = rows.iter().map(|row| row.address.as_deref()).collect();
    sqlx::query(
        "insert into nexus.notifications (id, request_id, kind, channel, user_id, address)
         select id, $1, $2, channel, user_id, address
         from unnest($3::uuid[], $4::text[], $5::uuid[], $6::text[]) as given (id, channel, user_id, address)",
    )
    .bind(request)
    .bind(kind.as_str())
    .bind(ids)
    .bind(channels)
    .bind(users)
    .bind(addresses)
    .execute(realm)
    .await?;
    Ok(())
}

/// Counts so many messages under a name; whether there are not more than so many within a time. Requests at the same
/// time wait for each other at the row.
pub(super) async fn count_messages(
    realm: &mut PgConnection,
    name: &str,
    more: i32,
    (most, within): (i32, &str),
) -> Result<bool, DbError> {
    let counted: Option<bool> = sqlx::query_scalar(
        "insert into nexus.message_limits as had (address_hash, times, last_at)
         values (sha256(convert_to($1, 'UTF8')), array_fill(now(), array[$2::int]), now())
         on conflict (address_hash) do update set last_at = now(), times = array_fill(now(), array[$2::int]) || array(
             select time from unnest(had.times) as time where time > now() - $4::text::interval)
         where (select count(*) from unnest(had.times) as time where time > now() - $4::text::interval) + $2::int <= $3::int
         returning true",
    )
    .bind(name)
    .bind(more)
    .bind(most)
    .bind(within)
    .fetch_optional(realm)
    .await?;
    Ok(counted.is_some())
}

/// Forgets limits that nobody has come near for a day, some at a time.
pub(super) async fn forget_limits(realm: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from nexus.message_limits using (
             select address_hash from nexus.message_limits where last_at < now() - interval '1 day'
             order by last_at limit 10000 for update skip locked) as oldest
         where message_limits.address_hash = oldest.address_hash",
    )
    .persistent(false)
    .execute(realm)
    .await?;
    Ok(())
}

/// Forgets what was asked for three months ago, some at a time. Whoever writes does it often enough that more goes than
/// comes. Their ids say when: nothing newer is looked at, and what is not due yet keeps nothing else back.
pub(super) async fn forget_old(realm: &mut PgConnection) -> Result<(), DbError> {
    let before = OffsetDateTime::now_utc() - Duration::days(90);
    let milliseconds = u128::try_from(before.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    sqlx::query(
        "delete from nexus.notification_requests using (
             select id from nexus.notification_requests
             where id < $1 and created_at < now() - interval '90 days'
               and coalesce(not_before < now() - interval '90 days', true)
             order by id limit 200) as oldest
         where notification_requests.id = oldest.id",
    )
    .persistent(false)
    .bind(Uuid::from_u128(milliseconds << 80))
    .execute(realm)
    .await?;
    Ok(())
}

/// A notification whose job runs.
#[derive(Debug, FromRow)]
pub(super) struct DueRow {
    pub(super) kind: String,
    pub(super) channel: Channel,
    pub(super) user_id: Option<Uuid>,
    pub(super) address: Option<String>,
    pub(super) is_cancelled: bool,
    pub(super) template: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) text: Option<String>,
    pub(super) data: Json<Map<String, Value>>,
    pub(super) priority: NotificationPriority,
    pub(super) now: OffsetDateTime,
}

/// The row of one whose job runs, which nobody cancels before the end of the transaction.
pub(super) async fn due(realm: &mut PgConnection, id: Uuid) -> Result<Option<DueRow>, DbError> {
    Ok(sqlx::query_as(
        "select left(notifications.kind, 80) as kind, channel, user_id, left(address, 254) as address,
                cancelled_at is not null as is_cancelled, left(template, 80) as template,
                left(subject, 1000) as subject, left(text, 32768) as text,
                case when pg_column_size(data) <= 32768 and jsonb_typeof(data) = 'object' then data else '{}' end
                    as data,
                priority, clock_timestamp() as now
         from nexus.notifications join nexus.notification_requests as request on request.id = request_id
         where notifications.id = $1 for update of notifications",
    )
    .bind(id)
    .fetch_optional(realm)
    .await?)
}

/// What a user wants.
pub(super) async fn preferences(realm: &mut PgConnection, user: Uuid) -> Result<Vec<Preference>, DbError> {
    Ok(sqlx::query_as(
        "select left(pattern, 82) as pattern, channel, enabled from nexus.notification_preferences
         where user_id = $1 order by pattern, channel limit 200",
    )
    .bind(user)
    .fetch_all(realm)
    .await?)
}

/// Takes preferences away.
pub(super) async fn drop_preferences(
    realm: &mut PgConnection,
    user: Uuid,
    gone: &[(KindPattern, Channel)],
) -> Result<(), DbError> {
    let patterns: Vec<&str> = gone.iter().map(|it| it.0.as_str()).collect();
    let channels: Vec<Channel> = gone.iter().map(|it| it.1).collect();
    sqlx::query(
        "delete from nexus.notification_preferences using unnest($2::text[], $3::text[]) as gone (pattern, channel)
         where user_id = $1 and notification_preferences.pattern = gone.pattern
           and notification_preferences.channel = gone.channel",
    )
    .persistent(false)
    .bind(user)
    .bind(patterns)
    .bind(channels)
    .execute(realm)
    .await?;
    Ok(())
}

/// Adds preferences, or puts them in the place of others; the last of those that are alike counts.
pub(super) async fn put_preferences(
    realm: &mut PgConnection,
    user: Uuid,
    wanted: &[(KindPattern, Channel, bool)],
) -> Result<(), DbError> {
    let patterns: Vec<&str> = wanted.iter().map(|it| it.0.as_str()).collect();
    let channels: Vec<Channel> = wanted.iter().map(|it| it.1).collect();
    let enabled: Vec<bool> = wanted.iter().map(|it| it.2).collect();
    sqlx::query(
        "insert into nexus.notification_preferences (user_id, pattern, channel, enabled)
         select distinct on (pattern, channel) $1, pattern, channel, enabled
         from unnest($2::text[], $3::text[], $4::bool[]) with ordinality as given (pattern, channel, enabled, place)
         order by pattern, channel, place desc
         on conflict (user_id, pattern, channel) do update set enabled = excluded.enabled, updated_at = now()",
    )
    .bind(user)
    .bind(patterns)
    .bind(channels)
    .bind(enabled)
    .execute(realm)
    .await?;
    Ok(())
}

/// When a user does not want mail. A time zone that is not known here is none.
pub(super) async fn quiet_hours(realm: &mut PgConnection, user: Uuid) -> Result<Option<QuietHours>, DbError> {
    let row: Option<(String, Time, Time)> = sqlx::query_as(
        "select left(time_zone, 64), from_time, to_time from nexus.quiet_hours where user_id = $1",
    )
    .bind(user)
    .fetch_optional(realm)
    .await?;
    Ok(row.and_then(|(zone, from, to)| Some(QuietHours { zone: zone.parse().ok()?, from, to })))
}

/// Sets quiet hours; none: takes them away.
pub(super) async fn put_quiet_hours(
    realm: &mut PgConnection,
    user: Uuid,
    hours: Option<&QuietHours>,
) -> Result<(), DbError> {
    let Some(hours) = hours else {
        sqlx::query("delete from nexus.quiet_hours where user_id = $1").bind(user).execute(realm).await?;
        return Ok(());
    };
    sqlx::query(
        "insert into nexus.quiet_hours (user_id, time_zone, from_time, to_time) values ($1, $2, $3, $4)
         on conflict (user_id) do update
             set time_zone = excluded.time_zone, from_time = excluded.from_time, to_time = excluded.to_time,
                 updated_at = now()",
    )
    .bind(user)
    .bind(hours.zone.name())
    .bind(hours.from)
    .bind(hours.to)
    .execute(realm)
    .await?;
    Ok(())
}

const COLUMNS: &str = "notifications.id, request_id, left(notifications.kind, 80) as kind, channel, user_id,
    left(address, 254) as address, cancelled_at is not null as is_cancelled, priority,
    case when not_before between '1970-01-01' and '9999-01-01' then not_before end as not_before,
    left(subject, 200) as subject,
    case when notifications.created_at between '1970-01-01' and '9999-01-01' then notifications.created_at else now() end
        as created_at";

/// Recipients' rows, the newest first, as many as are asked for.
pub(super) async fn history(
    realm: &mut PgConnection,
    filter: &NotificationFilter,
    before: Option<Uuid>,
    (limit, offset): (i64, i64),
) -> Result<Vec<NotificationView>, DbError> {
    let mut query = QueryBuilder::<Postgres>::new(format!(
        "select {COLUMNS} from nexus.notifications
         join nexus.notification_requests as request on request.id = request_id where true "
    ));
    if let Some(kind) = &filter.kind {
        query.push(" and notifications.kind = ").push_bind(kind.as_str().to_owned());
    }
    if let Some(user) = filter.user {
        query.push(" and user_id = ").push_bind(user);
    }
    if let Some(before) = before {
        query.push(" and notifications.id < ").push_bind(before);
    }
    query.push(" order by notifications.id desc limit ").push_bind(limit).push(" offset ").push_bind(offset);
    Ok(query.build_query_as().persistent(false).fetch_all(realm).await?)
}

/// One recipient's row.
pub(super) async fn by_id(realm: &mut PgConnection, id: Uuid) -> Result<Option<NotificationView>, DbError> {
    let statement = format!(
        "select {COLUMNS} from nexus.notifications
         join nexus.notification_requests as request on request.id = request_id where notifications.id = $1"
    );
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement)).bind(id).fetch_optional(realm).await?)
}

/// Keeps a recipient's row as it is until the end of the transaction.
pub(super) async fn lock(realm: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("select from nexus.notifications where id = $1 for update").bind(id).execute(realm).await?;
    Ok(())
}

/// Says that one is not to be sent.
pub(super) async fn cancel(realm: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("update nexus.notifications set cancelled_at = now() where id = $1 and cancelled_at is null")
        .bind(id)
        .execute(realm)
        .await?;
    Ok(())
}
