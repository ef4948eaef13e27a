//! The servers and stores of an installation, opened when they are first needed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::default_cluster::DefaultCluster;
use super::error::{PlacementError, StoreNeed};
use super::model::{
    Candidate, Candidates, Cluster, DEFAULT, Driver, PlacementRequest, ServerPlace, Store, StorePlace,
};
use super::opening::ServerRecord;
use super::store;
use crate::features::access::{self, About, rights};
use crate::features::secrets::Secrets;
use crate::infra::cluster::server_state;
use crate::infra::db::{Follower, Horizon, Host, News, PgConnection, ServerAddress, Tls};
use crate::infra::objects::{AwsConfig, AwsStore, GarageStore, LocalStore, ObjectStore, SharedKeyStore};
use crate::kernel::hint::PlaceKind;
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How long a server that did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// Where tenants live, and where new ones go.
#[derive(Clone)]
pub struct Placement {
    pub(super) default_cluster: DefaultCluster,
    pub(super) default_store: Store,
    secrets: Secrets,
    opened: Arc<Mutex<Opened>>,
}

#[derive(Default)]
struct Opened {
    clusters: HashMap<String, Cluster>,
    stores: HashMap<String, Store>,
    /// Since when a server did not answer.
    down: HashMap<String, Instant>,
    /// What a person was told already.
    said: HashSet<String>,
    /// The budgets of sessions.
    budgets: HashMap<String, Option<i32>>,
    /// How far the changes of other processes were read.
    horizon: Horizon<String>,
}

/// What other processes change of servers and stores is opened anew.
#[async_trait]
impl Follower for Placement {
    async fn refresh(&self, control: &mut PgConnection) -> Result<(), AnyFailure> {
        // Held meanwhile, so that nothing is opened that was read before the change.
        let mut opened = self.opened.lock().await;
        let reading = store::changed_since(control, opened.horizon.at()).await?;
        match opened.horizon.take(reading) {
            News::Any => {
                opened.clusters.clear();
                opened.stores.clear();
                opened.budgets.clear();
            }
            News::Changed(names) => {
                opened.clusters.retain(|name, _| !names.contains(name));
                opened.stores.retain(|name, _| !names.contains(name));
                opened.budgets.retain(|name, _| !names.contains(name));
            }
        }
        Ok(())
    }
}

impl Placement {
    /// With the server and the store that the settings name.
    #[must_use]
    pub fn new(
        default_cluster: impl Into<DefaultCluster>,
        default_store: Arc<dyn ObjectStore>,
        secrets: Secrets,
    ) -> Self {
        let default_store = Store::new(DEFAULT, default_store, false);
        Self { default_cluster: default_cluster.into(), default_store, secrets, opened: Arc::default() }
    }

    /// The keys that the administrators' credentials are sealed with.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The server that the settings name.
    ///
    /// # Errors
    /// When its password cannot be read.
    pub(in crate::features) async fn default_cluster(&self) -> Result<&Cluster, PlacementError> {
        Ok(self.default_cluster.get().await?)
    }

    /// That the secrets are at hand which the settings refer to: who changes tenants learns it before
    /// anything is changed.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(in crate::features) async fn ready(&self) -> Result<(), PlacementError> {
        self.default_cluster.get().await?;
        Ok(self.default_store.driver.ready().await?)
    }

    /// The server of a name.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`]; when its sealed password does not open.
    pub(crate) async fn cluster(
        &self,
        control: &mut PgConnection,
        name: &str,
    ) -> Result<Cluster, PlacementError> {
        if name == DEFAULT {
            return Ok(self.default_cluster().await?.clone());
        }
        let mut opened = self.opened.lock().await;
        if let Some(cluster) = opened.clusters.get(name) {
            return Ok(cluster.clone());
        }
        let Some(place) = store::server_place(control, name).await? else {
            return Err(PlacementError::not_found(PlaceKind::Cluster, name));
        };
        let password =
            self.secrets.get(control, TenantId::PLATFORM, &secret_name(PlaceKind::Cluster, name)).await?;
        let cluster = self.at(name, &place, password);
        opened.clusters.insert(name.to_owned(), cluster.clone());
        Ok(cluster)
    }

    /// How many sessions the whole platform may hold on a server; `None`: as many as come.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub(crate) async fn budget(
        &self,
        control: &mut PgConnection,
        name: &str,
    ) -> Result<Option<i32>, PlacementError> {
        let mut opened = self.opened.lock().await;
        if let Some(budget) = opened.budgets.get(name) {
            return Ok(*budget);
        }
        let budget = ServerRecord::read(control, name).await?.connections;
        opened.budgets.insert(name.to_owned(), budget);
        Ok(budget)
    }

    /// A server at a place.
    pub(super) fn at(&self, name: &str, place: &ServerPlace, password: SecretString) -> Cluster {
        Cluster {
            name: name.to_owned(),
            admin: address(place, password),
            connection_limit: self.default_cluster.connection_limit(),
        }
    }

    /// The store of a name.
    ///
    /// # Errors
    /// [`PlacementError::NotFound`]; when its sealed secret does not open.
    pub(in crate::features) async fn store(
        &self,
        control: &mut PgConnection,
        name: &str,
    ) -> Result<Store, PlacementError> {
        if name == DEFAULT {
            return Ok(self.default_store.clone());
        }
        let mut opened = self.opened.lock().await;
        if let Some(store) = opened.stores.get(name) {
            return Ok(store.clone());
        }
        let Some(place) = store::store_place(control, name).await? else {
            return Err(PlacementError::not_found(PlaceKind::Store, name));
        };
        let secret =
            self.secrets.get(control, TenantId::PLATFORM, &secret_name(PlaceKind::Store, name)).await?;
        let store = Store::new(name, driver(&place, secret)?, place.shared_key);
        opened.stores.insert(name.to_owned(), store.clone());
        Ok(store)
    }

    /// The store of a name, where it is open already.
    pub(crate) async fn opened_store(&self, name: &str) -> Option<Store> {
        if name == DEFAULT {
            return Some(self.default_store.clone());
        }
        self.opened.lock().await.stores.get(name).cloned()
    }

    /// Forgets what was opened under a name, because it changed, or does not work any more.
    pub(crate) async fn forget(&self, name: &str) {
        let mut opened = self.opened.lock().await;
        opened.clusters.remove(name);
        opened.stores.remove(name);
    }

    /// Where a new tenant would go.
    ///
    /// # Errors
    /// Without `cluster:read`; as the choice itself.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn choices(
        control: &mut PgConnection,
        caller: &Caller,
        wish: &PlacementRequest,
    ) -> Result<Candidates, PlacementError> {
        access::authorize(control, caller, &rights::CLUSTER_READ, About::Platform).await?;
        Self::candidates(control, wish).await
    }

    /// Where a new tenant may go: to the named server and store, or to those that match, the emptiest in
    /// relation to their capacity first.
    ///
    /// # Errors
    /// [`PlacementError::NoRoom`], [`PlacementError::NotFound`].
    pub(in crate::features) async fn candidates(
        control: &mut PgConnection,
        wish: &PlacementRequest,
    ) -> Result<Candidates, PlacementError> {
        let mut found = Candidates::default();
        for row in store::candidates(control, wish).await? {
            found.pooled = row.pooled;
            if row.server { &mut found.clusters } else { &mut found.stores }.push(row.candidate);
        }
        if found.clusters.is_empty() {
            return match &wish.cluster {
                Some(name) if !store::cluster_exists(control, name).await? => {
                    Err(PlacementError::not_found(PlaceKind::Cluster, name))
                }
                name => Err(PlacementError::NoRoom { what: PlaceKind::Cluster, name: name.clone() }),
            };
        }
        if found.stores.is_empty() {
            return Err(no_room_in_store(control, wish).await?);
        }
        Ok(found)
    }

    /// The stores that a new bucket may go to, whatever server its tenant is on: as
    /// [`Placement::candidates`].
    ///
    /// # Errors
    /// [`PlacementError::NoRoom`], [`PlacementError::NotFound`].
    pub(in crate::features) async fn candidate_stores(
        control: &mut PgConnection,
        wish: &PlacementRequest,
    ) -> Result<Vec<Candidate>, PlacementError> {
        let found = store::candidates(control, wish).await?;
        let stores: Vec<_> = found.into_iter().filter(|row| !row.server).map(|row| row.candidate).collect();
        if stores.is_empty() { Err(no_room_in_store(control, wish).await?) } else { Ok(stores) }
    }

    /// Whether a server did not answer this process a moment ago. It is left alone for a while then:
    /// what needs it fails at once, instead of waiting for it each by itself.
    ///
    /// # Errors
    /// [`PlacementError::Down`].
    pub(in crate::features) async fn ask_if_up(&self, name: &str) -> Result<(), PlacementError> {
        match self.opened.lock().await.down.get(name) {
            Some(since) if since.elapsed() < PAUSE => {
                Err(PlacementError::Down { what: PlaceKind::Cluster, name: name.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Whether this is said for the first time by this process.
    pub(in crate::features) async fn is_news(&self, sentence: &str) -> bool {
        self.opened.lock().await.said.insert(sentence.to_owned())
    }

    /// Notes that a server does not answer, or answers again.
    pub(in crate::features) async fn note_whether_up(&self, name: &str, up: bool) {
        let mut opened = self.opened.lock().await;
        if up {
            opened.down.remove(name);
        } else {
            opened.down.insert(name.to_owned(), Instant::now());
        }
    }

    /// A session of a server's administrator, for changes.
    ///
    /// # Errors
    /// As [`ServerRecord::admit`]; when the server does not answer.
    pub(in crate::features) async fn open_for_changes(
        &self,
        control: &mut PgConnection,
        cluster: &Cluster,
        (installation, application): (Uuid, &str),
    ) -> Result<PgConnection, PlacementError> {
        let read = ServerRecord::read(control, &cluster.name);
        let (record, mut admin) = tokio::try_join!(read, cluster.admin.connect(application))?;
        let state = server_state(&mut admin, installation).await?;
        record.admit(control, &cluster.name, &state).await?;
        Ok(admin)
    }
}

async fn no_room_in_store(
    control: &mut PgConnection,
    wish: &PlacementRequest,
) -> Result<PlacementError, PlacementError> {
    Ok(match &wish.store {
        Some(name) if !store::store_exists(control, name).await? => {
            PlacementError::not_found(PlaceKind::Store, name)
        }
        name => PlacementError::NoRoom { what: PlaceKind::Store, name: name.clone() },
    })
}

/// The name under which an administrator's password or secret is sealed.
pub(super) fn secret_name(what: PlaceKind, name: &str) -> String {
    match what {
        PlaceKind::Cluster => format!("cluster.{name}.password"),
        PlaceKind::Store => format!("store.{name}.secret"),
    }
}

pub(super) fn address(place: &ServerPlace, password: SecretString) -> ServerAddress {
    let tls = match (place.tls.as_str(), &place.ca_certificate) {
        ("disable", _) => Tls::Disable,
        ("require", _) => Tls::Require,
        (_, Some(pem)) => Tls::VerifyAgainst(pem.clone()),
        (_, None) => Tls::VerifyFull(None),
    };
    ServerAddress {
        host: Host::of(&place.host),
        port: u16::try_from(place.port).unwrap_or(5432),
        user: place.login.clone(),
        password,
        database: place.database.clone(),
        tls,
    }
}

/// The driver of a store.
pub(super) fn driver(
    place: &StorePlace,
    secret: SecretString,
) -> Result<Arc<dyn ObjectStore>, PlacementError> {
    let driver = place.driver.as_str();
    let access_key_id = || {
        let given = place.access_key_id.clone();
        given.ok_or(PlacementError::Incomplete { driver, needs: StoreNeed::AccessKeyId })
    };
    Ok(match place.driver {
        Driver::Local => Arc::new(LocalStore::new(&place.endpoint, &place.region, secret)),
        Driver::Garage => {
            let admin = place.admin_endpoint.as_deref();
            let admin =
                admin.ok_or(PlacementError::Incomplete { driver, needs: StoreNeed::AdminEndpoint })?;
            Arc::new(GarageStore::new(&place.endpoint, admin, &place.region, secret))
        }
        Driver::Aws => Arc::new(AwsStore::new(&AwsConfig {
            s3_endpoint: Some(place.endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            iam_endpoint: place.admin_endpoint.clone(),
            region: place.region.clone(),
            access_key_id: access_key_id()?,
            secret,
        })),
        Driver::S3 => {
            Arc::new(SharedKeyStore::new(&place.endpoint, &place.region, &access_key_id()?, secret))
        }
    })
}
