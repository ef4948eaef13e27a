//! Where a context's servers are: of the embedded stack, or as the settings say.

use std::sync::Arc;

use crate::features::local::{LocalStack, Running};
use crate::features::placement::{Cluster, DEFAULT, DefaultCluster};
use crate::infra::db::{Host, ServerAddress, Tls};
use crate::infra::objects::{GarageStore, LateStore, LocalStore, ObjectStore};
use crate::kernel::{AnyFailure, Failure, Progress, SecretString};
use crate::settings::{self, LocalSettings, ServerSettings, Settings, StoreDriver, StoreSettings, Target};

/// The name of the control database of the embedded stack.
const CONTROL_DATABASE: &str = "nexus";
/// The database to connect to when others are made.
const MAINTENANCE_DATABASE: &str = "postgres";

/// The context is not the embedded one.
#[derive(Debug, thiserror::Error, Failure)]
#[error("context {0:?} has servers of its own; the embedded stack is context local")]
#[failure(Invalid, "context_not_local")]
#[hint("name it" => LocalAction::StatusOfItsContext)]
pub(super) struct NotLocal(pub(super) String);

/// Where a context's servers are.
pub(super) struct Addresses {
    pub(super) control: ServerAddress,
    /// The server that the settings name for tenants' databases.
    pub(super) cluster: DefaultCluster,
    /// The store that the settings name.
    pub(super) store: Arc<dyn ObjectStore>,
}

/// The embedded stack of these settings.
#[must_use]
pub fn stack(settings: &Settings, local: &LocalSettings) -> LocalStack {
    let mut stack = LocalStack::new(settings.home.clone());
    if let Some(folder) = &local.postgres_bin {
        stack = stack.with_pg_bin(folder.clone());
    }
    if let Some(port) = local.s3_port {
        stack = stack.with_s3_port(port);
    }
    stack
}

impl Addresses {
    /// Of the settings; the embedded stack is started where it does not run.
    pub(super) async fn of(settings: &Settings, progress: &dyn Progress) -> Result<Self, AnyFailure> {
        match &settings.target {
            Target::Local(local) => {
                let stack = stack(settings, local);
                let running = match stack.running()? {
                    Some(running) => running,
                    None => stack.up(progress).await?,
                };
                Ok(Self::of_stack(settings, running))
            }
            Target::Servers(servers) => {
                let password = match &servers.control.password {
                    Some(setting) => setting.resolve().await?,
                    None => SecretString::from(""),
                };
                let cluster = match &servers.cluster.password {
                    // One login, usually: its password is asked for once.
                    same if *same == servers.control.password => {
                        cluster(settings, address(&servers.cluster, password.clone())).into()
                    }
                    Some(other) => {
                        let known = cluster(settings, address(&servers.cluster, SecretString::from("")));
                        DefaultCluster::late(known, other.clone())
                    }
                    None => cluster(settings, address(&servers.cluster, SecretString::from(""))).into(),
                };
                let store = Arc::new(late_store(&servers.store));
                Ok(Self { control: address(&servers.control, password), cluster, store })
            }
        }
    }

    /// Of the settings, if nothing must be started and nobody asked.
    pub(super) async fn if_running(settings: &Settings) -> Option<Self> {
        match &settings.target {
            Target::Local(local) => {
                let running = stack(settings, local).running().ok().flatten()?;
                Some(Self::of_stack(settings, running))
            }
            Target::Servers(_) => Self::of(settings, &crate::kernel::progress::Silent).await.ok(),
        }
    }

    pub(super) fn of_stack(settings: &Settings, running: Running) -> Self {
        let postgres = running.postgres;
        let admin = ServerAddress {
            host: Host::Socket(postgres.socket_dir),
            port: postgres.port,
            user: postgres.user,
            password: postgres.password,
            database: MAINTENANCE_DATABASE.to_owned(),
            tls: Tls::Disable,
        };
        let store = LocalStore::new(&running.s3.endpoint, &running.s3.region, running.s3.admin_token);
        let control = admin.database(CONTROL_DATABASE);
        Self { control, cluster: cluster(settings, admin).into(), store: Arc::new(store) }
    }
}

pub(super) fn cluster(settings: &Settings, admin: ServerAddress) -> Cluster {
    let connection_limit = i32::try_from(settings.tenants.connection_limit).unwrap_or(i32::MAX);
    Cluster { name: DEFAULT.to_owned(), admin, connection_limit }
}

/// The store that the settings name, before its token was looked for.
fn late_store(settings: &StoreSettings) -> LateStore {
    let (place, secret) = ((&*settings.endpoint, &*settings.region), settings.admin_token.clone());
    let settings = settings.clone();
    LateStore::new(place, secret, move |token| store(&settings, token))
}

/// The store that the settings name.
pub(super) fn store(settings: &StoreSettings, token: SecretString) -> Arc<dyn ObjectStore> {
    let StoreSettings { endpoint, region, .. } = settings;
    match &settings.driver {
        StoreDriver::Local => Arc::new(LocalStore::new(endpoint, region, token)),
        StoreDriver::Garage { admin_endpoint } => {
            Arc::new(GarageStore::new(endpoint, admin_endpoint, region, token))
        }
    }
}

/// A server's address, with its login's password.
pub(super) fn address(settings: &ServerSettings, password: SecretString) -> ServerAddress {
    let host = Host::of(&settings.host);
    let tls = match settings.tls {
        settings::Tls::Disable => Tls::Disable,
        settings::Tls::Require => Tls::Require,
        settings::Tls::VerifyFull => Tls::VerifyFull(settings.ca_file.clone()),
    };
    let (user, database) = (settings.user.clone(), settings.database.clone());
    ServerAddress { host, port: settings.port, user, password, database, tls }
}
