//! The SQL of operators' access. The same in a tenant's realm and, for the copy, in the platform's.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::OperatorGrant;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{TenantId, UserId};

/// Writes a grant; the role's id only where it counts.
pub(super) async fn insert(
    realm: &mut PgConnection,
    grant: &OperatorGrant,
    role: Option<Uuid>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into nexus.operator_grants (id, operator_id, tenant_id, role_id, role, reason, granted_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(grant.id)
    .bind(grant.operator_id)
    .bind(grant.tenant_id)
    .bind(role)
    .bind(&grant.role)
    .bind(&grant.reason)
    .bind(&grant.granted_by)
    .bind(grant.created_at)
    .bind(grant.expires_at)
    .execute(realm)
    .await?;
    Ok(())
}

/// Ends an operator's grants; gives their ids.
pub(super) async fn revoke(
    realm: &mut PgConnection,
    operator: UserId,
    tenant: TenantId,
) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "update nexus.operator_grants set revoked_at = now()
         where operator_id = $1 and tenant_id = $2 and revoked_at is null and expires_at > now() returning id",
    )
    .bind(operator)
    .bind(tenant)
    .fetch_all(realm)
    .await?)
}

/// The roles that an operator has in a tenant's realm at this moment, by their names, and until when.
pub(super) async fn open(
    realm: &mut PgConnection,
    operator: UserId,
    tenant: TenantId,
) -> Result<Vec<(String, OffsetDateTime)>, DbError> {
    Ok(sqlx::query_as(
        "select roles.name, max(operator_grants.expires_at)
         from nexus.operator_grants join nexus.roles on roles.id = operator_grants.role_id
         where operator_grants.operator_id = $1 and operator_grants.tenant_id = $2
           and operator_grants.revoked_at is null and operator_grants.expires_at > now()
         group by roles.name order by roles.name",
    )
    .bind(operator)
    .bind(tenant)
    .fetch_all(realm)
    .await?)
}

/// All grants, the newest first.
pub(super) async fn list(realm: &mut PgConnection) -> Result<Vec<OperatorGrant>, DbError> {
    Ok(sqlx::query_as(
        "select id, operator_id, '' as operator, tenant_id, role, reason, granted_by, created_at, expires_at,
                case when revoked_at is not null then 'revoked' when expires_at <= now() then 'over' else 'open' end as state
         from nexus.operator_grants order by created_at desc, id desc",
    )
    .fetch_all(realm)
    .await?)
}

/// Operators' addresses.
pub(super) async fn emails(
    control: &mut PgConnection,
    ids: &[Uuid],
) -> Result<BTreeMap<UserId, String>, DbError> {
    let rows: Vec<(UserId, String)> =
        sqlx::query_as("select id, email from nexus.users where id = any($1) and erased_at is null")
            .bind(ids)
            .fetch_all(control)
            .await?;
    Ok(rows.into_iter().collect())
}
