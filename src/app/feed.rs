//! What keeps a program up to date that runs for long.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::usage::Settlements;
use super::{App, Servers, Shared};
use crate::features::tenants;
use crate::features::tokens::Verifier;
use crate::infra::db::{Feed, Follower, Horizon, News, PgConnection};
use crate::kernel::{AnyFailure, Caller, TenantId};

/// Drops what is kept of tenants that other processes changed, and sessions that nobody uses.
struct Changes {
    app: Arc<Shared>,
    horizon: Mutex<Horizon<TenantId>>,
}

#[async_trait]
impl Follower for Changes {
    async fn refresh(&self, control: &mut PgConnection) -> Result<(), AnyFailure> {
        let before = self.horizon.lock().unwrap_or_else(PoisonError::into_inner).at();
        let reading = tenants::changed_since(control, &Caller::System, before).await?;
        let news = self.horizon.lock().unwrap_or_else(PoisonError::into_inner).take(reading);
        match news {
            News::Any => {
                self.app.directory.forget_all();
                self.app.buckets.forget_all();
                self.app.passwords.forget_all();
                self.app.realms.forget_all();
            }
            News::Changed(tenants) => {
                for tenant in tenants {
                    self.app.directory.forget(tenant);
                    self.app.buckets.forget(tenant);
                    self.app.passwords.forget(tenant);
                    self.app.realms.forget(tenant);
                    // One that is in use again may have events that waited for that.
                    self.app.realm_wakeups.written.wake(tenant);
                }
            }
        }
        // Asks nobody, unless the server was changed.
        for server in self.app.budgets.names() {
            let budget = self.app.provisioning.placement.budget(control, &server).await?;
            self.app.budgets.note(&server, budget);
        }
        self.app.control.close_unused();
        self.app.realms.close_unused();
        Ok(())
    }
}

/// What is kept up to date. It is no more once this is dropped.
#[must_use = "what is dropped is no longer kept up to date"]
pub struct Following {
    /// Checks tokens: it knows what other processes revoke within two seconds, or refuses.
    pub verifier: Verifier,
    /// Whether tenants' servers answer.
    pub servers: Servers,
    _feed: Feed,
    _followers: Vec<Arc<dyn Follower>>,
}

impl App {
    /// Begins to follow what other processes change: keys and revoked tokens, tenants' states, servers and
    /// stores and their passwords. It is known here within two seconds.
    ///
    /// # Errors
    /// When the first reading fails; where the control database lacks what was changed since a backup.
    pub async fn follow(&self) -> Result<Following, AnyFailure> {
        let shared = self.shared();
        shared.provisioning.installation.age.require_current()?;
        let mut session = shared.provisioning.control.connect("nexus:feed").await?;
        let verifier = Verifier::once(&shared.tokens, &mut session, &Caller::System).await?;
        let changes = Changes { app: Arc::clone(&self.0), horizon: Mutex::default() };
        let placement = Arc::new(shared.provisioning.placement.clone());
        let settlements = Arc::new(Settlements::new(&self.0));
        let followers: Vec<Arc<dyn Follower>> =
            vec![verifier.follower(), placement, Arc::new(changes), settlements];
        for follower in &followers {
            follower.refresh(&mut session).await?;
        }
        let feed = Feed::start(shared.provisioning.control.clone(), session, &followers);
        Ok(Following { verifier, servers: Servers::watch(self), _feed: feed, _followers: followers })
    }
}
