//! Services as doors show them.

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{ServiceHealth, ServiceScope};
use crate::kernel::TenantId;

/// A version of a service.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Service {
    #[schema(example = "mail.preview")]
    pub name: String,
    #[schema(example = 1)]
    pub version: i32,
    pub scope: ServiceScope,
    /// What a caller must hold in its own realm.
    #[schema(example = "service:call")]
    pub permission: String,
    pub description: String,
    /// How long it may take, in milliseconds.
    #[schema(example = 5000)]
    pub timeout_ms: i32,
    pub health: ServiceHealth,
    /// How many addresses it has.
    pub instance_count: usize,
    /// How many of them are healthy.
    pub healthy_count: usize,
    /// Where it answers; `null` for those who may not register services, and for those of the platform in the realm of
    /// a tenant.
    pub instances: Option<Vec<ServiceInstance>>,
    /// Who registered it, as the audit log names them.
    #[schema(example = "user:01a2240a-8d9e-7cb2-8a5b-3c8c4f1e7a10")]
    pub created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When its permission, description or time was changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// An address of a service.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ServiceInstance {
    #[schema(example = "https://preview.acme.example/render")]
    pub url: String,
    pub health: ServiceHealth,
    #[serde(with = "time::serde::rfc3339")]
    pub registered_at: OffsetDateTime,
    /// When it said last that it is there; `null` where it never did, and only calls tell.
    #[serde(with = "time::serde::rfc3339::option")]
    pub seen_at: Option<OffsetDateTime>,
    /// Since when calls fail; `null` where they do not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub failing_since: Option<OffsetDateTime>,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RemovedService {
    #[schema(example = "mail.preview")]
    pub name: String,
    /// The versions that there are no more.
    pub versions: Vec<i32>,
    /// The addresses that nothing is sent to any more.
    pub urls: Vec<String>,
}

/// A service and one of its addresses, as rows have it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) tenant_id: TenantId,
    pub(super) name: String,
    pub(super) version: i32,
    pub(super) permission: String,
    pub(super) description: String,
    pub(super) timeout_ms: i32,
    pub(super) created_by: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
    pub(super) instance_id: Uuid,
    pub(super) url: String,
    pub(super) registered_at: OffsetDateTime,
    pub(super) seen_at: Option<OffsetDateTime>,
    pub(super) failing_since: Option<OffsetDateTime>,
    pub(super) is_silent: bool,
}

impl Row {
    pub(super) fn health(&self) -> ServiceHealth {
        match self.failing_since {
            _ if self.is_silent => ServiceHealth::Silent,
            Some(_) => ServiceHealth::Failing,
            None => ServiceHealth::Healthy,
        }
    }

    fn instance(&self) -> ServiceInstance {
        ServiceInstance {
            url: self.url.clone(),
            health: self.health(),
            registered_at: self.registered_at,
            seen_at: self.seen_at,
            failing_since: self.failing_since,
        }
    }
}

/// Rows that are seen in a realm: where the platform has a service of a name, a tenant's own of that name is not used.
/// Whoever asks for the platform's would else be told to one that the tenant chose.
pub(super) fn seen(mut rows: Vec<Row>) -> Vec<Row> {
    let names: Vec<String> =
        rows.iter().filter(|row| row.tenant_id == TenantId::PLATFORM).map(|row| row.name.clone()).collect();
    rows.retain(|row| row.tenant_id == TenantId::PLATFORM || !names.contains(&row.name));
    rows
}

/// The services of rows, by name and version; addresses are shown of those of a realm, where they are to be.
pub(super) fn services(rows: &[Row], shown_of: Option<TenantId>) -> Vec<Service> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|a, b| {
        (&a.name, a.version, a.id, a.instance_id).cmp(&(&b.name, b.version, b.id, b.instance_id))
    });
    rows.chunk_by(|a, b| a.id == b.id).map(|rows| service(rows, shown_of)).collect()
}

fn service(rows: &[&Row], shown_of: Option<TenantId>) -> Service {
    let row = rows[0];
    let health = rows.iter().map(|row| row.health());
    let is_platform = row.tenant_id == TenantId::PLATFORM;
    Service {
        name: row.name.clone(),
        version: row.version,
        scope: if is_platform { ServiceScope::Platform } else { ServiceScope::Tenant },
        permission: row.permission.clone(),
        description: row.description.clone(),
        timeout_ms: row.timeout_ms,
        health: health.clone().min().unwrap_or(ServiceHealth::Silent),
        instance_count: rows.len(),
        healthy_count: health.filter(|health| *health == ServiceHealth::Healthy).count(),
        instances: (shown_of == Some(row.tenant_id)).then(|| rows.iter().map(|row| row.instance()).collect()),
        created_by: row.created_by.clone(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
