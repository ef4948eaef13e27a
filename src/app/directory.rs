//! Tenants that a server was asked for, kept in memory: a request asks nobody which tenant it is for. What
//! other processes change is dropped by the feed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::App;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How long it is remembered that there is no such tenant: a new one is served this soon at the latest.
const ABSENT: Duration = Duration::from_secs(1);
/// Most names that are remembered as nobody's: anybody can send names.
const MOST_ABSENT: usize = 10_000;

/// The tenants that are known.
#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<TenantId, Arc<Tenant>>,
    by_slug: HashMap<String, TenantId>,
    absent: HashMap<String, Instant>,
    /// Grows with each change that is told: what was read before one is not kept.
    generation: u64,
}

/// What is known of a name.
enum Answer {
    Is(Arc<Tenant>),
    Absent,
    /// Nothing, at this generation.
    Unknown(u64),
}

impl Directory {
    fn look_up(&self, name: &TenantRef) -> Answer {
        let known = self.known();
        let found = match name {
            TenantRef::Id(id) => known.by_id.get(id),
            TenantRef::Slug(slug) => known.by_slug.get(slug.as_str()).and_then(|id| known.by_id.get(id)),
        };
        match found {
            Some(tenant) => Answer::Is(Arc::clone(tenant)),
            None if known.absent.get(&name.to_string()).is_some_and(|at| at.elapsed() < ABSENT) => {
                Answer::Absent
            }
            None => Answer::Unknown(known.generation),
        }
    }

    fn keep(&self, name: &TenantRef, tenant: Option<&Arc<Tenant>>, generation: u64) {
        let mut known = self.known();
        if known.generation != generation {
            return;
        }
        if let Some(tenant) = tenant {
            known.by_slug.insert(tenant.slug.clone(), tenant.id);
            known.by_id.insert(tenant.id, Arc::clone(tenant));
            return;
        }
        if known.absent.len() >= MOST_ABSENT {
            known.absent.clear();
        }
        known.absent.insert(name.to_string(), Instant::now());
    }

    /// Forgets a tenant that was changed.
    pub(super) fn forget(&self, tenant: TenantId) {
        let mut known = self.known();
        known.generation += 1;
        if let Some(old) = known.by_id.remove(&tenant) {
            known.by_slug.remove(&old.slug);
        }
        known.absent.clear();
    }

    /// Forgets all.
    pub(super) fn forget_all(&self) {
        let generation = self.known().generation + 1;
        *self.known() = Known { generation, ..Known::default() };
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let generation = match directory.look_up(name) {
            Answer::Is(tenant) => return Ok(Some(tenant)),
            Answer::Absent => return Ok(None),
            Answer::Unknown(generation) => generation,
        };
        let mut control = self.control().await?;
        let found = tenants::find(&mut control, &Caller::System, name).await?;
        let found = found.and_then(|tenant| tenant.active().ok()).map(Arc::new);
        directory.keep(name, found.as_ref(), generation);
        Ok(found)
    }
}
