//! The SQL of API keys, in a realm.

use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::mint::texts;
use super::{ApiKeyPosition, ApiKeyView, NewApiKey};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::Page;

const SELECT: &str = "select api_keys.id, api_keys.name, users.email, hint, scopes, api_keys.created_at,
        expires_at, last_used_at,
        case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'good' end
            as state
 from nexus.api_keys join nexus.users on users.id = api_keys.user_id";

/// Whose a key is.
#[derive(Debug, FromRow)]
pub(super) struct OwnerRow {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    /// Whether its last use is too long ago to go unrecorded.
    pub(super) note_use: bool,
}

/// A key that is good.
#[derive(Debug, FromRow)]
pub(super) struct GoodRow {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires_at: Option<OffsetDateTime>,
}

pub(super) async fn insert(
    realm: &mut PgConnection,
    (id, user): (Uuid, Uuid),
    new: &NewApiKey,
    (hash, hint): (&[u8; 32], &str),
) -> Result<(), DbError> {
    let seconds = new.ttl.map(|ttl| ttl.duration().as_secs_f64());
    sqlx::query(
        "insert into nexus.api_keys (id, user_id, name, key_hash, hint, scopes, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))",
    )
    .bind(id)
    .bind(user)
    .bind(new.name.as_str())
    .bind(hash.as_slice())
    .bind(hint)
    .bind(texts(&new.scopes))
    .bind(seconds)
    .execute(realm)
    .await?;
    Ok(())
}

pub(super) async fn by_id(realm: &mut PgConnection, id: Uuid) -> Result<Option<ApiKeyView>, DbError> {
    let statement = format!("{SELECT} where api_keys.id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(realm).await?)
}

/// Which keys: of a user, and in which states.
const WHICH: &str = "($1::uuid is null or api_keys.user_id = $1)
           and ($2 or revoked_at is null and (expires_at is null or expires_at > now()))";

/// Keys, the newest first; of a page, one more than it has, which says that there is another.
pub(super) async fn list(
    realm: &mut PgConnection,
    (user, all): (Option<Uuid>, bool),
    after: Option<ApiKeyPosition>,
    page: Option<Page>,
) -> Result<Vec<ApiKeyView>, DbError> {
    let statement = format!(
        "{SELECT} where {WHICH}
           and ($3::timestamptz is null or (api_keys.created_at, api_keys.id) < ($3, $4))
         order by api_keys.created_at desc, api_keys.id desc limit $5 offset $6"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(user)
        .bind(all)
        .bind(after.map(|(at, _)| at))
        .bind(after.map(|(_, id)| id))
        .bind(page.map(|page| i64::from(page.limit) + 1))
        .bind(page.map_or(0, Page::offset))
        .fetch_all(realm)
        .await?)
}

/// How many there are, up to a limit.
pub(super) async fn count(
    realm: &mut PgConnection,
    (user, all): (Option<Uuid>, bool),
    limit: Option<i64>,
) -> Result<u64, DbError> {
    let statement =
        format!("select count(*) from (select from nexus.api_keys where {WHICH} limit $3) as counted");
    let counted: i64 = sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(user)
        .bind(all)
        .bind(limit)
        .fetch_one(realm)
        .await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

/// Takes a key back; whose it is.
pub(super) async fn revoke(realm: &mut PgConnection, id: Uuid) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "update nexus.api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1 returning user_id",
    )
    .bind(id)
    .fetch_optional(realm)
    .await?)
}

/// Whose key it is, good or not.
pub(super) async fn owner(realm: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<OwnerRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, user_id, last_used_at is null or last_used_at < now() - interval '5 minutes' as note_use
         from nexus.api_keys where key_hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(realm)
    .await?)
}

/// A key that is good at this moment, of a user who may sign in.
pub(super) async fn good(realm: &mut PgConnection, id: Uuid) -> Result<Option<GoodRow>, DbError> {
    Ok(sqlx::query_as(
        "select api_keys.name, scopes, expires_at from nexus.api_keys join nexus.users on users.id = api_keys.user_id
         where api_keys.id = $1 and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())
           and users.state = 'active' and users.deleted_at is null",
    )
    .bind(id)
    .fetch_optional(realm)
    .await?)
}

pub(super) async fn note_use(realm: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.api_keys set last_used_at = now()
         where id = $1 and revoked_at is null and (expires_at is null or expires_at > now())
           and (last_used_at is null or last_used_at < now() - interval '5 minutes')",
    )
    .bind(id)
    .execute(realm)
    .await?;
    Ok(())
}
