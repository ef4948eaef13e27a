//! Tenants that a server was asked for, kept in memory: a request asks nobody which tenant it is for. What
//! other processes change is dropped by the feed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::App;
use super::cache::{Cache, CacheTicket};
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How long it is remembered that there is no such tenant: a new one is served this soon at the latest.
const ABSENT: Duration = Duration::from_secs(1);
/// Most names that are remembered as nobody's: anybody can send names.
const MOST_ABSENT: usize = 10_000;

/// The tenants that are known.
#[derive(Default)]
pub(super) struct Directory(Cache<Known>);

#[derive(Default)]
struct Known {
    by_id: HashMap<TenantId, Arc<Tenant>>,
    by_slug: HashMap<String, TenantId>,
    absent: HashMap<String, Instant>,
}

/// Whose a name is.
enum Owner {
    Tenant(Arc<Tenant>),
    Nobody,
}

impl Known {
    fn find(&self, name: &TenantRef) -> Option<Owner> {
        let found = match name {
            TenantRef::Id(id) => self.by_id.get(id),
            TenantRef::Slug(slug) => self.by_slug.get(slug.as_str()).and_then(|id| self.by_id.get(id)),
        };
        let is_absent = || self.absent.get(&name.to_string()).is_some_and(|at| at.elapsed() < ABSENT);
        match found {
            Some(tenant) => Some(Owner::Tenant(Arc::clone(tenant))),
            None => is_absent().then_some(Owner::Nobody),
        }
    }

    fn insert(&mut self, name: &TenantRef, tenant: Option<&Arc<Tenant>>) {
        if let Some(tenant) = tenant {
            self.by_slug.insert(tenant.slug.clone(), tenant.id);
            self.by_id.insert(tenant.id, Arc::clone(tenant));
            return;
        }
        if self.absent.len() >= MOST_ABSENT {
            self.absent.clear();
        }
        self.absent.insert(name.to_string(), Instant::now());
    }
}

impl Directory {
    fn look_up(&self, name: &TenantRef) -> Result<Owner, CacheTicket> {
        self.0.get(|known| known.find(name))
    }

    fn keep(&self, reading: CacheTicket, name: &TenantRef, tenant: Option<&Arc<Tenant>>) {
        self.0.keep(reading, |known| known.insert(name, tenant));
    }

    /// Forgets a tenant that was changed.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.0.change(|known| {
            if let Some(old) = known.by_id.remove(&tenant) {
                known.by_slug.remove(&old.slug);
            }
            known.absent.clear();
        });
    }

    /// Forgets all.
    pub(super) fn forget_all(&self) {
        self.0.change(|known| *known = Known::default());
    }
}

impl App {
    /// Whether a tenant that was known is in use now; it is forgotten where it is not.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn is_in_use(&self, tenant: &Tenant) -> Result<bool, AnyFailure> {
        let mut control = self.control().await?;
        let found = tenants::find(&mut control, &Caller::System, &TenantRef::Id(tenant.id)).await?;
        let in_use = found.is_some_and(|found| found.active().is_ok());
        if !in_use {
            self.shared().directory.forget(tenant.id);
        }
        Ok(in_use)
    }

    /// The tenant of a name that a request gave; `None` where there is none, or it is not in use. Good for as
    /// long as [`App::follow`] follows what other processes change.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn tenant(&self, name: &TenantRef) -> Result<Option<Arc<Tenant>>, AnyFailure> {
        let directory = &self.shared().directory;
        let reading = match directory.look_up(name) {
            Ok(Owner::Tenant(tenant)) => return Ok(Some(tenant)),
            Ok(Owner::Nobody) => return Ok(None),
            Err(reading) => reading,
        };
        let mut control = self.control().await?;
        let found = tenants::find(&mut control, &Caller::System, name).await?;
        let found = found.and_then(|tenant| tenant.active().ok()).map(Arc::new);
        directory.keep(reading, name, found.as_ref());
        Ok(found)
    }
}
