//! The warm pool: tenants that are made before anybody asks for them, and claimed by the next
//! creation, so that it has little left to do.

mod store;

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::change::{Change, ChangeOutcome};
use super::create::{CreateRequest, Intent, Neighbour, SealedFirst};
use super::error::ProvisioningError;
use super::locked::LockedTenant;
use super::plan::open_ahead;
use super::recovery::Opened;
use super::steps;
use super::store::OperationLine;
use super::worker::{Provisioning, Worker};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::placement::{PlacementError, PlacementRequest};
use crate::features::tenants::{self, NewTenant, Profile, TenantRef};
use crate::infra::crypto::random;
use crate::infra::db::{PgConnection, REALM, durable_transaction};
use crate::infra::failpoint;
use crate::infra::saga::Interrupted;
use crate::kernel::{Caller, Event, Labels, OperationId, Progress};

/// A pool, and how full it is.
#[derive(Debug, Clone, sqlx::FromRow, serde::Serialize)]
pub struct PoolView {
    pub cluster: String,
    pub store: String,
    /// How many are kept ready.
    pub size: i32,
    /// How many are ready.
    pub ready: i64,
    /// How many are at an older schema version, and are never claimed.
    pub outdated: i64,
}

/// What a filling did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Filled {
    pub cluster: String,
    pub store: String,
    pub created: i64,
    /// How many were taken away: too old, or too many.
    pub removed: i64,
}

impl Provisioning {
    /// All pools.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn pools(&self, worker: &Worker, caller: &Caller) -> Result<Vec<PoolView>, ProvisioningError> {
        let mut control = worker.control.lock().await;
        access::authorize(&mut control, caller, &rights::POOL_READ, About::Platform).await?;
        Ok(store::pools(&mut control, REALM.newest()).await?)
    }

    /// The same, of the control database alone.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn list_pools(
        control: &mut PgConnection,
        caller: &Caller,
    ) -> Result<Vec<PoolView>, ProvisioningError> {
        access::authorize(control, caller, &rights::POOL_READ, About::Platform).await?;
        Ok(store::pools(control, REALM.newest()).await?)
    }

    /// Sets how many tenants are kept ready at a place. Makes none: see [`Provisioning::fill_pool`].
    ///
    /// # Errors
    /// When there is no such place.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn set_pool(
        &self,
        worker: &Worker,
        caller: &Caller,
        (cluster, place): (&str, &str),
        size: i32,
    ) -> Result<(), ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::POOL_UPDATE, About::Platform).await?;
        let mut control = worker.control.lock().await;
        self.placement.find_cluster(&mut control, cluster).await?;
        self.placement.find_store(&mut control, place).await?;
        let mut tx = durable_transaction(&mut control).await?;
        store::set(&mut tx, (cluster, place), size).await?;
        let detail = json!({ "cluster": cluster, "store": place, "size": size });
        let entry = audit::Entry { caller, action: "pool.set", tenant: None, operation: None, detail };
        audit::record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Brings a pool to its size, at the newest schema version, `jobs` at a time: finishes what was
    /// begun, takes away what is too old or too many, makes what is missing.
    ///
    /// # Errors
    /// The first tenant's that cannot be made or taken away; [`Interrupted`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn fill_pool(
        &self,
        worker: &Worker,
        caller: &Caller,
        pool: &PoolView,
        jobs: usize,
        (progress, stop): (&dyn Progress, &CancellationToken),
    ) -> Result<Filled, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::POOL_UPDATE, About::Platform).await?;
        let place = (pool.cluster.as_str(), pool.store.as_str());
        let mut filled =
            Filled { cluster: pool.cluster.clone(), store: pool.store.clone(), ..Filled::default() };
        let begun = store::unfinished(&mut *worker.control.lock().await, place).await?;
        for tenant in begun {
            let name = TenantRef::Id(tenant);
            // Another process may be at work on it.
            match Box::pin(self.repair_for(worker, caller, &name, progress, stop)).await {
                Ok(_) | Err(ProvisioningError::InProgress { running: true, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let wanted = (REALM.newest(), pool.size);
        let surplus = store::surplus(&mut *worker.control.lock().await, place, wanted).await?;
        for tenant in surplus {
            let name = TenantRef::Id(tenant);
            let gone = self.change(worker, caller, &name, &Change::Discard, progress, stop);
            if Box::pin(gone).await?.outcome == ChangeOutcome::Purged {
                filled.removed += 1;
            }
        }
        let now = store::pools(&mut *worker.control.lock().await, wanted.0).await?;
        let ready = now.iter().find(|it| (it.cluster.as_str(), it.store.as_str()) == place);
        let missing = i64::from(pool.size) - ready.map_or(0, |it| it.ready);
        let left = AtomicI64::new(missing.max(0));
        progress.event(Event::Total(u64::try_from(missing.max(0)).unwrap_or(0)));
        let mut crew = vec![worker.clone()];
        for _ in 1..jobs.min(usize::try_from(missing.max(1)).unwrap_or(1)) {
            crew.push(self.another_worker().await?);
        }
        let work = crew.iter().map(|worker| self.fill_with(worker, caller, place, &left, (progress, stop)));
        for made in futures_util::future::join_all(work).await {
            filled.created += made?;
        }
        Ok(filled)
    }

    async fn fill_with(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        place: (&str, &str),
        left: &AtomicI64,
        (progress, stop): (&dyn Progress, &CancellationToken),
    ) -> Result<i64, ProvisioningError> {
        let mut made = 0;
        while left.fetch_sub(1, Ordering::Relaxed) > 0 {
            if stop.is_cancelled() {
                return Err(Interrupted.into());
            }
            let request = unnamed(place)?;
            let server = self.server_of(worker, place.0).await?;
            let placed = (place.0, place.1, server.template(self, worker).await?);
            let reserved = Box::pin(self.reserve(worker, caller, (&request, &None), placed, "pool")).await?;
            let Some((intent, opened)) = reserved else {
                let (cluster, store) = (place.0.to_owned(), place.1.to_owned());
                return Err(PlacementError::NoRoomAt { cluster, store }.into());
            };
            let subject = intent.held.tenant().slug.clone();
            let ended = Box::pin(self.drive(worker, intent, "pool", opened, progress, stop)).await;
            progress.event(Event::Done { subject, ok: ended.is_ok() });
            ended?;
            made += 1;
        }
        Ok(made)
    }

    /// Takes a pooled tenant that fits the wish for this request, and writes the intent to finish
    /// it. `None` when there is none, or the slug is taken.
    pub(super) async fn claim(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        (request, first): (&CreateRequest, &SealedFirst),
    ) -> Result<Option<(Intent, Opened)>, ProvisioningError> {
        let operation = OperationId::new();
        let new = &request.tenant;
        let mut control = worker.control.lock().await;
        let mut tx = durable_transaction(&mut control).await?;
        let claimed =
            tenants::claim(&mut tx, new, request.wish.parts(), REALM.newest(), self.secrets.record_key())
                .await?;
        let Some(tenant) = claimed else {
            tx.rollback().await?;
            return Ok(None);
        };
        // It takes a while; nothing is changed in it before the intent is written.
        let server = worker.at_hand(&tenant.cluster).filter(|_| new.admin_email.is_some());
        let entering = server.map(|server| {
            let inside = server.database(&tenant.resources.database_name);
            open_ahead(async move { inside.connect(&format!("nexus:{operation}")).await })
        });
        if let Some((name, value)) = first {
            self.secrets.put(&mut tx, tenant.id, name, value).await?;
        }
        let mut facts = new.asked();
        facts.insert("from_pool".to_owned(), true.into());
        let facts = facts.into();
        let (store, kind, action) = (None, "claim", "tenant.create");
        let waits = request.waits_for(self);
        let line = OperationLine {
            id: operation,
            tenant: tenant.id,
            kind,
            facts: &facts,
            batch: None,
            store,
            waits,
            attempt: self.attempt.as_ref(),
        };
        let steps = steps::outline(&steps::claim());
        let taken = super::store::take_with_intent(&mut tx, caller, &line, &steps, action).await?;
        let Some((fence, lock)) = taken else {
            tx.rollback().await?;
            return Ok(None);
        };
        tx.commit().await?;
        failpoint::pass(|| "claim.reserve.after".to_owned()).await;
        let opened = Opened::of(first.clone())?;
        let held = LockedTenant::written(tenant, lock);
        let intent = Intent {
            operation,
            fence,
            held,
            fresh: true,
            named: false,
            neighbour: Neighbour::Unknown,
            entering,
        };
        Ok(Some((intent, opened)))
    }
}

/// A tenant that nobody has asked for yet.
fn unnamed((cluster, store): (&str, &str)) -> Result<CreateRequest, ProvisioningError> {
    // Not the name of its database: a slug is a label, and this one is given up.
    let slug = format!("pool-{}", random::resource_name()?.database().trim_start_matches("nx"));
    let slug = slug.parse().map_err(|_| ProvisioningError::NotUsable("a slug for the pool".to_owned()))?;
    Ok(CreateRequest {
        tenant: NewTenant {
            slug,
            name: Some("ready for use".to_owned()),
            admin_email: None,
            labels: Labels::new(),
            profile: Profile::default(),
        },
        admin_password: None,
        detach: false,
        wait: false,
        wish: PlacementRequest {
            cluster: Some(cluster.to_owned()),
            store: Some(store.to_owned()),
            labels: Labels::new(),
        },
    })
}
