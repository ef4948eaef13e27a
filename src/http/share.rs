//! What one tenant can take of a process: so many requests in its realm at once. The others of it wait, and those
//! of other tenants do not.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Api;
use super::error::RequestError;
use crate::app::Session;
use crate::features::business::Database;
use crate::features::iam::Realm;
use crate::features::provisioning::{Provisioning, Worker};
use crate::features::tenants::Tenant;
use crate::features::tokens::Realm as TokenRealm;
use crate::kernel::{AnyFailure, ErrorKind, TenantId};

/// How long a request waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests of one realm that wait for their turn at once; one more is refused without waiting.
const MOST_WAITING: usize = 64;
/// Realms that are remembered before those that nobody uses are forgotten.
const MOST: usize = 10_000;

/// The shares of realms.
pub(super) struct Shares {
    /// Requests of one realm at once.
    at_once: usize,
    realms: Mutex<HashMap<TenantId, Arc<Share>>>,
}

/// The share of one realm.
struct Share {
    turns: Arc<Semaphore>,
    /// Who may wait for a turn.
    places: Semaphore,
}

impl Share {
    fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once)), places: Semaphore::new(MOST_WAITING) }
    }

    /// A turn, first come, first served; none where too many wait already, or nobody was done in time.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.turns).try_acquire_owned() {
            return Some(permit);
        }
        let _place = self.places.try_acquire().ok()?;
        tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()
    }
}

/// Something of a realm, and the turn that it was opened in.
pub(super) struct Turn<T> {
    it: T,
    permit: OwnedSemaphorePermit,
}

impl Shares {
    /// A quarter of the sessions for each realm, and two at least.
    pub(super) fn of(sessions: u32) -> Self {
        let at_once = usize::try_from(sessions / 4).unwrap_or_default().max(2);
        Self { at_once, realms: Mutex::default() }
    }

    /// A turn in a realm.
    pub(super) async fn turn(&self, realm: TenantId) -> Result<Turn<()>, RequestError> {
        let share = {
            let mut realms = self.realms.lock().unwrap_or_else(PoisonError::into_inner);
            if realms.len() >= MOST {
                realms.retain(|_, share| Arc::strong_count(share) > 1 || Arc::strong_count(&share.turns) > 1);
            }
            Arc::clone(realms.entry(realm).or_insert_with(|| Arc::new(Share::new(self.at_once))))
        };
        let permit = share.turn().await.ok_or(RequestError::RealmBusy { requests: self.at_once })?;
        Ok(Turn { it: (), permit })
    }
}

impl Turn<()> {
    pub(super) fn of<T>(self, it: T) -> Turn<T> {
        Turn { it, permit: self.permit }
    }
}

impl Turn<Session> {
    /// Goes on to record changes of tenants, in the same turn.
    pub(super) async fn begin_queueing(self) -> Result<Turn<(Provisioning, Worker)>, AnyFailure> {
        let work = self.it.begin_queueing().await?;
        Ok(Turn { it: work, permit: self.permit })
    }
}

impl<T> Deref for Turn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.it
    }
}

impl<T> DerefMut for Turn<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.it
    }
}

impl Api {
    /// Opens a realm, in its turn.
    ///
    /// # Errors
    /// `refusal` where its tenant is not in use any more; else why it cannot be opened.
    pub(super) async fn realm(
        &self,
        place: Option<&Tenant>,
        refusal: impl FnOnce() -> AnyFailure,
    ) -> Result<Turn<Realm>, AnyFailure> {
        self.open(place, refusal, async || self.0.app.realm(place).await).await
    }

    /// The same for work on tokens and keys.
    ///
    /// # Errors
    /// As [`Api::realm`].
    pub(super) async fn token_realm(
        &self,
        place: Option<&Tenant>,
        refusal: impl FnOnce() -> AnyFailure,
    ) -> Result<Turn<TokenRealm>, AnyFailure> {
        self.open(place, refusal, async || self.0.app.realm_of_tokens(place).await).await
    }

    /// Opens a tenant's database by the login of its apps, in a turn of its own.
    ///
    /// # Errors
    /// As [`Api::realm`].
    pub(super) async fn database(
        &self,
        tenant: &Tenant,
        refusal: impl FnOnce() -> AnyFailure,
    ) -> Result<Turn<Database>, AnyFailure> {
        self.open(Some(tenant), refusal, async || self.0.app.database(tenant).await).await
    }

    async fn open<T>(
        &self,
        place: Option<&Tenant>,
        refusal: impl FnOnce() -> AnyFailure,
        open: impl AsyncFnOnce() -> Result<T, AnyFailure>,
    ) -> Result<Turn<T>, AnyFailure> {
        let began = Instant::now();
        // Who waits for a server that is down holds a turn of others.
        if let Some(tenant) = place {
            self.0.app.require_up(tenant)?;
        }
        let turn = self.0.shares.turn(place.map_or(TenantId::PLATFORM, |tenant| tenant.id)).await?;
        let opened = open().await;
        if let Some(tenant) = place {
            self.0.busiest.note(tenant, began.elapsed());
        }
        match opened {
            Ok(opened) => Ok(turn.of(opened)),
            // Somebody shut or destroyed it, and the feed has not said so yet; perhaps it is in use again.
            Err(failure) => match place {
                Some(_) if says_not_in_use(&failure) => Err(refusal()),
                Some(tenant) if !self.0.app.is_in_use(tenant).await? => Err(refusal()),
                _ => Err(failure),
            },
        }
    }

    /// A session in the control database, in the turn of the caller's realm.
    pub(super) async fn session(&self, realm: TenantId) -> Result<Turn<Session>, AnyFailure> {
        let turn = self.0.shares.turn(realm).await?;
        Ok(turn.of(self.0.app.session().await?))
    }
}

/// Whether a failure is about the state of its tenant, which is nothing to tell those who ask from outside.
fn says_not_in_use(failure: &AnyFailure) -> bool {
    let failure = failure.get();
    failure.code().starts_with("tenant_")
        && matches!(failure.kind(), ErrorKind::Conflict | ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use futures_util::future::{FutureExt as _, join_all};

    use super::*;

    #[tokio::test]
    async fn one_realm_waits_and_another_does_not() {
        let shares = Shares::of(8);
        let (one, other) = (TenantId::new(), TenantId::new());
        let held = (shares.turn(one).await.unwrap(), shares.turn(one).await.unwrap());
        assert!(shares.turn(other).await.is_ok());
        assert!(shares.turn(one).await.is_err());
        drop(held);
        assert!(shares.turn(one).await.is_ok());
    }

    #[tokio::test]
    async fn of_one_realm_so_many_requests_wait_and_one_more_is_refused_at_once() {
        let (shares, realm) = (Shares::of(8), TenantId::new());
        let first = join_all((0..2).map(|_| shares.turn(realm))).await;
        assert!(first.iter().all(Result::is_ok));
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(shares.turn(realm))).collect();
        for turn in &mut waiting {
            assert!(turn.as_mut().now_or_never().is_none());
        }
        assert!(matches!(
            shares.turn(realm).now_or_never(),
            Some(Err(RequestError::RealmBusy { requests: 2 }))
        ));
        assert!(matches!(shares.turn(TenantId::new()).now_or_never(), Some(Ok(_))));
        // Who gives up makes a place.
        drop(waiting.pop());
        assert!(shares.turn(realm).now_or_never().is_none());
        drop(first);
        assert!(waiting.remove(0).await.is_ok());
    }
}
