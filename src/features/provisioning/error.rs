//! What can go wrong while tenants are made and taken away.

use serde_json::{Value, json};

use super::create::Difference;
use crate::features::access::AccessError;
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
#[derive(Debug, thiserror::Error, Failure)]
pub enum ProvisioningError {
    /// The slug belongs to a tenant with other settings.
    #[error("tenant {slug:?} exists already: {}", list(differences))]
    #[failure(Conflict, "tenant_exists")]
    #[hint("see it: nexus tenant show {slug}")]
    #[hint(
        if let Some(name) = differences.iter().find(|it| it.what == "name"),
        "change its name: nexus tenant update {slug} --name {}", shell::word(&name.given)
    )]
    #[details(slug, differences = names(differences), values = values(differences))]
    SlugTaken { slug: String, differences: Vec<Difference> },
    /// Another operation changes the tenant.
    #[error("tenant {slug:?} is being changed by {}", changer(*operation, kind))]
    #[failure(Conflict, "tenant_in_progress")]
    #[hints(in_progress(slug, *operation, kind, *running))]
    #[details(slug, running)]
    #[operation(*operation)]
    InProgress {
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
    #[failure(transparent(source))]
    #[hint(if *taken_back, "everything was taken back; the slug is free")]
    #[hints(else, after_stop(*operation, kind, slug, source))]
    #[details(slug, taken_back)]
    #[operation(Some(*operation))]
    Stopped {
        operation: OperationId,
        /// Its kind, e.g. `create`.
        kind: String,
        slug: String,
        /// Whether everything was taken back.
        taken_back: bool,
        source: Box<ProvisioningError>,
    },
    /// The tenant is no longer as the batch left it that is to be rolled back.
    #[error("tenant {slug:?} was changed since: {by}")]
    #[failure(Conflict, "changed_since")]
    ChangedSince { slug: String, by: String },
    /// No batch of that id.
    #[error("no batch {id}")]
    #[failure(NotFound, "batch_not_found")]
    #[hint("the batch of a change is in: nexus operation show ID, and nexus -o json operation list")]
    NoBatch { id: BatchId },
    /// What a batch destroyed is gone.
    #[error("batch {id} cannot be rolled back: what a {verb} destroyed is gone")]
    #[failure(Conflict, "batch_only_forward")]
    #[hint("see what it did: nexus operation list --batch {id}")]
    BatchOnlyForward { id: BatchId, verb: String },
    /// A process is at work on a batch.
    #[error("batch {id} is not finished: a process is at work on it")]
    #[failure(Busy, "batch_running")]
    #[hint("see how far it is: nexus operation list --batch {id}")]
    BatchRuns { id: BatchId },
    /// No operation of that id.
    #[error("no operation {id}")]
    #[failure(NotFound, "operation_not_found")]
    #[hint("see which there are: nexus operation list")]
    NoOperation { id: OperationId },
    /// A newer version of Nexus began it.
    #[error("operation {id} is of a kind that this version of Nexus does not know: {kind}")]
    #[failure(Conflict, "operation_unknown_kind")]
    #[hint("use the version that began it: nexus version")]
    UnknownKind { id: OperationId, kind: String },
    /// The operation is over.
    #[error("operation {id} is {state}: there is nothing to {verb}")]
    #[failure(Conflict, "operation_over")]
    #[hint("see what came of it: nexus operation show {id}")]
    Over { id: OperationId, state: String, verb: &'static str },
    /// What a purge destroyed is gone, and to take back what a repair looks after would destroy a
    /// tenant in use. Everything else can be taken back.
    #[error("operation {id} can only go forward: {}", if kind == "purge" {
        "what a purge destroyed is gone"
    } else {
        "to take a repair back would destroy a tenant in use"
    })]
    #[failure(Conflict, "operation_only_forward")]
    #[hint("finish it: nexus operation resume {id}")]
    #[hint(if kind != "purge", "or give the tenant up: nexus tenant delete {slug} --purge")]
    OnlyForward {
        id: OperationId,
        /// Its kind, e.g. `purge`.
        kind: String,
        slug: String,
    },
    /// Someone got in where nobody should.
    #[error("the proof of isolation failed: {0}")]
    #[failure(Integrity, "not_isolated")]
    #[hint("see which rights let it in: nexus fsck")]
    NotIsolated(String),
    /// What was written was not what was read.
    #[error("the proof of use failed: {0}")]
    #[failure(Integrity, "not_usable")]
    #[hint("find out what is wrong: nexus doctor")]
    NotUsable(String),
    /// What Nexus made is gone from the outside world, with what was in it.
    #[error("tenant {slug:?}: {what} is gone; a repair does not make an empty one in its place")]
    #[failure(Integrity, "resource_lost")]
    #[hint("bring it back from a backup under the same name, then: nexus tenant repair {slug}")]
    #[hint("or give the tenant up: nexus tenant delete {slug} --purge")]
    Lost { slug: String, what: String },
    /// A database that cannot be taken under Nexus.
    #[error("database {database:?} cannot be adopted: {reason}")]
    #[failure(Conflict, "not_adoptable")]
    #[hints(hint.clone())]
    NotAdoptable {
        database: String,
        reason: String,
        /// The way on, if there is one.
        hint: Option<String>,
    },
    /// The password of a login that was there before Nexus is another one now.
    #[error("tenant {slug:?}: its login does not take the sealed password any more")]
    #[failure(Integrity, "password_changed")]
    #[hint("seal the new one: nexus tenant adopt {slug} --dsn-file FILE")]
    PasswordChanged { slug: String },
    /// The control database has it in the trash, and the world lets its app in.
    #[error("tenant {slug:?} is in the trash, and its login is open on server {cluster}: it may be in use")]
    #[failure(Integrity, "tenant_open_in_trash")]
    #[hint("keep it: nexus tenant undelete {slug}")]
    #[hint("or, if nobody needs it, close it first: nexus tenant repair {slug}")]
    OpenInTrash { slug: String, cluster: String },
    /// The work was asked to stop.
    #[error(transparent)]
    #[failure(Interrupted, "interrupted")]
    Interrupted(#[from] Interrupted),
    /// A tenant's facts.
    #[error(transparent)]
    #[failure(transparent)]
    Tenant(#[from] TenantError),
    /// The servers and stores for tenants.
    #[error(transparent)]
    #[failure(transparent)]
    Placement(#[from] PlacementError),
    /// A statement on the control database or inside a tenant's.
    #[error(transparent)]
    #[failure(transparent, from(sqlx::Error))]
    Db(#[from] DbError),
    /// A change on a server.
    #[error(transparent)]
    #[failure(transparent)]
    Cluster(#[from] ClusterError),
    /// A change in an object store.
    #[error(transparent)]
    #[failure(transparent)]
    Objects(#[from] ObjectError),
    /// The system has no random numbers.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
    /// A role's verifier.
    #[error(transparent)]
    #[failure(transparent)]
    Scram(#[from] ScramError),
    /// A sealed value or a key.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

impl ProvisioningError {
    /// Whether trying again later can help, so that what was done so far is kept.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::Interrupted | ErrorKind::Internal
        )
    }
}

/// Whether an operation of this kind can be taken back.
pub(super) fn can_go_back(kind: &str) -> bool {
    !matches!(kind, "purge" | "repair")
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn names(differences: &[Difference]) -> Vec<&'static str> {
    differences.iter().map(|it| it.what).collect()
}

fn values(differences: &[Difference]) -> serde_json::Map<String, Value> {
    differences.iter().map(|it| (it.what.to_owned(), json!({ "is": it.is, "given": it.given }))).collect()
}

/// The way on from what is over in a moment.
const AGAIN: &str = "repeat the command in a moment";

/// How to go on where another operation changes the tenant.
fn in_progress(slug: &str, operation: Option<OperationId>, kind: &str, running: bool) -> Vec<String> {
    let mut hints = Vec::new();
    if running {
        hints.extend(operation.map(|id| format!("see how far it is: nexus operation show {id}")));
        if kind == "create" {
            hints.push(format!("wait for it: nexus tenant create {slug} --wait, with the same settings"));
        }
    } else if let Some(id) = operation {
        hints.extend(ways_on(id, kind));
    }
    if hints.is_empty() {
        hints.push(AGAIN.to_owned());
    }
    hints
}

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
