//! The SQL of keys and sealed values.

use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::infra::db::DbError;
use crate::kernel::TenantId;

/// A tenant's wrapped data key, and the sealed list of its secrets.
#[derive(Debug, FromRow)]
pub(super) struct DataKeyRow {
    pub(super) id: Uuid,
    pub(super) master_key_id: String,
    pub(super) wrapped: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) manifest_generation: i64,
}

/// One sealed value.
#[derive(Debug, FromRow)]
pub(super) struct SecretRow {
    pub(super) name: String,
    pub(super) generation: i64,
    pub(super) sealed: Vec<u8>,
}

/// Writes a new tenant's data key and its first sealed values, in one statement.
pub(super) async fn insert_tenant(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &DataKeyRow,
    secrets: &[SecretRow],
) -> Result<(), DbError> {
    let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    let sealed: Vec<&[u8]> = secrets.iter().map(|secret| secret.sealed.as_slice()).collect();
    let generations: Vec<i64> = secrets.iter().map(|secret| secret.generation).collect();
    sqlx::query(
        "with key as (
             insert into control.data_keys (id, tenant_id, master_key_id, wrapped, manifest, manifest_generation)
             values ($1, $2, $3, $4, $5, $6) returning id
         )
         insert into control.sealed_secrets (tenant_id, name, generation, key_id, sealed)
         select $2, secret.name, secret.generation, key.id, secret.sealed
         from key, unnest($7::text[], $8::bigint[], $9::bytea[]) as secret (name, generation, sealed)",
    )
    .bind(key.id)
    .bind(tenant)
    .bind(&key.master_key_id)
    .bind(&key.wrapped)
    .bind(&key.manifest)
    .bind(key.manifest_generation)
    .bind(names)
    .bind(generations)
    .bind(sealed)
    .execute(connection)
    .await?;
    Ok(())
}

/// A tenant's data key; `lock` keeps other writers of its secrets out until the transaction ends.
pub(super) async fn data_key(
    connection: &mut PgConnection,
    tenant: TenantId,
    lock: bool,
) -> Result<Option<DataKeyRow>, DbError> {
    let plain = "select id, master_key_id, wrapped, manifest, manifest_generation
                 from control.data_keys where tenant_id = $1";
    let locked = "select id, master_key_id, wrapped, manifest, manifest_generation
                  from control.data_keys where tenant_id = $1 for update";
    Ok(sqlx::query_as(if lock { locked } else { plain }).bind(tenant).fetch_optional(connection).await?)
}

/// A tenant's sealed values.
pub(super) async fn secrets(
    connection: &mut PgConnection,
    tenant: TenantId,
) -> Result<Vec<SecretRow>, DbError> {
    Ok(sqlx::query_as(
        "select name, generation, sealed from control.sealed_secrets where tenant_id = $1 order by name",
    )
    .bind(tenant)
    .fetch_all(connection)
    .await?)
}

/// Writes the manifest and one sealed value, or takes that value away.
pub(super) async fn write(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &DataKeyRow,
    (name, secret): (&str, Option<&SecretRow>),
) -> Result<(), DbError> {
    sqlx::query("update control.data_keys set manifest = $2, manifest_generation = $3 where id = $1")
        .bind(key.id)
        .bind(&key.manifest)
        .bind(key.manifest_generation)
        .execute(&mut *connection)
        .await?;
    let statement = match secret {
        None => "delete from control.sealed_secrets where tenant_id = $1 and name = $2 and $3::bigint is null
                 and $4::uuid is not null and $5::bytea is null",
        Some(_) => {
            "insert into control.sealed_secrets (tenant_id, name, generation, key_id, sealed)
             values ($1, $2, $3, $4, $5)
             on conflict (tenant_id, name) do update set generation = excluded.generation, key_id = excluded.key_id,
                 sealed = excluded.sealed, updated_at = now()"
        }
    };
    sqlx::query(statement)
        .bind(tenant)
        .bind(name)
        .bind(secret.map(|secret| secret.generation))
        .bind(key.id)
        .bind(secret.map(|secret| secret.sealed.as_slice()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a tenant's sealed values and data key away: what was sealed can never be opened again.
pub(super) async fn erase(connection: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    sqlx::query("delete from control.sealed_secrets where tenant_id = $1")
        .bind(tenant)
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from control.data_keys where tenant_id = $1")
        .bind(tenant)
        .execute(connection)
        .await?;
    Ok(())
}

/// The active master key's name.
pub(super) async fn active_master(connection: &mut PgConnection) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar("select id from control.master_keys where state = 'active'")
        .fetch_optional(connection)
        .await?)
}

/// Notes the master key that is used from now on.
pub(super) async fn insert_master(connection: &mut PgConnection, id: &str) -> Result<(), DbError> {
    sqlx::query("insert into control.master_keys (id, state) values ($1, 'active')")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// What a master key holds.
#[derive(Debug, FromRow)]
pub(super) struct MasterRow {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) data_keys: i64,
    pub(super) sealed_values: i64,
}

/// All master keys, and how much each of them holds.
pub(super) async fn masters(connection: &mut PgConnection) -> Result<Vec<MasterRow>, DbError> {
    Ok(sqlx::query_as(
        "select master.id, master.state, count(distinct key.id) as data_keys, count(secret.name) as sealed_values
         from control.master_keys as master
         left join control.data_keys as key on key.master_key_id = master.id
         left join control.sealed_secrets as secret on secret.key_id = key.id
         group by master.id, master.state, master.created_at order by master.created_at",
    )
    .fetch_all(connection)
    .await?)
}
