//! The SQL of tenants' mail servers, in the control database.

use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{MailProvider, MailUser, NewProvider};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;
use crate::settings::SmtpTls;

const COLUMNS: &str = "host, port, tls, user_name, from_address, reply_to, updated_by, updated_at, version";

#[derive(FromRow)]
struct Row {
    host: String,
    port: i32,
    tls: String,
    user_name: Option<String>,
    from_address: String,
    reply_to: Option<String>,
    updated_by: String,
    updated_at: OffsetDateTime,
    version: Uuid,
}

impl From<Row> for MailProvider {
    fn from(row: Row) -> Self {
        let tls = match row.tls.as_str() {
            "implicit" => SmtpTls::Implicit,
            "none" => SmtpTls::None,
            _ => SmtpTls::StartTls,
        };
        Self {
            host: row.host,
            port: u16::try_from(row.port).unwrap_or_default(),
            tls,
            user: row.user_name,
            from: row.from_address,
            reply_to: row.reply_to,
            updated_by: row.updated_by,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

/// That of a tenant.
pub(super) async fn find(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<MailProvider>, DbError> {
    let row: Option<Row> = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from control.mail_providers where tenant_id = $1"
    )))
    .bind(tenant)
    .fetch_optional(control)
    .await?;
    Ok(row.map(Into::into))
}

/// Keeps that of a tenant as it is until the end of the transaction.
pub(super) async fn lock(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    sqlx::query("select from control.mail_providers where tenant_id = $1 for update")
        .bind(tenant)
        .execute(control)
        .await?;
    Ok(())
}

/// Writes one, in the place of another.
pub(super) async fn put(
    control: &mut PgConnection,
    tenant: TenantId,
    (new, port, tls): (&NewProvider, u16, SmtpTls),
    by: &str,
) -> Result<MailProvider, DbError> {
    let row: Row = sqlx::query_as(AssertSqlSafe(format!(
        "insert into control.mail_providers
             (tenant_id, host, port, tls, user_name, from_address, reply_to, version, updated_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, left($9, 200))
         on conflict (tenant_id) do update
             set host = excluded.host, port = excluded.port, tls = excluded.tls, user_name = excluded.user_name,
                 from_address = excluded.from_address, reply_to = excluded.reply_to, version = excluded.version,
                 updated_by = excluded.updated_by, updated_at = now()
         returning {COLUMNS}"
    )))
    .bind(tenant)
    .bind(new.host.as_str())
    .bind(i32::from(port))
    .bind(tls.word())
    .bind(new.user.as_ref().map(MailUser::as_str))
    .bind(new.from.to_string())
    .bind(new.reply_to.as_ref().map(ToString::to_string))
    .bind(Uuid::now_v7())
    .bind(by)
    .fetch_one(control)
    .await?;
    Ok(row.into())
}

/// Deletes that of a tenant.
pub(super) async fn delete(control: &mut PgConnection, tenant: TenantId) -> Result<(), DbError> {
    sqlx::query("delete from control.mail_providers where tenant_id = $1")
        .bind(tenant)
        .execute(control)
        .await?;
    Ok(())
}
