//! The SQL of planning: which tenants lack what, by the registry.

use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;

use crate::features::tenants::TenantState;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// A tenant that lacks something, or that is in no state to be asked.
#[derive(Debug, FromRow)]
pub(super) struct Behind {
    pub(super) id: TenantId,
    pub(super) slug: String,
    pub(super) cluster: String,
    pub(super) state: TenantState,
    pub(super) schema_version: Option<i64>,
    /// `{"SET": [VERSION, FILES]}`.
    pub(super) versions: Option<Json<std::collections::BTreeMap<String, (i64, i64)>>>,
}

/// Of these files, `[{"set", "version", "checksum"}]`, the first of which another text was applied to all
/// tenants, or by a run to one of these that has it still, with the checksum of that.
pub(super) async fn changed(
    control: &mut PgConnection,
    tenants: &[TenantId],
    files: &Value,
) -> Result<Option<(String, i64, Vec<u8>)>, DbError> {
    Ok(sqlx::query_as(
        "select file.set_name, file.version, file.checksum
         from control.migration_files as file
         join jsonb_to_recordset($2) as it (set text, version bigint, checksum text)
           on it.set = file.set_name and it.version = file.version
         cross join lateral (select jsonb_build_object('set', it.set, 'version', it.version)) as this (file)
         where file.set_name <> 'nexus' and file.checksum <> decode(it.checksum, 'hex')
           and (file.released or exists (
                select from control.tenant_versions as has
                join control.run_tenants as went using (tenant_id) join control.runs on runs.id = went.run_id
                where has.tenant_id = any($1) and has.set_name = file.set_name and has.version >= file.version
                  and runs.kind = 'forward' and went.applied @> jsonb_build_array(this.file)
                  and runs.plan -> 'files' @> jsonb_build_array(
                      this.file || jsonb_build_object('checksum', encode(file.checksum, 'hex')))
                  and not exists (
                      select from control.run_tenants as came join control.runs as later on later.id = came.run_id
                      where came.tenant_id = went.tenant_id and later.kind = 'back'
                        and later.created_at > runs.created_at and came.applied @> jsonb_build_array(this.file))))
         order by file.set_name, file.version limit 1",
    )
    .bind(tenants)
    .bind(files)
    .fetch_optional(control)
    .await?)
}

/// Of these tenants those that lack something of what is wanted, `[{"set_name", "version",
/// "files"}]`, and those that cannot be asked; by slug. `failed` leaves those that failed when they
/// were last tried, or the others.
pub(super) async fn behind(
    control: &mut PgConnection,
    tenants: &[TenantId],
    wanted: &Value,
    failed: Option<bool>,
) -> Result<Vec<Behind>, DbError> {
    Ok(sqlx::query_as(
        "with wanted as (
             select * from jsonb_to_recordset($2) as it (set_name text, version bigint, files integer)
         )
         select tenant.id, tenant.slug, tenant.cluster, tenant.state, tenant.schema_version,
                (select jsonb_object_agg(set_name, jsonb_build_array(version, files))
                 from control.tenant_versions where tenant_id = tenant.id) as versions
         from control.tenants as tenant
         where tenant.id = any($1)
           and (tenant.state not in ('active', 'suspended', 'pooled') or exists (
                select from wanted where case when set_name = 'nexus'
                    then coalesce(tenant.schema_version, 0) < wanted.version
                    else not exists (
                        select from control.tenant_versions as has
                        where has.tenant_id = tenant.id and has.set_name = wanted.set_name
                          and has.version >= wanted.version and has.files >= wanted.files) end))
           and ($3::boolean is null or $3 = coalesce((
                select run_tenants.state = 'failed' from control.run_tenants join control.runs on runs.id = run_id
                where tenant_id = tenant.id order by runs.created_at desc limit 1), false))
         order by tenant.slug",
    )
    .bind(tenants)
    .bind(wanted)
    .bind(failed)
    .fetch_all(control)
    .await?)
}
