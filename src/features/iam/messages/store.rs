//! The SQL of messages to users.

use sqlx::FromRow;
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection};

/// Somebody who is written to.
#[derive(Debug, FromRow)]
pub(super) struct Recipient {
    pub(super) email: String,
    pub(super) has_password: bool,
    /// What they registered, where they have not confirmed it.
    pub(super) registration: Option<Uuid>,
}

/// A user who may be written to: neither deleted nor disabled.
pub(super) async fn recipient(realm: &mut PgConnection, user: Uuid) -> Result<Option<Recipient>, DbError> {
    Ok(sqlx::query_as(
        "select users.email, users.password_hash is not null as has_password, invitations.registration
         from nexus.users
         left join nexus.invitations on invitations.user_id = users.id and invitations.purpose = 'verify'
         where users.id = $1 and users.deleted_at is null and users.state <> 'disabled'
         for update of users",
    )
    .bind(user)
    .fetch_optional(realm)
    .await?)
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
