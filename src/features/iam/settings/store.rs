//! The SQL of what a realm says of signing in.

use super::Registration;
use crate::infra::db::{DbError, PgConnection};

/// Who may register by themselves. A word that is not known here is a newer program's: nobody then.
pub(in super::super) async fn registration(realm: &mut PgConnection) -> Result<Registration, DbError> {
    let word: String =
        sqlx::query_scalar("select registration from nexus.sign_in_settings").fetch_one(realm).await?;
    Ok(word.parse().unwrap_or(Registration::Closed))
}

/// Says who may.
pub(super) async fn set_registration(
    realm: &mut PgConnection,
    registration: Registration,
) -> Result<(), DbError> {
    sqlx::query("update nexus.sign_in_settings set registration = $1")
        .bind(registration.as_str())
        .execute(realm)
        .await?;
    Ok(())
}
