//! What can go wrong while tenants are made and taken away.

use serde_json::{Value, json};

use super::create::Difference;
use crate::features::placement::PlacementError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::crypto::scram::ScramError;
use crate::infra::db::DbError;
use crate::infra::objects::ObjectError;
use crate::infra::saga::Interrupted;
use crate::kernel::{BatchId, ErrorKind, Failure, OperationId, shell};

/// A change of a tenant that failed.
#[derive(Debug, thiserror::Error)]
pub enum ProvisioningError {
    /// The slug belongs to a tenant with other settings.
    #[error("tenant {slug:?} exists already: {}", list(differences))]
    SlugTaken {
        /// Which.
        slug: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// Another operation changes the tenant.
    #[error("tenant {slug:?} is being changed by {}", changer(*operation, kind))]
    InProgress {
        /// Which tenant.
        slug: String,
        /// By which operation; `None` where somebody only looks at it, or is about to begin one.
        operation: Option<OperationId>,
        /// Its kind, e.g. `create`.
        kind: String,
        /// Whether a process is at work on it at this moment.
        running: bool,
    },
    /// An operation stopped before its end.
    #[error("{kind} of tenant {slug:?} stopped: {source}")]
    Stopped {
        /// Which operation.
        operation: OperationId,
        /// Its kind, e.g. `create`.
        kind: String,
        /// Of which tenant.
        slug: String,
        /// Whether everything was taken back.
        taken_back: bool,
        /// Why.
        source: Box<ProvisioningError>,
    },
    /// It is no longer as the batch left it that is to be rolled back.
    #[error("tenant {slug:?} was changed since: {by}")]
    ChangedSince {
        /// Which.
        slug: String,
        /// By what.
        by: String,
    },
    /// No batch of that id.
    #[error("no batch {id}")]
    NoBatch {
        /// What was asked for.
        id: BatchId,
    },
    /// What a batch destroyed is gone.
    #[error("batch {id} cannot be rolled back: what a {verb} destroyed is gone")]
    BatchOnlyForward {
        /// Which.
        id: BatchId,
        /// What it did.
        verb: String,
    },
    /// A process is at work on a batch.
    #[error("batch {id} is not finished: a process is at work on it")]
    BatchRuns {
        /// Which.
        id: BatchId,
    },
    /// No operation of that id.
    #[error("no operation {id}")]
    NoOperation {
        /// What was asked for.
        id: OperationId,
    },
    /// A newer version of Nexus began it.
    #[error("operation {id} is of a kind that this version of Nexus does not know: {kind}")]
    UnknownKind {
        /// Which.
        id: OperationId,
        /// Its kind.
        kind: String,
    },
    /// The operation is over.
    #[error("operation {id} is {state}: there is nothing to {verb}")]
    Over {
        /// Which.
        id: OperationId,
        /// Its state.
        state: String,
        /// What was wanted.
        verb: &'static str,
    },
    /// What a purge destroyed is gone, and to take back what a repair looks after would destroy a
    /// tenant in use. Everything else can be taken back.
    #[error("operation {id} can only go forward: {}", if kind == "purge" {
        "what a purge destroyed is gone"
    } else {
        "to take a repair back would destroy a tenant in use"
    })]
    OnlyForward {
        /// Which.
        id: OperationId,
        /// Its kind, e.g. `purge`.
        kind: String,
        /// Of which tenant.
        slug: String,
    },
    /// Someone got in where nobody should.
    #[error("the proof of isolation failed: {0}")]
    NotIsolated(String),
    /// What was written was not what was read.
    #[error("the proof of use failed: {0}")]
    NotUsable(String),
    /// What Nexus made is gone from the outside world, with what was in it.
    #[error("tenant {slug:?}: {what} is gone; a repair does not make an empty one in its place")]
    Lost {
        /// Which tenant.
        slug: String,
        /// What is gone.
        what: String,
    },
    /// A database that cannot be taken under Nexus.
    #[error("database {database:?} cannot be adopted: {reason}")]
    NotAdoptable {
        /// Which.
        database: String,
        /// Why.
        reason: String,
        /// The way on, if there is one.
        hint: Option<String>,
    },
    /// The password of a login that was there before Nexus is another one now.
    #[error("tenant {slug:?}: its login does not take the sealed password any more")]
    PasswordChanged {
        /// Whose.
        slug: String,
    },
    /// The control database has it in the trash, and the world lets its app in.
    #[error("tenant {slug:?} is in the trash, and its login is open on server {cluster}: it may be in use")]
    OpenInTrash {
        /// Which.
        slug: String,
        /// On which server.
        cluster: String,
    },
    /// The work was asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A tenant's facts.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The servers and stores for tenants.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// A statement on the control database or inside a tenant's.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A change on a server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A change in an object store.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The system has no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A role's verifier.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// A sealed value or a key.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

impl From<sqlx::Error> for ProvisioningError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl ProvisioningError {
    /// The feature's or mechanism's own error, where this only carries one.
    fn inner(&self) -> Option<&dyn Failure> {
        match self {
            Self::Stopped { source, .. } => Some(&**source),
            Self::Tenant(error) => Some(error),
            Self::Placement(error) => Some(error),
            Self::Db(error) => Some(error),
            Self::Cluster(error) => Some(error),
            Self::Objects(error) => Some(error),
            Self::Random(error) => Some(error),
            Self::Scram(error) => Some(error),
            Self::Secrets(error) => Some(error),
            _ => None,
        }
    }

    /// Whether trying again later can help, so that what was done so far is kept.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::Interrupted | ErrorKind::Internal
        )
    }
}

impl Failure for ProvisioningError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::SlugTaken { .. }
            | Self::InProgress { .. }
            | Self::Over { .. }
            | Self::UnknownKind { .. }
            | Self::OnlyForward { .. }
            | Self::BatchOnlyForward { .. }
            | Self::ChangedSince { .. }
            | Self::NotAdoptable { .. } => ErrorKind::Conflict,
            Self::NoOperation { .. } | Self::NoBatch { .. } => ErrorKind::NotFound,
            Self::BatchRuns { .. } => ErrorKind::Busy,
            Self::NotIsolated(_)
            | Self::NotUsable(_)
            | Self::Lost { .. }
            | Self::PasswordChanged { .. }
            | Self::OpenInTrash { .. } => ErrorKind::Integrity,
            Self::Interrupted(_) => ErrorKind::Interrupted,
            _ => self.inner().map_or(ErrorKind::Internal, Failure::kind),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::SlugTaken { .. } => "tenant_exists",
            Self::InProgress { .. } => "tenant_in_progress",
            Self::NoOperation { .. } => "operation_not_found",
            Self::ChangedSince { .. } => "changed_since",
            Self::NoBatch { .. } => "batch_not_found",
            Self::BatchOnlyForward { .. } => "batch_only_forward",
            Self::BatchRuns { .. } => "batch_running",
            Self::Over { .. } => "operation_over",
            Self::OnlyForward { .. } => "operation_only_forward",
            Self::UnknownKind { .. } => "operation_unknown_kind",
            Self::NotIsolated(_) => "not_isolated",
            Self::NotUsable(_) => "not_usable",
            Self::Lost { .. } => "resource_lost",
            Self::NotAdoptable { .. } => "not_adoptable",
            Self::PasswordChanged { .. } => "password_changed",
            Self::OpenInTrash { .. } => "tenant_open_in_trash",
            Self::Interrupted(_) => "interrupted",
            _ => self.inner().map_or("internal", Failure::code),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::SlugTaken { slug, differences } => {
                let name = differences.iter().find(|it| it.what == "name").map(|it| shell::word(&it.given));
                let change =
                    name.map(|name| format!("change its name: nexus tenant update {slug} --name {name}"));
                [format!("see it: nexus tenant show {slug}")].into_iter().chain(change).collect()
            }
            Self::InProgress { slug, operation, kind, running: true } => {
                let look = operation.map(|id| format!("see how far it is: nexus operation show {id}"));
                let mut hints: Vec<String> = look.into_iter().collect();
                if kind == "create" {
                    let wait =
                        format!("wait for it: nexus tenant create {slug} --wait, with the same settings");
                    hints.push(wait);
                }
                if hints.is_empty() {
                    hints.push(AGAIN.to_owned());
                }
                hints
            }
            Self::InProgress { operation: Some(id), kind, .. } => ways_on(*id, kind),
            Self::InProgress { .. } => vec![AGAIN.to_owned()],
            Self::Stopped { taken_back: true, .. } => {
                vec!["everything was taken back; the slug is free".to_owned()]
            }
            Self::Stopped { operation, kind, slug, source, .. } => after_stop(*operation, kind, slug, source),
            Self::NotAdoptable { hint, .. } => hint.iter().cloned().collect(),
            Self::PasswordChanged { slug } => {
                vec![format!("seal the new one: nexus tenant adopt {slug} --dsn-file FILE")]
            }
            Self::OpenInTrash { slug, .. } => open_in_trash(slug),
            Self::NoOperation { .. } => vec!["see which there are: nexus operation list".to_owned()],
            Self::NoBatch { .. } => {
                vec![
                    "the batch of a change is in: nexus operation show ID, and nexus -o json operation list"
                        .to_owned(),
                ]
            }
            Self::BatchRuns { id } => vec![format!("see how far it is: nexus operation list --batch {id}")],
            Self::BatchOnlyForward { id, .. } => {
                vec![format!("see what it did: nexus operation list --batch {id}")]
            }
            Self::Over { id, .. } => vec![format!("see what came of it: nexus operation show {id}")],
            Self::OnlyForward { id, kind, slug } => {
                let mut hints = vec![format!("finish it: nexus operation resume {id}")];
                if kind != "purge" {
                    hints.push(format!("or give the tenant up: nexus tenant delete {slug} --purge"));
                }
                hints
            }
            Self::Lost { slug, .. } => vec![
                format!("bring it back from a backup under the same name, then: nexus tenant repair {slug}"),
                format!("or give the tenant up: nexus tenant delete {slug} --purge"),
            ],
            Self::NotIsolated(_) => vec!["see which rights let it in: nexus fsck".to_owned()],
            Self::NotUsable(_) => vec!["find out what is wrong: nexus doctor".to_owned()],
            Self::UnknownKind { .. } => vec!["use the version that began it: nexus version".to_owned()],
            _ => self.inner().map_or_else(Vec::new, Failure::hints),
        }
    }

    fn neighbour(&self) -> Option<&str> {
        self.inner().and_then(Failure::neighbour)
    }

    fn details(&self) -> Value {
        match self {
            Self::SlugTaken { slug, differences } => {
                let names: Vec<_> = differences.iter().map(|it| it.what).collect();
                let value = |it: &Difference| (it.what.to_owned(), json!({ "is": it.is, "given": it.given }));
                let values: serde_json::Map<_, _> = differences.iter().map(value).collect();
                json!({ "slug": slug, "differences": names, "values": values })
            }
            Self::InProgress { slug, running, .. } => json!({ "slug": slug, "running": running }),
            Self::Stopped { slug, taken_back, .. } => json!({ "slug": slug, "taken_back": taken_back }),
            _ => self.inner().map_or(Value::Null, Failure::details),
        }
    }

    fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Stopped { operation, .. } => Some(*operation),
            Self::InProgress { operation, .. } => *operation,
            _ => self.inner().and_then(Failure::operation),
        }
    }
}

fn open_in_trash(slug: &str) -> Vec<String> {
    vec![
        format!("keep it: nexus tenant undelete {slug}"),
        format!("or, if nobody needs it, close it first: nexus tenant repair {slug}"),
    ]
}

/// Whether an operation of this kind can be taken back.
pub(super) fn can_go_back(kind: &str) -> bool {
    !matches!(kind, "purge" | "repair")
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The way on from what is over in a moment.
const AGAIN: &str = "repeat the command in a moment";

/// Who changes a tenant, in words.
fn changer(operation: Option<OperationId>, kind: &str) -> String {
    operation.map_or_else(|| "another process".to_owned(), |id| format!("operation {id} ({kind})"))
}

/// How to go on with an operation that stopped: first what a person must do, because the operation
/// would stop there again, then the operation.
fn after_stop(operation: OperationId, kind: &str, slug: &str, source: &ProvisioningError) -> Vec<String> {
    let gone = matches!(
        source,
        ProvisioningError::Cluster(ClusterError::Missing { .. })
            | ProvisioningError::Objects(ObjectError::Missing { .. })
    );
    if gone && can_go_back(kind) {
        return vec![
            format!("roll it back first: nexus operation rollback {operation}"),
            format!("then have what is gone made again: nexus tenant repair {slug}"),
        ];
    }
    let mut hints = source.hints();
    if source.is_passing() || hints.is_empty() {
        hints.extend(ways_on(operation, kind));
    } else {
        hints.push(format!("then finish it: nexus operation resume {operation}"));
        if can_go_back(kind) {
            hints.push(format!("or roll it back: nexus operation rollback {operation}"));
        }
    }
    if !matches!(kind, "create" | "adopt" | "pool" | "claim" | "purge") && !source.is_passing() {
        hints.push(format!("or give the tenant up: nexus tenant delete {slug} --purge"));
    }
    hints.dedup();
    hints
}

/// How to go on with an operation that stopped.
fn ways_on(operation: OperationId, kind: &str) -> Vec<String> {
    let back = can_go_back(kind).then(|| format!("or take it back: nexus operation rollback {operation}"));
    [format!("finish it: nexus operation resume {operation}")].into_iter().chain(back).collect()
}
