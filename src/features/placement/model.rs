//! What is known of a server and of a store.

use std::sync::Arc;

use secrecy::SecretString;
use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::error::{PlacementError, StoreNeed};
use crate::features::record;
use crate::infra::crypto::RecordKey;
use crate::infra::db::{ServerAddress, stored_as_text};
use crate::infra::objects::{Breaker, BucketOpener, ObjectStore};
use crate::kernel::hint::PlaceKind;
use crate::kernel::{Labels, PlaceName, Verdict};

/// The name of the server and of the store that the settings name.
pub const DEFAULT: &str = "default";

/// A PostgreSQL server for tenants' databases.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name, as tenants' rows hold it.
    pub name: String,
    /// Its administrator's login, at the maintenance database.
    pub admin: ServerAddress,
    /// Most sessions that one tenant may have at a time.
    pub connection_limit: i32,
}

/// An object store for tenants' buckets.
#[derive(Clone)]
pub struct Store {
    /// Its name, as tenants' rows hold it.
    pub name: String,
    /// Makes buckets and keys in it.
    pub driver: Arc<dyn ObjectStore>,
    /// Opens buckets in it for the holders of their keys.
    pub buckets: Arc<BucketOpener>,
    /// Every tenant holds the same key: nothing keeps them apart here.
    pub shared_key: bool,
}

impl Store {
    /// Of a name and a driver, behind a breaker.
    pub(super) fn new(name: &str, driver: Arc<dyn ObjectStore>, shared_key: bool) -> Self {
        let driver = Arc::new(Breaker::before(driver));
        let buckets = Arc::new(BucketOpener::new(&*driver, driver.circuit()));
        Self { name: name.to_owned(), driver, buckets, shared_key }
    }
}

/// Whether new tenants are placed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum PlacementState {
    /// Takes new tenants.
    Active,
    /// Takes none; those that are there stay.
    Draining,
}
stored_as_text!(PlacementState);

impl PlacementState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
        }
    }
}

/// How buckets and keys are made in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
#[schema(as = StoreDriver)]
pub enum Driver {
    /// The S3 endpoint that `nexus` itself serves.
    Local,
    /// Garage, through its administration interface.
    Garage,
    /// Amazon S3 and IAM, or whatever speaks both.
    Aws,
    /// An S3 endpoint of which there is one key and no more.
    S3,
}
stored_as_text!(Driver);

impl Driver {
    /// All of them, for help and completion.
    pub const ALL: [Self; 4] = [Self::Local, Self::Garage, Self::Aws, Self::S3];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Garage => "garage",
            Self::Aws => "aws",
            Self::S3 => "s3",
        }
    }
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ServerPlace {
    /// A host's name or address, or the folder of its socket.
    pub host: String,
    pub port: i32,
    /// The administrator's role.
    pub login: String,
    /// The maintenance database.
    pub database: String,
    /// `disable`, `require` or `verify-full`.
    pub tls: String,
    /// The authority that signed the server's certificate, as PEM.
    pub ca_certificate: Option<String>,
}

/// How a store is reached.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct StorePlace {
    /// How buckets and keys are made.
    pub driver: Driver,
    /// Where S3 is spoken; empty: where the driver's own service has it.
    pub endpoint: String,
    /// Where buckets and keys are made, if that is elsewhere.
    pub admin_endpoint: Option<String>,
    /// The region that signatures name.
    pub region: String,
    /// The public half of the administrator's key, where the driver wants one.
    pub access_key_id: Option<String>,
    /// Every tenant holds the administrator's own key.
    pub shared_key: bool,
}

impl ServerPlace {
    /// A place, the connection protected as it is said; else the server's certificate is checked, unless it
    /// is a socket of this machine.
    #[must_use]
    pub fn new(
        (host, port): (String, u16),
        (login, database): (String, String),
        tls: Option<String>,
        ca_certificate: Option<String>,
    ) -> Self {
        let usual = if host.starts_with('/') { "disable" } else { "verify-full" };
        let tls = tls.unwrap_or_else(|| usual.to_owned());
        Self { host, port: port.into(), login, database, tls, ca_certificate }
    }

    /// Its checksum in the row of this name.
    pub(super) fn checksum(&self, key: &RecordKey, name: &str) -> Vec<u8> {
        let Self { host, port, login, database, tls, ca_certificate } = self.clone();
        let fields =
            [Some(host), Some(port.to_string()), Some(login), Some(database), Some(tls), ca_certificate];
        record::place(key, "cluster", name, &fields)
    }
}

impl StorePlace {
    /// A place with addresses as they are recorded.
    ///
    /// # Errors
    /// [`PlacementError::Incomplete`] where its driver needs more.
    pub fn complete(self) -> Result<Self, PlacementError> {
        let lacks = match self.driver {
            Driver::Local | Driver::Garage | Driver::S3 if self.endpoint.is_empty() => {
                Some(StoreNeed::Endpoint)
            }
            Driver::Garage if self.admin_endpoint.is_none() => Some(StoreNeed::AdminEndpoint),
            Driver::Aws | Driver::S3 if self.access_key_id.is_none() => Some(StoreNeed::AccessKeyId),
            _ => None,
        };
        if let Some(needs) = lacks {
            return Err(PlacementError::Incomplete { driver: self.driver.as_str(), needs });
        }
        let whole = |url: String| url.trim_end_matches('/').to_owned();
        Ok(Self { endpoint: whole(self.endpoint), admin_endpoint: self.admin_endpoint.map(whole), ..self })
    }

    /// Its checksum in the row of this name.
    pub(super) fn checksum(&self, key: &RecordKey, name: &str) -> Vec<u8> {
        let Self { driver, endpoint, admin_endpoint, region, access_key_id, shared_key } = self.clone();
        let (driver, shared_key) = (driver.as_str().to_owned(), shared_key.to_string());
        let fields =
            [Some(driver), Some(endpoint), admin_endpoint, Some(region), access_key_id, Some(shared_key)];
        record::place(key, "store", name, &fields)
    }
}

/// A server to be registered.
#[derive(Debug, Clone)]
pub struct AddCluster {
    pub name: PlaceName,
    pub place: ServerPlace,
    /// The administrator's password.
    pub password: SecretString,
    /// Labels to place by.
    pub labels: Labels,
    /// Most tenants.
    pub capacity: Option<i32>,
    /// Most sessions.
    pub connections: Option<i32>,
}

/// Whether something was registered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Registered {
    /// Now.
    Added,
    /// It was there, at the same place.
    Unchanged,
}

/// A store to be registered.
#[derive(Debug, Clone)]
pub struct AddStore {
    pub name: PlaceName,
    pub place: StorePlace,
    /// The administrator's token or secret key.
    pub secret: SecretString,
    /// Labels to place by.
    pub labels: Labels,
    /// Most tenants.
    pub capacity: Option<i32>,
}

/// What a check of servers or of stores found. Another server than the one that was registered is a fault;
/// one with a problem could not be checked.
#[derive(Debug, Clone)]
pub struct Checked<V> {
    pub views: Vec<V>,
    pub verdict: Verdict,
}

/// A server as doors show it.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[schema(as = Cluster)]
pub struct ClusterView {
    pub name: String,
    /// Whether it takes tenants.
    pub state: PlacementState,
    /// Its host.
    pub host: Option<String>,
    pub port: Option<i32>,
    /// The administrator's role.
    pub login: Option<String>,
    /// How the connection is protected.
    pub tls: Option<String>,
    /// Labels to place by.
    #[schema(value_type = HashMap<String, String>)]
    pub labels: Json<Labels>,
    /// How many tenants are on it.
    pub tenants: i64,
    /// Most tenants; `null`: as many as come.
    pub capacity: Option<i32>,
    /// Most sessions of the whole platform; `null`: not limited.
    pub connections: Option<i32>,
    /// When it was last checked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub checked_at: Option<OffsetDateTime>,
    /// Why the last check failed.
    pub problem: Option<String>,
    /// When it was added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A store as doors show it.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[schema(as = Store)]
pub struct StoreView {
    pub name: String,
    /// Whether it takes tenants.
    pub state: PlacementState,
    /// How buckets and keys are made.
    pub driver: Driver,
    /// Its S3 endpoint.
    pub endpoint: Option<String>,
    /// Where buckets and keys are made, if that is elsewhere.
    pub admin_endpoint: Option<String>,
    pub region: Option<String>,
    /// Every tenant holds the same key.
    pub shared_key: bool,
    /// Labels to place by.
    #[schema(value_type = HashMap<String, String>)]
    pub labels: Json<Labels>,
    /// How many tenants are in it.
    pub tenants: i64,
    /// Most tenants; `null`: as many as come.
    pub capacity: Option<i32>,
    /// When it was last checked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub checked_at: Option<OffsetDateTime>,
    /// Why the last check failed.
    pub problem: Option<String>,
    /// When it was added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A server or a store that a new tenant may go to.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Candidate {
    pub name: String,
    /// Why its last check failed.
    pub problem: Option<String>,
    /// How full it is, of 1.
    pub share: f64,
}

/// Where a new tenant may go, the best first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Candidates {
    /// Servers.
    pub clusters: Vec<Candidate>,
    /// Stores.
    pub stores: Vec<Candidate>,
    /// Whether tenants are kept ready anywhere.
    pub pooled: bool,
}

impl Candidate {
    /// What is to be said of those that would have come before this one, had they not failed their
    /// last check.
    pub fn passed_over<'a>(&self, what: PlaceKind, all: &'a [Self]) -> impl Iterator<Item = String> + 'a {
        let (name, share, failed) = (self.name.clone(), self.share, self.problem.is_some());
        all.iter().filter(move |other| !failed && other.share <= share && other.name != name).filter_map(
            move |other| {
                let problem = other.problem.as_ref()?;
                Some(note(what, &other.name, problem))
            },
        )
    }
}

/// That a server or a store is passed over.
#[must_use]
pub fn note(what: PlaceKind, name: &str, why: &str) -> String {
    format!("{what} {name} is skipped: {why} (check again: nexus {what} check {name})")
}

/// Where a new tenant is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlacementRequest {
    /// On this server.
    pub cluster: Option<String>,
    /// In this store.
    pub store: Option<String>,
    /// On a server and in a store that have all these labels.
    pub labels: Labels,
}

/// What is changed of a server or a store; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct PlaceChange {
    /// Labels that are put on it.
    pub labels: Labels,
    /// Labels that are taken off.
    pub unlabel: Vec<String>,
    /// Most tenants; `Some(None)`: as many as come.
    pub capacity: Option<Option<i32>>,
    /// Most sessions with a server; `Some(None)`: not limited.
    pub connections: Option<Option<i32>>,
    /// Whether it takes tenants.
    pub state: Option<PlacementState>,
}

impl PlacementRequest {
    /// Server, store and labels.
    #[must_use]
    pub fn parts(&self) -> (Option<&str>, Option<&str>, &Labels) {
        (self.cluster.as_deref(), self.store.as_deref(), &self.labels)
    }
}

/// Fails for the server and the store that the settings name.
pub(super) fn check_registered(what: PlaceKind, name: &str) -> Result<(), PlacementError> {
    if name == DEFAULT { Err(PlacementError::OfSettings { what }) } else { Ok(()) }
}
