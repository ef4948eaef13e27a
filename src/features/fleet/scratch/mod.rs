//! Databases that are there for a moment: recorded before they are made, dropped by who made them
//! or, where that one died, by the next who holds the same lock.

use std::time::Duration;

use super::asking::Scope;
use super::error::FleetError;
use crate::features::placement::{Cluster, PlacementError};
use crate::infra::cluster::{create_scratch, create_scratch_login, drop_scratch, fence, name_session};
use crate::infra::crypto::{random, scram};
use crate::infra::db::{AdvisoryLock, LockKey, PgConnection};
use crate::infra::failpoint;
use crate::kernel::{ExposeSecret, SecretString};

mod store;

/// How long to wait for another process that does the same on the same server.
const SCRATCH_LOCK_TIMEOUT: Duration = Duration::from_mins(2);

/// The right to make scratch databases for one purpose on one server; one process has it at a time.
pub(super) struct Workshop {
    cluster: String,
    purpose: &'static str,
    mark: String,
    lock: AdvisoryLock,
}

impl Workshop {
    /// Waits for the right, ends what a dead process has under way on the server, and drops what it
    /// left. `admin` bears the workshop's name from here on.
    ///
    /// # Errors
    /// [`PlacementError::Busy`] when another process has the right for two minutes.
    pub(super) async fn open(
        reach: Scope<'_>,
        control: &mut PgConnection,
        admin: &mut PgConnection,
        (cluster, purpose): (&Cluster, &'static str),
    ) -> Result<Self, FleetError> {
        let key = LockKey::of(purpose, &cluster.name);
        let lock =
            AdvisoryLock::wait(control, key, SCRATCH_LOCK_TIMEOUT).await?.ok_or(PlacementError::Busy)?;
        let application = format!("nexus:{purpose}:{}", reach.installation.id);
        fence(admin, &application).await?;
        name_session(admin, &application).await?;
        let mark = format!("{}{purpose}", reach.installation.marks());
        let workshop = Self { cluster: cluster.name.clone(), purpose, mark, lock };
        for name in store::all(control, &cluster.name, purpose).await? {
            workshop.drop(control, admin, &name).await?;
        }
        Ok(workshop)
    }

    /// Makes one: a clone of another database, or an empty one.
    pub(super) async fn make(
        &self,
        control: &mut PgConnection,
        admin: &mut PgConnection,
        template: Option<&str>,
    ) -> Result<String, FleetError> {
        let name = random::resource_name()?.database();
        store::plan(control, (&name, &self.cluster, self.purpose)).await?;
        failpoint::pass(|| format!("{}.planned", self.purpose)).await;
        create_scratch(admin, &name, template, &self.mark).await?;
        failpoint::pass(|| format!("{}.made", self.purpose)).await;
        Ok(name)
    }

    /// Gives one to a login of its own: its name.
    pub(super) async fn give(
        &self,
        admin: &mut PgConnection,
        name: &str,
        password: &SecretString,
    ) -> Result<String, FleetError> {
        let verifier = scram::verifier(password)?;
        Ok(create_scratch_login(admin, name, verifier.expose_secret(), &self.mark).await?)
    }

    /// Drops one.
    pub(super) async fn drop(
        &self,
        control: &mut PgConnection,
        admin: &mut PgConnection,
        name: &str,
    ) -> Result<(), FleetError> {
        drop_scratch(admin, name, &self.mark).await?;
        Ok(store::forget(control, name).await?)
    }

    /// Lets others.
    pub(super) async fn close(self, control: &mut PgConnection) -> Result<(), FleetError> {
        self.lock.release(control).await?;
        Ok(())
    }
}
