//! The SQL of the rows that are covered.

use futures_util::TryStreamExt;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// A tenant's row, as far as it is covered.
#[derive(Debug, FromRow)]
pub(super) struct TenantRow {
    pub(super) id: TenantId,
    pub(super) slug: String,
    pub(super) cluster: String,
    pub(super) store: String,
    pub(super) database_name: String,
    pub(super) owner_role: String,
    pub(super) app_role: String,
    pub(super) bucket: String,
    pub(super) access_key_id: Option<String>,
    pub(super) identity_checksum: Option<Vec<u8>>,
    pub(super) slug_checksum: Option<Vec<u8>>,
    pub(super) key_checksum: Option<Vec<u8>>,
}

/// Goes over the tenants that are not gone.
pub(super) async fn tenants(
    control: &mut PgConnection,
    mut take: impl FnMut(TenantRow),
) -> Result<(), DbError> {
    let mut rows = sqlx::query_as::<_, TenantRow>(
        "select id, slug, cluster, store, database_name, owner_role, app_role, bucket, access_key_id,
                identity_checksum, slug_checksum, key_checksum
         from control.tenants where state <> 'deleted'",
    )
    .fetch(control);
    while let Some(row) = rows.try_next().await? {
        take(row);
    }
    Ok(())
}

/// A server or a store that is a row of its own.
#[derive(Debug, FromRow)]
pub(super) struct PlaceRow {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) fields: Vec<Option<String>>,
    pub(super) checksum: Option<Vec<u8>>,
}

/// Servers and stores that the settings do not name.
pub(super) async fn places(control: &mut PgConnection) -> Result<Vec<PlaceRow>, DbError> {
    Ok(sqlx::query_as(
        "select 'cluster' as kind, name,
                array[host, port::text, login, database, tls, ca_certificate] as fields, checksum
         from control.clusters where host is not null
         union all
         select 'store', name,
                array[driver, endpoint, admin_endpoint, region, access_key_id, shared_key::text], checksum
         from control.stores where endpoint is not null
         order by 1, 2",
    )
    .fetch_all(control)
    .await?)
}

/// The installation.
#[derive(Debug, FromRow)]
pub(super) struct InstallationRow {
    pub(super) id: Uuid,
    pub(super) checksum: Option<Vec<u8>>,
    pub(super) master: Option<String>,
}

pub(super) async fn installation(control: &mut PgConnection) -> Result<Option<InstallationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, checksum, (select id from control.master_keys where state = 'active') as master
         from control.installation",
    )
    .fetch_optional(control)
    .await?)
}

/// Checksums of tenants' rows, side by side.
#[derive(Debug, Default)]
pub(super) struct TenantSums {
    pub(super) ids: Vec<Uuid>,
    pub(super) identities: Vec<Vec<u8>>,
    pub(super) slugs: Vec<Vec<u8>>,
    pub(super) keys: Vec<Option<Vec<u8>>>,
}

pub(super) async fn seal_tenants(control: &mut PgConnection, sums: &TenantSums) -> Result<(), DbError> {
    sqlx::query(
        "update control.tenants
         set identity_checksum = sums.identity, slug_checksum = sums.slug, key_checksum = sums.key
         from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[]) as sums (id, identity, slug, key)
         where tenants.id = sums.id",
    )
    .bind(&sums.ids)
    .bind(&sums.identities)
    .bind(&sums.slugs)
    .bind(&sums.keys)
    .execute(control)
    .await?;
    Ok(())
}

pub(super) async fn seal_place(
    control: &mut PgConnection,
    row: &PlaceRow,
    checksum: &[u8],
) -> Result<(), DbError> {
    sqlx::query(
        "with of_cluster as (update control.clusters set checksum = $3 where $1 = 'cluster' and name = $2)
         update control.stores set checksum = $3 where $1 = 'store' and name = $2",
    )
    .bind(&row.kind)
    .bind(&row.name)
    .bind(checksum)
    .execute(control)
    .await?;
    Ok(())
}

pub(super) async fn seal_installation(control: &mut PgConnection, checksum: &[u8]) -> Result<(), DbError> {
    sqlx::query("update control.installation set checksum = $1").bind(checksum).execute(control).await?;
    Ok(())
}

/// The checksum of the ledger of revocations, and what it covers.
#[derive(Debug, FromRow)]
pub(super) struct SealRow {
    pub(super) first: i64,
    pub(super) nonce: Uuid,
    pub(super) checksum: Vec<u8>,
    pub(super) covered: String,
    /// The oldest row that the ledger has.
    pub(super) oldest: Option<i64>,
}

pub(super) async fn revocation_seal(control: &mut PgConnection) -> Result<Option<SealRow>, DbError> {
    Ok(sqlx::query_as(
        "select first, nonce, checksum, coalesce(control.revocations_covered(first, last), '') as covered,
                (select min(generation) from control.revocation_ledger) as oldest
         from control.revocation_seal",
    )
    .fetch_optional(control)
    .await?)
}

/// Seals the ledger with the part of the key that the session has.
pub(super) async fn seal_revocations(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "select control.seal_revocations(decode(current_setting('nexus.seal_part'), 'hex'),
                                         current_setting('nexus.seal_nonce')::uuid)",
    )
    .execute(control)
    .await?;
    Ok(())
}

/// Writes the ledger again: a row for each revocation, and one that has ended for each number between
/// that has none. Nobody revokes meanwhile: a revocation takes the lock of `token_state`.
pub(super) async fn rebuild_revocations(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::raw_sql(
        "do $$ declare
             item record;
             previous bytea;
         begin
             update control.token_state set revocations_generation = greatest(revocations_generation,
                 coalesce((select max(generation) from control.token_revocations), 0),
                 coalesce((select max(generation) from control.revocation_ledger), 0));
             delete from control.revocation_ledger;
             for item in
                 select number as generation, coalesce((it.one).expires_at, now()) as expires_at,
                        case when (it.one).generation is null then ''::bytea
                             else control.revocation_hash(it.one) end as row_hash
                 from control.token_state as state
                 cross join lateral generate_series(
                     coalesce((select min(generation) from control.token_revocations where generation > 0),
                              state.revocations_generation),
                     state.revocations_generation) as number
                 left join lateral (select one from control.token_revocations as one
                                    where one.generation = number limit 1) as it on true
                 where number > 0 order by number
             loop
                 insert into control.revocation_ledger (generation, expires_at, row_hash, hash)
                 values (item.generation, item.expires_at, item.row_hash,
                         control.ledger_hash(previous, item.row_hash, item.expires_at))
                 returning hash into previous;
             end loop;
         end $$",
    )
    .execute(control)
    .await?;
    Ok(())
}

/// Runs statements that hold a secret.
pub(super) async fn run(control: &mut PgConnection, statements: &SecretString) -> Result<(), DbError> {
    sqlx::raw_sql(AssertSqlSafe(statements.expose_secret().to_owned())).execute(control).await?;
    Ok(())
}

/// The expression that compares the control database with the stamp that its server keeps of it:
/// `current`, `moved` (none is kept, and one was) or `older`.
pub const STATE: &str = "(select case when kept.stamp is not distinct from ours.stamp then 'current'
                                     when kept.stamp is null then 'moved' else 'older' end
     from control.installation as ours, lateral (
         select (select rolvaliduntil from pg_authid
                 where rolname = 'nexus_record_' || replace(ours.id::text, '-', '')) as stamp) as kept)";

pub(super) async fn state(control: &mut PgConnection) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(AssertSqlSafe(format!("select {STATE}"))).fetch_one(control).await?)
}

/// For the transaction under way.
pub(super) async fn accept_state(tx: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("set local nexus.record_accepted to yes").execute(tx).await?;
    Ok(())
}
