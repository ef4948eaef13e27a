//! The SQL of a realm.

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::infra::db::DbError;

/// How the first administrator signs in for the first time.
#[derive(Debug, Clone)]
pub enum FirstSignIn {
    /// With a password that was given; only its Argon2id hash is here.
    PasswordHash(SecretString),
    /// With a single-use token that sets a password; only its SHA-256 is here.
    Invitation {
        /// The token's SHA-256.
        token_hash: [u8; 32],
        /// How long it is good, in hours.
        ttl_hours: i64,
    },
}

/// Makes the first administrator, with role Admin. One that is there is left alone.
///
/// # Errors
/// When the statement fails.
pub async fn seed_administrator(
    realm: &mut PgConnection,
    email: &str,
    sign_in: &FirstSignIn,
) -> Result<(), DbError> {
    let (state, password_hash, token_hash, ttl_hours) = match sign_in {
        FirstSignIn::PasswordHash(hash) => ("active", Some(hash.expose_secret()), None, 0),
        FirstSignIn::Invitation { token_hash, ttl_hours } => {
            ("invited", None, Some(token_hash.as_slice()), *ttl_hours)
        }
    };
    sqlx::query(
        "with made as (
             insert into nexus.users (id, email, name, state, password_hash) values ($1, $2, '', $3, $4)
             on conflict (lower(email)) do nothing returning id
         ), granted as (
             insert into nexus.user_roles (user_id, role_id)
             select made.id, roles.id from made, nexus.roles where roles.name = 'Admin'
         )
         insert into nexus.invitations (user_id, token_hash, expires_at)
         select id, $5, now() + make_interval(hours => $6::int) from made where $5 is not null",
    )
    .bind(Uuid::now_v7())
    .bind(email)
    .bind(state)
    .bind(password_hash)
    .bind(token_hash)
    .bind(i32::try_from(ttl_hours).unwrap_or(i32::MAX))
    .execute(realm)
    .await?;
    Ok(())
}
