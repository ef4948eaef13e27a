//! The statements on `master_keys`, `data_keys` and `sealed_secrets`.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::views::MasterKeyUse;
use crate::infra::db::{PgConnection, bytes, literal};
use crate::kernel::TenantId;
use crate::kernel::ids::DataKeyId;

/// A tenant's data key as it is kept.
#[derive(FromRow)]
pub(super) struct KeyRow {
    pub(super) id: DataKeyId,
    pub(super) master_key_id: String,
    pub(super) wrapped: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) manifest_generation: i64,
}

/// A secret as it is kept.
#[derive(FromRow)]
pub(super) struct SecretRow {
    pub(super) name: String,
    pub(super) generation: i64,
    pub(super) key_id: DataKeyId,
    pub(super) sealed: Vec<u8>,
}

/// Secrets sealed at one generation, to be written: names and values side by side.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) names: Vec<String>,
    pub(super) sealed: Vec<Vec<u8>>,
}

impl Batch {
    /// It as a table `secret (name, sealed)` in a statement's text.
    fn rows(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| literal(name)).collect();
        let sealed: Vec<String> = self.sealed.iter().map(|sealed| bytes(sealed)).collect();
        format!(
            "unnest(array[{}]::text[], array[{}]::bytea[]) as secret (name, sealed)",
            names.join(", "),
            sealed.join(", ")
        )
    }
}

/// What came of writing a tenant's first data key.
#[derive(FromRow)]
pub(super) struct KeyInserted {
    /// Whether it was written.
    pub(super) made: bool,
    /// The master key that wraps new data keys.
    pub(super) active_master: Option<String>,
}

/// The statement that writes a tenant's first data key and secrets where a condition holds. Writes
/// nothing when the tenant has a key, or the master key is not the active one.
pub(super) fn key_statement(tenant: TenantId, key: &KeyRow, batch: &Batch, condition: &str) -> String {
    format!(
        "with made as (
             insert into control.data_keys
                 (id, tenant_id, master_key_id, wrapped, manifest, manifest_generation)
             select '{id}'::uuid, '{tenant}'::uuid, master.id, {wrapped}, {manifest}, {generation}
             from control.master_keys master
             where master.id = {master} and master.state = 'active' and {condition}
             on conflict (tenant_id) do nothing
             returning id
         ), written as (
             insert into control.sealed_secrets (tenant_id, name, generation, key_id, sealed)
             select '{tenant}'::uuid, secret.name, {generation}, made.id, secret.sealed
             from made, {secrets}
             -- Left of a key whose row was deleted by hand.
             on conflict (tenant_id, name) do update
             set generation = excluded.generation, key_id = excluded.key_id,
                 sealed = excluded.sealed, updated_at = now()
         )
         select exists (select from made) as made,
                (select id from control.master_keys where state = 'active') as active_master",
        id = key.id,
        wrapped = bytes(&key.wrapped),
        manifest = bytes(&key.manifest),
        generation = key.manifest_generation,
        master = literal(&key.master_key_id),
        secrets = batch.rows(),
    )
}

/// Runs [`key_statement`]'s.
pub(super) async fn insert_key(conn: &mut PgConnection, statement: String) -> sqlx::Result<PgRow> {
    sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(conn).await
}

/// Reads a tenant's data key and keeps other writers out until the transaction ends.
pub(super) async fn lock_key(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<Option<KeyRow>> {
    // As text it needs one round trip, bound two.
    let statement = format!(
        "select id, master_key_id, wrapped, manifest, manifest_generation
         from control.data_keys where tenant_id = '{tenant}' for update"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_optional(conn).await?;
    row.as_ref().map(KeyRow::from_row).transpose()
}

/// Writes secrets and the list that names them, at the list's generation. `false`, and nothing
/// written, when the list is not the one that the new one was made from.
pub(super) async fn write(
    conn: &mut PgConnection,
    tenant: TenantId,
    key: &KeyRow,
    batch: &Batch,
) -> sqlx::Result<bool> {
    let statement = format!(
        "with listed as (
             update control.data_keys set manifest = {manifest}, manifest_generation = {generation}
             where tenant_id = '{tenant}' and id = '{id}' and manifest_generation = {generation} - 1
             returning id
         ), written as (
             insert into control.sealed_secrets (tenant_id, name, generation, key_id, sealed)
             select '{tenant}'::uuid, secret.name, {generation}, listed.id, secret.sealed
             from listed, {secrets}
             on conflict (tenant_id, name) do update
             set generation = excluded.generation, key_id = excluded.key_id,
                 sealed = excluded.sealed, updated_at = now()
         )
         select count(*) from listed",
        id = key.id,
        manifest = bytes(&key.manifest),
        generation = key.manifest_generation,
        secrets = batch.rows(),
    );
    let listed: i64 = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(conn).await?.try_get(0)?;
    Ok(listed == 1)
}

/// A tenant's key, once for each of its secrets, and those: one statement sees both as of one
/// moment.
#[derive(FromRow)]
struct JoinedRow {
    #[sqlx(flatten)]
    key: KeyRow,
    name: Option<String>,
    generation: Option<i64>,
    key_id: Option<DataKeyId>,
    sealed: Option<Vec<u8>>,
}

/// Reads a tenant's data key and its secrets of these names, or all of them.
pub(super) async fn read(
    conn: &mut PgConnection,
    tenant: TenantId,
    names: Option<&[&str]>,
) -> sqlx::Result<Option<(KeyRow, Vec<SecretRow>)>> {
    let list = |names: &[&str]| names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
    let these = names.map(|names| format!("and s.name = any(array[{}]::text[])", list(names)));
    // As text it needs one round trip, bound two.
    let statement = format!(
        "select k.id, k.master_key_id, k.wrapped, k.manifest, k.manifest_generation,
                s.name, s.generation, s.key_id, s.sealed
         from control.data_keys k
         left join control.sealed_secrets s on s.tenant_id = k.tenant_id {}
         where k.tenant_id = '{tenant}'",
        these.unwrap_or_default()
    );
    let mut secrets = Vec::new();
    let mut key = None;
    for row in sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(conn).await? {
        let row = JoinedRow::from_row(&row)?;
        if let (Some(name), Some(generation), Some(key_id), Some(sealed)) =
            (row.name, row.generation, row.key_id, row.sealed)
        {
            secrets.push(SecretRow { name, generation, key_id, sealed });
        }
        key = Some(row.key);
    }
    Ok(key.map(|key| (key, secrets)))
}

/// Deletes a tenant's data key, and with it the secrets. `false` when there was none.
pub(super) async fn delete_key(conn: &mut PgConnection, tenant: TenantId) -> sqlx::Result<bool> {
    let deleted =
        sqlx::query("delete from control.data_keys where tenant_id = $1").bind(tenant).execute(conn).await?;
    Ok(deleted.rows_affected() == 1)
}

/// Deletes one secret, which the list must no longer name.
pub(super) async fn delete_secret(
    conn: &mut PgConnection,
    tenant: TenantId,
    name: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from control.sealed_secrets where tenant_id = $1 and name = $2")
        .bind(tenant)
        .bind(name)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Records the first master key. Does nothing when there is one, this or another.
pub(super) async fn insert_master(conn: &mut PgConnection, id: &str) -> sqlx::Result<()> {
    sqlx::query("insert into control.master_keys (id, state) values ($1, 'active') on conflict do nothing")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// The master key that wraps new data keys.
pub(super) async fn active_master(conn: &mut PgConnection) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("select id from control.master_keys where state = 'active'").fetch_optional(conn).await
}

/// Every master key, with what hangs on it.
pub(super) async fn master_uses(conn: &mut PgConnection) -> sqlx::Result<Vec<MasterKeyUse>> {
    sqlx::query_as(
        "select m.id, m.state, m.created_at,
                count(distinct k.id) as data_keys, count(s.name) as sealed_values
         from control.master_keys m
         left join control.data_keys k on k.master_key_id = m.id
         left join control.sealed_secrets s on s.tenant_id = k.tenant_id and s.key_id = k.id
         group by m.id
         order by m.created_at, m.id",
    )
    .fetch_all(conn)
    .await
}

/// What this transaction reads is of one moment.
pub(super) async fn one_snapshot(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("set transaction isolation level repeatable read, read only").execute(conn).await?;
    Ok(())
}

/// A data key, and whose it is.
#[derive(FromRow)]
struct OwnedKey {
    tenant_id: TenantId,
    #[sqlx(flatten)]
    key: KeyRow,
}

/// The data keys of many tenants.
pub(super) async fn keys_of(
    conn: &mut PgConnection,
    tenants: &[TenantId],
) -> sqlx::Result<Vec<(TenantId, KeyRow)>> {
    let rows: Vec<OwnedKey> = sqlx::query_as(
        "select tenant_id, id, master_key_id, wrapped, manifest, manifest_generation
         from control.data_keys where tenant_id = any($1)",
    )
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.key)).collect())
}

/// A secret, and whose it is.
#[derive(FromRow)]
struct OwnedSecret {
    tenant_id: TenantId,
    #[sqlx(flatten)]
    secret: SecretRow,
}

/// The secrets of many tenants.
pub(super) async fn secrets_of(
    conn: &mut PgConnection,
    tenants: &[TenantId],
) -> sqlx::Result<Vec<(TenantId, SecretRow)>> {
    let rows: Vec<OwnedSecret> = sqlx::query_as(
        "select tenant_id, name, generation, key_id, sealed
         from control.sealed_secrets where tenant_id = any($1)",
    )
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.secret)).collect())
}

/// The tenants that have a data key, the platform apart.
pub(super) async fn holders(conn: &mut PgConnection) -> sqlx::Result<Vec<TenantId>> {
    sqlx::query_scalar("select tenant_id from control.data_keys where tenant_id <> $1")
        .bind(TenantId::PLATFORM)
        .fetch_all(conn)
        .await
}
