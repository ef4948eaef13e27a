//! The intent to make a tenant: all that must be known to finish it, or to take it back.

use serde_json::json;

use super::create::{CreateRequest, Intent, Neighbour, SealedFirst};
use super::error::ProvisioningError;
use super::kinds::steps_of;
use super::locked::LockedTenant;
use super::plan::sealed;
use super::recovery::Opened;
use super::steps;
use super::store::{self, NewTenantIntent, OperationLine, Reserved};
use super::worker::{Provisioning, Worker};
use crate::features::access::Authorized;
use crate::features::placement::{Template, record_template_sets};
use crate::features::secrets::SecretsError;
use crate::features::tenants::{self, Resources};
use crate::infra::cluster;
use crate::infra::crypto::random;
use crate::infra::failpoint;
use crate::kernel::{OperationId, TenantId};

impl Provisioning {
    /// Writes the intent: the row with every name that will be used, the sealed secrets that exist
    /// from the start, the operation with its steps, the audit row. `None` when the slug is taken, or
    /// the place takes no tenants any more.
    pub(super) async fn reserve(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        (request, first): (&CreateRequest, &SealedFirst),
        (cluster, place, template): (&str, &str, &Template),
        kind: &'static str,
    ) -> Result<Option<(Intent, Opened)>, ProvisioningError> {
        let (id, operation) = (TenantId::new(), OperationId::new());
        let name = random::resource_name()?;
        let resources = Resources {
            database_name: name.database(),
            owner_role: name.owner_role(),
            app_role: name.app_role(),
            bucket: name.bucket(),
        };
        let new = &request.tenant;
        let mut secrets = vec![(sealed::PASSWORD, random::role_password()?)];
        secrets.extend(first.clone());
        let borrowed: Vec<_> = secrets.iter().map(|(name, value)| (*name, value)).collect();
        let placed = (cluster, place, template.version);
        let row = |condition: &str| {
            tenants::insert_statement(id, new, &resources, placed, self.secrets.record_key(), condition)
        };
        let facts = json!(new.asked());
        let intent = NewTenantIntent {
            line: OperationLine {
                id: operation,
                tenant: id,
                kind,
                facts: &facts,
                batch: None,
                store: None,
                waits: request.waits_for(self),
                attempt: self.attempt.as_ref(),
            },
            places: (cluster, place),
            row: &row,
            secrets: self.secrets.seal_statement(id, &borrowed, &store::is_written(id)).await?,
            record_template_sets: record_template_sets(id, template),
            steps: &steps::outline(&steps_of(kind, false)),
            action: if kind == "pool" { "pool.fill" } else { "tenant.create" },
        };
        let (written, named) = self.write_and_name(worker, caller, cluster, intent).await?;
        match self.secrets.sealed(id, &written.secrets) {
            // Nothing was to be sealed.
            Err(SecretsError::AlreadySealed(_)) if written.written.is_none() => return Ok(None),
            other => other?,
        }
        let Some((tenant, fence, lock)) = written.written else { return Ok(None) };
        failpoint::pass(|| format!("{kind}.reserve.after")).await;
        let opened = Opened::of(secrets)?;
        let held = LockedTenant::written(tenant, lock);
        let neighbour = Neighbour::Known(written.neighbour);
        let intent = Intent { operation, fence, held, fresh: true, named, neighbour, entering: None };
        Ok(Some((intent, opened)))
    }

    /// Writes the intent, and meanwhile gives the session on the server the operation's name: so that
    /// whoever takes it up from this process can end what it has under way there. Whether it did.
    async fn write_and_name(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        cluster: &str,
        intent: NewTenantIntent<'_>,
    ) -> Result<(Reserved, bool), ProvisioningError> {
        let server = self.server_of(worker, cluster).await?;
        let name = format!("nexus:{}", intent.line.id);
        let named = async { cluster::name_session(&mut *server.admin.lock().await, &name).await };
        let written = async { store::reserve(&mut *worker.control.lock().await, caller, intent).await };
        let (written, named) = tokio::join!(written, named);
        Ok((written?, named.is_ok()))
    }
}
