//! The SQL of messages to users.

use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection, has_table};

/// Somebody who is written to.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Recipient {
    pub(super) email: String,
    pub(super) name: String,
    pub(super) is_disabled: bool,
    pub(super) has_password: bool,
    /// What they registered, where they have not confirmed it.
    pub(super) registration: Option<Uuid>,
    /// What their profile says, or that of the realm; apps may write both.
    pub(super) language: Option<String>,
    pub(super) realm_language: Option<String>,
}

/// A user who may be written to: one that is not deleted.
pub(super) async fn recipient(realm: &mut PgConnection, user: Uuid) -> Result<Option<Recipient>, DbError> {
    Ok(sqlx::query_as(
        "select users.email, left(users.name, 200) as name, users.state = 'disabled' as is_disabled,
                users.password_hash is not null as has_password, invitations.registration,
                left(users.profile ->> 'language', 35) as language,
                (select left(value #>> array[]::text[], 35) from nexus.settings
                 where key = 'language' and jsonb_typeof(value) = 'string') as realm_language
         from nexus.users
         left join nexus.invitations on invitations.user_id = users.id and invitations.purpose = 'verify'
         where users.id = $1 and users.deleted_at is null
         for update of users",
    )
    .bind(user)
    .fetch_optional(realm)
    .await?)
}

/// A sign-in that its user is told of.
#[derive(Debug, Clone, FromRow)]
pub struct SignInSeen {
    /// What the client calls itself.
    pub client: String,
    pub at: OffsetDateTime,
}

/// The sign-in that a session of a user began with.
pub(super) async fn sign_in(
    realm: &mut PgConnection,
    user: Uuid,
    session: Uuid,
) -> Result<Option<SignInSeen>, DbError> {
    Ok(sqlx::query_as("select client, created_at as at from nexus.sessions where id = $1 and user_id = $2")
        .bind(session)
        .bind(user)
        .fetch_optional(realm)
        .await?)
}

/// Whether the realm has an outbox: one of an older version has none.
pub(in super::super) async fn has_outbox(realm: &mut PgConnection) -> Result<bool, DbError> {
    has_table(realm, "nexus.outbox").await
}

/// Keeps the hash of the token that confirms a registration, in the place of an older one.
pub(super) async fn put_verification(
    realm: &mut PgConnection,
    user: Uuid,
    hash: &[u8; 32],
    seconds: f64,
) -> Result<(), DbError> {
    sqlx::query(
        "update nexus.invitations set token_hash = $2, expires_at = now() + make_interval(secs => $3)
         where user_id = $1 and purpose = 'verify'",
    )
    .bind(user)
    .bind(hash.as_slice())
    .bind(seconds)
    .execute(realm)
    .await?;
    Ok(())
}
