//! The SQL of what a realm says of signing in, and of how its apps write things.

use super::{RealmSettings, Registration};
use crate::infra::db::{DbError, PgConnection};

/// Who may register by themselves. A word that is not known here is a newer program's: nobody then.
pub(in super::super) async fn registration(realm: &mut PgConnection) -> Result<Registration, DbError> {
    let word: String =
        sqlx::query_scalar("select registration from nexus.sign_in_settings").fetch_one(realm).await?;
    Ok(word.parse().unwrap_or(Registration::Closed))
}

/// The settings. Apps may write some of them: what is no text there is none.
pub(super) async fn settings(realm: &mut PgConnection) -> Result<RealmSettings, DbError> {
    let texts: Vec<(String, String)> = sqlx::query_as(
        "select key, value #>> array[]::text[] from nexus.settings
         where key in ('language', 'currency', 'time_zone') and jsonb_typeof(value) = 'string'",
    )
    .fetch_all(&mut *realm)
    .await?;
    let text = |key: &str| texts.iter().find(|(name, _)| name == key).map(|(_, text)| text.clone());
    let registration = registration(realm).await?;
    let (language, currency, time_zone) = (text("language"), text("currency"), text("time_zone"));
    Ok(RealmSettings { registration, language, currency, time_zone })
}

/// Says who may register.
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

/// Sets a setting of apps; `None` takes it away.
pub(super) async fn set(realm: &mut PgConnection, key: &str, text: Option<&str>) -> Result<(), DbError> {
    let statement = if text.is_some() {
        "insert into nexus.settings (key, value) values ($1, to_jsonb($2::text))
         on conflict (key) do update set value = excluded.value, updated_at = now()"
    } else {
        "delete from nexus.settings where key = $1 and $2::text is null"
    };
    sqlx::query(statement).bind(key).bind(text).execute(realm).await?;
    Ok(())
}

/// Whether the server knows a time zone of this name.
pub(super) async fn is_time_zone(realm: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from pg_catalog.pg_timezone_names where name = $1)")
        .bind(name)
        .fetch_one(realm)
        .await?)
}
