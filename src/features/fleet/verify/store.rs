//! The SQL of what is remembered between verifications.

use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::infra::cluster::{Line, Written};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// A template's schema.
#[derive(Debug, FromRow)]
pub(super) struct FingerprintRow {
    pub(super) digest: String,
    pub(super) lines: Json<Vec<Line>>,
}

pub(super) async fn fingerprint(
    control: &mut PgConnection,
    template: &str,
    made_of: &str,
) -> Result<Option<FingerprintRow>, DbError> {
    Ok(sqlx::query_as("select digest, lines from control.fingerprints where template = $1 and made_of = $2")
        .bind(template)
        .bind(made_of)
        .fetch_optional(control)
        .await?)
}

pub(super) async fn save_fingerprint(
    control: &mut PgConnection,
    (template, made_of): (&str, &str),
    row: &FingerprintRow,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.fingerprints (template, made_of, digest, lines) values ($1, $2, $3, $4)
         on conflict (template) do update
         set made_of = excluded.made_of, digest = excluded.digest, lines = excluded.lines, made_at = now()",
    )
    .bind(template)
    .bind(made_of)
    .bind(&row.digest)
    .bind(&row.lines)
    .execute(control)
    .await?;
    Ok(())
}

/// A tenant's version of an operator's set, and how many files its history held.
pub(super) type VersionRow = (TenantId, String, i64, i32);

pub(super) async fn versions(
    control: &mut PgConnection,
    tenants: &[TenantId],
) -> Result<Vec<VersionRow>, DbError> {
    Ok(sqlx::query_as(
        "select tenant_id, set_name, version, files from control.tenant_versions
         where tenant_id = any($1) and set_name <> 'nexus'",
    )
    .bind(tenants)
    .fetch_all(control)
    .await?)
}

/// A tenant's schema when it was last read: what its histories and its catalogue were then, and its
/// digest.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct SeenRow {
    pub(super) tenant_id: Uuid,
    pub(super) written: String,
    pub(super) counters: String,
    pub(super) histories: String,
    pub(super) catalogue: String,
    pub(super) digest: String,
}

impl SeenRow {
    /// What had been written then.
    pub(super) fn written(&self) -> Written {
        Written { anywhere: self.written.clone(), schema: self.counters.clone() }
    }
}

pub(super) async fn seen(
    control: &mut PgConnection,
    tenants: &[TenantId],
    made_of: &str,
) -> Result<Vec<SeenRow>, DbError> {
    Ok(sqlx::query_as(
        "select tenant_id, written, counters, histories, catalogue, digest from control.seen_schemas
         where tenant_id = any($1) and made_of = $2",
    )
    .bind(tenants)
    .bind(made_of)
    .fetch_all(control)
    .await?)
}

/// Remembers schemas; of tenants that are gone by now nothing.
pub(super) async fn save_seen(
    control: &mut PgConnection,
    rows: &[SeenRow],
    made_of: &str,
) -> Result<(), DbError> {
    let tenants: Vec<Uuid> = rows.iter().map(|row| row.tenant_id).collect();
    let written: Vec<&str> = rows.iter().map(|row| row.written.as_str()).collect();
    let counters: Vec<&str> = rows.iter().map(|row| row.counters.as_str()).collect();
    let histories: Vec<&str> = rows.iter().map(|row| row.histories.as_str()).collect();
    let catalogues: Vec<&str> = rows.iter().map(|row| row.catalogue.as_str()).collect();
    let digests: Vec<&str> = rows.iter().map(|row| row.digest.as_str()).collect();
    sqlx::query(
        "insert into control.seen_schemas
             (tenant_id, written, counters, histories, catalogue, digest, made_of)
         select given.id, given.written, given.counters, given.histories, given.catalogue, given.digest, $7
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
             as given (id, written, counters, histories, catalogue, digest)
         join control.tenants on tenants.id = given.id order by given.id
         on conflict (tenant_id) do update
         set written = excluded.written, counters = excluded.counters, histories = excluded.histories,
             catalogue = excluded.catalogue, digest = excluded.digest, made_of = excluded.made_of, seen_at = now()",
    )
    .bind(tenants)
    .bind(written)
    .bind(counters)
    .bind(histories)
    .bind(catalogues)
    .bind(digests)
    .bind(made_of)
    .execute(control)
    .await?;
    Ok(())
}
