//! What can go wrong with servers and stores for tenants.

use serde_json::{Value, json};

use crate::features::migrations::MigrationsError;
use crate::features::record::RecordOlder;
use crate::features::secrets::SecretsError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::db::DbError;
use crate::infra::objects::ObjectError;
use crate::kernel::{ErrorKind, Failure};
use crate::settings::SecretSettingError;

/// A request about servers or stores that failed.
#[derive(Debug, thiserror::Error)]
pub enum PlacementError {
    /// No server of that name.
    #[error("no cluster {name:?}")]
    NoCluster {
        /// What was asked for.
        name: String,
    },
    /// No store of that name.
    #[error("no object store {name:?}")]
    NoStore {
        /// What was asked for.
        name: String,
    },
    /// Nothing takes the tenant.
    #[error("{}", no_room(what, name.as_deref()))]
    NoRoom {
        /// `cluster` or `store`.
        what: &'static str,
        /// The one that was asked for.
        name: Option<String>,
    },
    /// The name is taken, by something else.
    #[error("{what} {name:?} is there already, at another place")]
    Taken {
        /// `cluster` or `store`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The server is registered under another name.
    #[error("this server is registered already, as cluster {name:?}")]
    SameServer {
        /// Under which name.
        name: String,
    },
    /// The server was never prepared whole.
    #[error("cluster {name:?} cannot take tenants: its registration was cut short")]
    Preparing {
        /// Which.
        name: String,
    },
    /// Neither the chosen ones nor those that come after them answer.
    #[error("no {what} that fits answers: {}", passed.join("; "))]
    NoneAnswers {
        /// `cluster` or `store`.
        what: &'static str,
        /// Each of them, and why not.
        passed: Vec<String>,
    },
    /// It did not answer a moment ago, and is not asked again by the same command.
    #[error("{what} {name:?} does not answer, as was said before")]
    Down {
        /// `cluster` or `store`.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// Tenants live there.
    #[error("{what} {name:?} still holds {tenants} tenant{}", if *tenants == 1 { "" } else { "s" })]
    InUse {
        /// `cluster` or `store`.
        what: &'static str,
        /// Its name.
        name: String,
        /// How many.
        tenants: i64,
    },
    /// The server or the store is the settings'.
    #[error("{what} \"default\" is the one that the settings name; {verb} it there")]
    OfSettings {
        /// `cluster` or `store`.
        what: &'static str,
        /// `change` or `remove`.
        verb: &'static str,
    },
    /// The store's driver cannot make keys for one bucket.
    #[error("store {name:?} cannot make keys that are confined to one bucket")]
    CannotScope {
        /// Its name.
        name: String,
    },
    /// Something that the driver needs was not given.
    #[error("driver {driver} needs {needs}")]
    Incomplete {
        /// The driver.
        driver: &'static str,
        /// What is missing, as its flag.
        needs: &'static str,
    },
    /// The platform holds as many sessions on a server as it may.
    #[error("all {limit} sessions that this platform may hold on cluster {name:?} are in use")]
    NoSessions {
        /// Which server.
        name: String,
        /// How many.
        limit: i32,
    },
    /// Someone else builds the template.
    #[error("another process is preparing this server")]
    Busy,
    /// The login may not do what is needed.
    #[error("login {user:?} on {server} is not a superuser")]
    NotSuperuser {
        /// Which login.
        user: String,
        /// Where.
        server: String,
    },
    /// The server is too old.
    #[error("PostgreSQL {version} on {server} is too old: 15 or newer is needed")]
    ServerTooOld {
        /// Its version.
        version: i32,
        /// Where.
        server: String,
    },
    /// Another server answers at the address.
    #[error(
        "cluster {name:?} is another server than the one that was registered: its system identifier is {is}, and \
         {recorded} is recorded; nothing was changed on it"
    )]
    OtherServer {
        /// Its name.
        name: String,
        /// What it calls itself.
        is: String,
        /// What the registered one called itself.
        recorded: String,
    },
    /// The control database was restored from an older backup.
    #[error(transparent)]
    RecordOlder(#[from] RecordOlder),
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A change on the server failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A change in the store failed.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The system has no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A sealed value or a key.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A secret that the settings refer to.
    #[error(transparent)]
    OfSetting(#[from] SecretSettingError),
    /// A file that new tenants are born with.
    #[error(transparent)]
    Migrations(#[from] MigrationsError),
}

fn no_room(what: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{what} {name:?} takes no tenants: it is draining, full, or lacks a label"),
        None => format!("no {what} takes this tenant: all are draining, full, or lack a label"),
    }
}

impl From<sqlx::Error> for PlacementError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl PlacementError {
    /// Whether a server was not opened because the control database does not fit it: nothing must be
    /// changed there then.
    #[must_use]
    pub fn is_of_another_world(&self) -> bool {
        matches!(self, Self::RecordOlder(_) | Self::OtherServer { .. })
    }

    fn inner(&self) -> Option<&dyn Failure> {
        match self {
            Self::RecordOlder(error) => Some(error),
            Self::Db(error) => Some(error),
            Self::Cluster(error) => Some(error),
            Self::Objects(error) => Some(error),
            Self::Random(error) => Some(error),
            Self::Secrets(error) => Some(error),
            Self::Migrations(error) => Some(error),
            Self::OfSetting(error) => Some(error),
            _ => None,
        }
    }
}

impl Failure for PlacementError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoCluster { .. } | Self::NoStore { .. } => ErrorKind::NotFound,
            Self::NoRoom { .. }
            | Self::Taken { .. }
            | Self::SameServer { .. }
            | Self::Preparing { .. }
            | Self::InUse { .. } => ErrorKind::Conflict,
            Self::NoneAnswers { .. } | Self::Down { .. } => ErrorKind::Unavailable,
            Self::OfSettings { .. }
            | Self::CannotScope { .. }
            | Self::Incomplete { .. }
            | Self::NotSuperuser { .. }
            | Self::ServerTooOld { .. } => ErrorKind::Invalid,
            Self::Busy | Self::NoSessions { .. } => ErrorKind::Busy,
            Self::OtherServer { .. } => ErrorKind::Integrity,
            _ => self.inner().map_or(ErrorKind::Internal, Failure::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoCluster { .. } => "cluster_not_found",
            Self::NoStore { .. } => "store_not_found",
            Self::NoRoom { .. } => "no_room",
            Self::Taken { .. } => "name_taken",
            Self::SameServer { .. } => "server_registered",
            Self::InUse { .. } => "in_use",
            Self::Preparing { .. } => "cluster_preparing",
            Self::NoneAnswers { what: "store", .. } => "no_store_answers",
            Self::NoneAnswers { .. } => "no_cluster_answers",
            Self::Down { what: "store", .. } => "store_unavailable",
            Self::Down { .. } => "database_unreachable",
            Self::OfSettings { .. } => "of_settings",
            Self::CannotScope { .. } => "store_cannot_scope_keys",
            Self::Incomplete { .. } => "store_incomplete",
            Self::Busy => "setup_busy",
            Self::OtherServer { .. } => "cluster_swapped",
            Self::NoSessions { .. } => "no_sessions",
            Self::NotSuperuser { .. } => "not_superuser",
            Self::ServerTooOld { .. } => "server_too_old",
            _ => self.inner().map_or("internal", Failure::code),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoCluster { .. } => vec!["see which there are: nexus cluster list".to_owned()],
            Self::NoStore { .. } => vec!["see which there are: nexus store list".to_owned()],
            Self::NoRoom { what, .. } => vec![format!("see how they stand: nexus {what} list")],
            Self::Taken { what, name } => vec![format!("see it: nexus {what} show {name}")],
            Self::SameServer { name } => vec![format!("use it: nexus tenant create SLUG --cluster {name}")],
            Self::InUse { what, name, .. } => vec![
                format!("see them: nexus tenant list --where {what}={name}"),
                format!("let it take no more: nexus {what} drain {name}"),
            ],
            Self::Preparing { name } => {
                vec![format!("repeat its registration: nexus cluster add {name}, with the same settings")]
            }
            Self::NoneAnswers { what, .. } => vec![format!("once one is up again: nexus {what} check")],
            Self::Down { what, name } => vec![format!("once it is up again: nexus {what} check {name}")],
            Self::OfSettings { .. } => vec!["see them: nexus config show".to_owned()],
            Self::CannotScope { .. } => {
                vec!["add it with --shared-key, if all its tenants may read each other's buckets".to_owned()]
            }
            Self::NoSessions { name, .. } => vec![
                format!("allow it more: nexus cluster update {name} --connections N"),
                "or repeat the command with a smaller --jobs".to_owned(),
            ],
            Self::Busy => vec!["repeat the command in a moment".to_owned()],
            Self::OtherServer { name, .. } => vec![
                format!("see where it was looked for: nexus cluster show {name}"),
                "where it was upgraded or replaced on purpose: nexus fsck --accept-record".to_owned(),
            ],
            Self::ServerTooOld { .. } => vec!["upgrade it, or register another server".to_owned()],
            Self::Incomplete { needs, .. } => vec![format!("give it: {needs}")],
            Self::NotSuperuser { user, .. } => {
                vec![format!("let it make roles and databases: ALTER ROLE \"{user}\" SUPERUSER")]
            }
            _ => self.inner().map_or_else(Vec::new, Failure::hints),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::InUse { name, tenants, .. } => json!({ "name": name, "tenants": tenants }),
            Self::OtherServer { name, is, recorded } => {
                json!({ "name": name, "is": is, "recorded": recorded })
            }
            Self::NoCluster { name } | Self::NoStore { name } | Self::SameServer { name } => {
                json!({ "name": name })
            }
            _ => self.inner().map_or(Value::Null, Failure::details),
        }
    }
}
