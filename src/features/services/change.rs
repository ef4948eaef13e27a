//! Registering services.

use serde_json::{Value, json};
use uuid::Uuid;

use super::error::ServiceError;
use super::model::{CALL, LONGEST_URL, MOST_INSTANCES, MOST_SERVICES, NewService};
use super::read::{authorize, realms};
use super::store;
use super::views::{Row, Service, services};
use crate::features::audit;
use crate::features::iam::{Realm, RowsTx};
use crate::infra::db::{PgConnection, Transaction, transaction};
use crate::infra::outbound::{OutboundUrl, Policy};
use crate::kernel::{Caller, RealmRef, TenantId};

/// What a change is written down as.
pub(super) struct Noted {
    pub(super) action: &'static str,
    pub(super) detail: Value,
}

/// What is changed, in a transaction in the control database; `None` where all is so already.
pub(super) trait Change {
    type Made;

    async fn make(
        &self,
        control: &mut PgConnection,
        at: &RealmRef,
    ) -> Result<(Self::Made, Option<Noted>), ServiceError>;
}

/// Makes a change with its rows in the logs. Those of the platform's realm are in its own transaction. Those of a tenant's
/// are written to the platform's log with the change, and then to the realm's.
pub(super) async fn carry_out<C: Change>(
    mut work: RowsTx<'_>,
    at: &RealmRef,
    change: &C,
) -> Result<C::Made, ServiceError> {
    if work.is_platform() {
        let (made, noted) = change.make(work.session(), at).await?;
        if let Some(noted) = noted {
            work.note(noted.action, noted.detail);
        }
        work.commit().await?;
        return Ok(made);
    }
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx: Transaction<'_> = transaction(work.control().await?).await?;
    let (made, noted) = change.make(&mut tx, at).await?;
    let Some(noted) = noted else {
        tx.rollback().await?;
        return Ok(made);
    };
    let (tenant, detail) = (Some(at.id), noted.detail.clone());
    let entry = audit::Entry { caller: &proof, action: noted.action, tenant, operation: None, detail };
    audit::record_and_commit(tx, entry, is_dry_run).await?;
    work.note(noted.action, noted.detail);
    work.commit().await?;
    Ok(made)
}

/// A URL that requests may go to.
pub(super) fn checked(policy: &Policy, text: &str) -> Result<OutboundUrl, ServiceError> {
    let url = policy.url(text).map_err(|error| ServiceError::Url { reason: error.to_string() })?;
    if url.as_str().len() > LONGEST_URL {
        return Err(ServiceError::Url { reason: format!("it is longer than {LONGEST_URL} characters") });
    }
    Ok(url)
}

struct Register<'a> {
    new: &'a NewService,
    permission: &'a str,
    url: OutboundUrl,
    by: String,
}

/// Registers a service at an address: in a tenant's realm for that tenant, in the platform's for all. Where the service is
/// there already, it gets one more address, and what is said of it anew. Where all is so already, nothing changes.
///
/// # Errors
/// Without `service:create`; [`ServiceError::Url`], [`ServiceError::NameTaken`], [`ServiceError::TooMany`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn register(
    realm: &mut Realm,
    caller: &Caller,
    policy: &Policy,
    new: &NewService,
) -> Result<Service, ServiceError> {
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "service:create")?;
    if let Some(permission) = new.permission.as_ref().filter(|permission| permission.is_pattern()) {
        return Err(ServiceError::Pattern { permission: permission.to_string() });
    }
    let permission = new.permission.as_ref().map_or(CALL, |permission| permission.as_str());
    let url = checked(policy, &new.url)?;
    carry_out(work, at, &Register { new, permission, url, by: caller.to_string() }).await
}

impl Register<'_> {
    fn is_of(&self, row: &Row) -> bool {
        row.version == self.new.version.number()
    }

    fn is_said_of(&self, row: &Row) -> bool {
        row.permission == self.permission
            && row.description == self.new.description.as_str()
            && row.timeout_ms == self.new.timeout.millis()
    }

    /// Whether there is room for it among what a realm has.
    async fn require_room(
        &self,
        control: &mut PgConnection,
        (tenant, own): (TenantId, &[Row]),
    ) -> Result<(), ServiceError> {
        if own.is_empty() && store::count(control, tenant).await? >= MOST_SERVICES {
            return Err(ServiceError::TooMany { most: MOST_SERVICES, what: "services" });
        }
        let is_new = own.iter().all(|row| row.url != self.url.as_str());
        if is_new && i64::try_from(own.len()).unwrap_or(i64::MAX) >= MOST_INSTANCES {
            return Err(ServiceError::TooMany { most: MOST_INSTANCES, what: "addresses of this service" });
        }
        Ok(())
    }
}

impl Change for Register<'_> {
    type Made = Service;

    async fn make(
        &self,
        control: &mut PgConnection,
        at: &RealmRef,
    ) -> Result<(Service, Option<Noted>), ServiceError> {
        store::lock(control).await?;
        let name = self.new.name.as_str();
        let named = store::named(control, &realms(at), name).await?;
        if !at.is_platform() && named.iter().any(|row| row.tenant_id == TenantId::PLATFORM) {
            return Err(ServiceError::NameTaken { name: name.to_owned() });
        }
        let own: Vec<Row> = named.into_iter().filter(|row| self.is_of(row)).collect();
        if own.iter().any(|row| self.is_said_of(row) && row.url == self.url.as_str()) {
            let found = services(&own, Some(at.id)).pop();
            return Ok((found.ok_or_else(|| ServiceError::not_found(&self.new.name, at))?, None));
        }
        self.require_room(control, (at.id, &own)).await?;
        let row = (Uuid::now_v7(), at.id, self.by.as_str());
        let id = store::put(control, row, (self.new, self.permission)).await?;
        store::put_instance(control, (Uuid::now_v7(), id), self.url.as_str()).await?;
        let mut rows = store::named(control, &[at.id], name).await?;
        rows.retain(|row| row.id == id);
        let made = services(&rows, Some(at.id)).pop();
        let made = made.ok_or_else(|| ServiceError::not_found(&self.new.name, at))?;
        let detail = json!({
            "service": name, "version": made.version, "host": self.url.host(), "permission": self.permission,
        });
        Ok((made, Some(Noted { action: "service.register", detail })))
    }
}
