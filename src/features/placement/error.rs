//! What can go wrong with servers and stores for tenants.

use std::fmt;

use crate::features::access::AccessError;
use crate::features::migrations::MigrationsError;
use crate::features::record::RecordOlder;
use crate::features::secrets::SecretsError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::db::DbError;
use crate::infra::objects::ObjectError;
use crate::kernel::Failure;
use crate::kernel::hint::{PlaceKind, With};
use crate::kernel::text::counted;
use crate::settings::SecretSettingError;

/// A request about servers or stores that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum PlacementError {
    /// No server or store of that name.
    #[error("no {what} {name:?}")]
    #[failure(if *what == PlaceKind::Store, NotFound, "store_not_found")]
    #[failure(NotFound, "cluster_not_found")]
    #[hint("see which there are" => PlaceAction::List(*what))]
    #[details(name)]
    NotFound { what: PlaceKind, name: String },
    /// No server or store takes the tenant.
    #[error("{}", no_room(*what, name.as_deref()))]
    #[failure(Conflict, "no_room")]
    #[hint("see how they stand" => PlaceAction::List(*what))]
    NoRoom {
        what: PlaceKind,
        /// The one that was asked for.
        name: Option<String>,
    },
    /// The server, the store or both take no tenant.
    #[error("cluster {cluster:?} or store {store:?} takes no tenants: it is draining or full")]
    #[failure(Conflict, "no_room")]
    #[hint("see how they stand" => PlaceAction::List(PlaceKind::Cluster))]
    NoRoomAt { cluster: String, store: String },
    /// The name is that of another server or store.
    #[error("{what} {name:?} already exists, at another address")]
    #[failure(Conflict, "name_taken")]
    #[hint("see it" => PlaceAction::Show(*what, Some(name.clone())))]
    Taken { what: PlaceKind, name: String },
    /// The server is registered under another name.
    #[error("this server is already registered as cluster {name:?}")]
    #[failure(Conflict, "server_registered")]
    #[hint("use it" => TenantAction::CreateOn(name.clone()))]
    #[details(name)]
    SameServer { name: String },
    /// The server's registration was never completed.
    #[error("cluster {name:?} cannot take tenants: its registration was interrupted")]
    #[failure(Conflict, "cluster_preparing")]
    #[hint("repeat its registration" => PlaceAction::AddClusterAgain(name.clone()))]
    Preparing { name: String },
    /// Neither the chosen servers or stores nor those that come after them answer.
    #[error("no suitable {what} answers: {}", passed.join("; "))]
    #[failure(if *what == PlaceKind::Store, Unavailable, "no_store_answers")]
    #[failure(Unavailable, "no_cluster_answers")]
    #[hint("once one is up again" => PlaceAction::CheckAll(*what))]
    NoneAnswers { what: PlaceKind, passed: Vec<String> },
    /// The server or store did not answer a moment ago, and is not asked again by the same command.
    #[error("{what} {name:?} still does not answer")]
    #[failure(if *what == PlaceKind::Store, Unavailable, "store_unavailable")]
    #[failure(Unavailable, "database_unreachable")]
    #[hint("once it is up again" => PlaceAction::Check(*what, Some(name.clone())))]
    Down { what: PlaceKind, name: String },
    /// Tenants live on the server or in the store.
    #[error("{what} {name:?} still holds {}", counted(*tenants, "tenant"))]
    #[failure(Conflict, "in_use")]
    #[hint("see them" => TenantAction::ListOf(*what, name.clone()))]
    #[hint("let it take no more" => PlaceAction::Drain(*what, name.clone()))]
    #[details(name, tenants)]
    InUse { what: PlaceKind, name: String, tenants: i64 },
    /// The server or the store is defined in the settings.
    #[error("{what} \"default\" is defined in the settings; change it there")]
    #[failure(Invalid, "of_settings")]
    #[hint("see them" => PlatformAction::ShowSettings)]
    OfSettings { what: PlaceKind },
    /// The store's driver cannot make keys for one bucket.
    #[error("store {name:?} cannot make keys that are confined to one bucket")]
    #[failure(Invalid, "store_cannot_scope_keys")]
    #[hint("if all its tenants may read each other's buckets, add it with" => With::SharedKey)]
    CannotScope { name: String },
    /// Something that the store's driver needs was not given.
    #[error("driver {driver} needs {needs}")]
    #[failure(Invalid, "store_incomplete")]
    #[hint("give it" => needs.option())]
    Incomplete {
        driver: &'static str,
        /// What is missing.
        needs: StoreNeed,
    },
    /// The platform holds as many sessions on a server as it may.
    #[error("all {limit} sessions that this platform may hold on cluster {name:?} are in use")]
    #[failure(Busy, "sessions_busy")]
    #[hint("allow it more" => PlaceAction::LimitConnections(Some(name.clone())))]
    #[hint("or repeat the command with fewer at a time" => With::Jobs)]
    NoSessions { name: String, limit: i32 },
    /// Someone else builds the template.
    #[error("another process is preparing this server")]
    #[failure(Busy, "setup_busy")]
    #[hint("repeat the command in a moment")]
    Busy,
    /// The login may not do what is needed.
    #[error("login {user:?} on {server} is not a superuser")]
    #[failure(Invalid, "not_superuser")]
    #[hint("let it make roles and databases: ALTER ROLE \"{user}\" SUPERUSER")]
    NotSuperuser { user: String, server: String },
    /// The server is too old.
    #[error("PostgreSQL {version} on {server} is too old: 15 or newer is needed")]
    #[failure(Invalid, "server_too_old")]
    #[hint("upgrade it, or register another server")]
    ServerTooOld { version: i32, server: String },
    /// Another server answers at the address.
    #[error(
        "cluster {name:?} is another server than the one that was registered: its system identifier is \
         {is}, and {recorded} is recorded; nothing was changed on it"
    )]
    #[failure(Integrity, "cluster_swapped")]
    #[hint("see its registered address" => PlaceAction::Show(PlaceKind::Cluster, Some(name.clone())))]
    #[hint("where it was upgraded or replaced on purpose" => FsckAction::AcceptRecord)]
    #[details(name, is, recorded)]
    OtherServer { name: String, is: String, recorded: String },
    /// The control database was restored from an older backup.
    #[error(transparent)]
    #[failure(transparent)]
    RecordOlder(#[from] RecordOlder),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// A change on the server failed.
    #[error(transparent)]
    #[failure(transparent)]
    Cluster(#[from] ClusterError),
    /// A change in the store failed.
    #[error(transparent)]
    #[failure(transparent)]
    Objects(#[from] ObjectError),
    /// The system has no random numbers.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// A sealed value or a key.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// A secret that the settings refer to.
    #[error(transparent)]
    #[failure(transparent)]
    OfSetting(#[from] SecretSettingError),
    /// A migration file for the template of new tenants.
    #[error(transparent)]
    #[failure(transparent)]
    Migrations(#[from] MigrationsError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

/// What a store's driver can lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreNeed {
    AccessKeyId,
    AdminEndpoint,
    Endpoint,
}

impl StoreNeed {
    fn option(self) -> With {
        match self {
            Self::AccessKeyId => With::AccessKeyId,
            Self::AdminEndpoint => With::AdminEndpoint,
            Self::Endpoint => With::Endpoint,
        }
    }
}

impl fmt::Display for StoreNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessKeyId => "the id of an access key",
            Self::AdminEndpoint => "the address of its administration",
            Self::Endpoint => "its address",
        })
    }
}

fn no_room(what: PlaceKind, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{what} {name:?} takes no tenants: it is draining, full, or lacks a label"),
        None => format!("no {what} takes this tenant: all are draining, full, or lack a label"),
    }
}

impl PlacementError {
    pub(super) fn not_found(what: PlaceKind, name: &str) -> Self {
        Self::NotFound { what, name: name.to_owned() }
    }

    /// Whether a server was not opened because the control database does not fit it: nothing must be
    /// changed there then.
    #[must_use]
    pub fn is_of_another_world(&self) -> bool {
        matches!(self, Self::RecordOlder(_) | Self::OtherServer { .. })
    }
}
