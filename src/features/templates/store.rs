//! The SQL of a realm's own templates. Whoever owns the database may have written what no check of ours would take:
//! nothing is read that is longer than a template can be.

use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::model::{Channel, Kind, Source, TemplateKey};
use crate::infra::db::{DbError, PgConnection, has_table};

/// A version of a template; its parts are none where the built-in one holds.
#[derive(Debug, Clone, FromRow)]
pub(super) struct KeptTemplate {
    pub(super) kind: String,
    pub(super) channel: Channel,
    pub(super) language: String,
    pub(super) version: i32,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    pub(super) sample: Json<Map<String, Value>>,
    pub(super) created_at: OffsetDateTime,
}

impl KeptTemplate {
    /// Its parts; none where the built-in template holds.
    pub(super) fn source(&self) -> Option<Source> {
        let (subject, text) = self.subject.clone().zip(self.text.clone())?;
        Some(Source { subject, text, html: self.html.clone() })
    }
}

/// Whether the realm has a place for templates: one of an older version has none.
pub(super) async fn is_there(realm: &mut PgConnection) -> Result<bool, DbError> {
    has_table(realm, "nexus.notification_templates").await
}

/// The newest version of each.
pub(super) async fn list(realm: &mut PgConnection, most: i64) -> Result<Vec<KeptTemplate>, DbError> {
    Ok(sqlx::query_as(
        "select distinct on (kind, channel, language) kind, channel, language, version, left(subject, 1000) as subject,
                left(text, 32768) as text, left(html, 32768) as html, '{}'::jsonb as sample,
                case when created_at between '1970-01-01' and '9999-01-01' then created_at else now() end as created_at
         from nexus.notification_templates order by kind, channel, language, version desc limit $1",
    )
    .bind(most)
    .fetch_all(realm)
    .await?)
}

/// The kept versions of one, the newest first.
pub(super) async fn versions(
    realm: &mut PgConnection,
    key: &TemplateKey,
) -> Result<Vec<KeptTemplate>, DbError> {
    Ok(sqlx::query_as(
        "select kind, channel, language, version, left(subject, 1000) as subject, left(text, 32768) as text,
                left(html, 32768) as html,
                case when pg_column_size(sample) <= 32768 and jsonb_typeof(sample) = 'object' then sample
                     else '{}' end as sample,
                case when created_at between '1970-01-01' and '9999-01-01' then created_at else now() end as created_at
         from nexus.notification_templates where kind = $1 and channel = $2 and language = $3
         order by version desc limit 100",
    )
    .bind(key.kind.as_str())
    .bind(key.channel)
    .bind(key.language.to_string())
    .fetch_all(realm)
    .await?)
}

/// The newest version of a kind in each channel and language.
pub(super) async fn of_kind(realm: &mut PgConnection, kind: &Kind) -> Result<Vec<KeptTemplate>, DbError> {
    Ok(sqlx::query_as(
        "select distinct on (channel, language) kind, channel, language, version, left(subject, 1000) as subject,
                left(text, 32768) as text, left(html, 32768) as html, '{}'::jsonb as sample,
                case when created_at between '1970-01-01' and '9999-01-01' then created_at else now() end as created_at
         from nexus.notification_templates where kind = $1 order by channel, language, version desc limit 100",
    )
    .bind(kind.as_str())
    .fetch_all(realm)
    .await?)
}

/// How many there are, of whichever kind.
pub(super) async fn count(realm: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from (select distinct kind, channel, language from nexus.notification_templates) as kept",
    )
    .fetch_one(realm)
    .await?)
}

/// Adds a version after the newest, and forgets those before the last ten.
pub(super) async fn add(
    realm: &mut PgConnection,
    key: &TemplateKey,
    (source, sample): (Option<&Source>, &Map<String, Value>),
    by: &str,
) -> Result<(), DbError> {
    let version: i32 = sqlx::query_scalar(
        "insert into nexus.notification_templates
             (kind, channel, language, version, subject, text, html, sample, created_by)
         select $1, $2, $3, coalesce(max(version), 0) + 1, $4, $5, $6, $7, left($8, 200)
         from nexus.notification_templates where kind = $1 and channel = $2 and language = $3
         returning version",
    )
    .bind(key.kind.as_str())
    .bind(key.channel)
    .bind(key.language.to_string())
    .bind(source.map(|it| it.subject.as_str()))
    .bind(source.map(|it| it.text.as_str()))
    .bind(source.and_then(|it| it.html.as_deref()))
    .bind(Json(sample))
    .bind(by)
    .fetch_one(&mut *realm)
    .await?;
    sqlx::query(
        "delete from nexus.notification_templates
         where kind = $1 and channel = $2 and language = $3 and version <= $4 - 10",
    )
    .bind(key.kind.as_str())
    .bind(key.channel)
    .bind(key.language.to_string())
    .bind(version)
    .execute(realm)
    .await?;
    Ok(())
}
