//! What can go wrong while tenants are made and taken away.

use serde_json::{Value, json};

use super::difference::Difference;
use crate::features::access::AccessError;
use crate::features::iam::IamError;
use crate::features::placement::PlacementError;
use crate::features::secrets::SecretsError;
use crate::features::tenants::TenantError;
use crate::infra::cluster::ClusterError;
use crate::infra::crypto::RandomError;
use crate::infra::crypto::scram::ScramError;
use crate::infra::db::DbError;
use crate::infra::objects::ObjectError;
use crate::infra::saga::Interrupted;
use crate::kernel::hint::{OperationAction, TenantAction};
use crate::kernel::{BatchId, ErrorKind, Failure, Hint, OperationId};

/// A change of a tenant that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum ProvisioningError {
    /// The slug belongs to a tenant with other settings.
    #[error("tenant {slug:?} already exists: {}", list(differences))]
    #[failure(Conflict, "tenant_exists")]
    #[hint("see it" => TenantAction::Show(Some(slug.clone())))]
    #[hint(
        if let Some(name) = differences.iter().find(|it| it.what == "name"),
        "change its name" => TenantAction::SetName { slug: slug.clone(), name: name.given.clone() }
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
        /// By which operation; `None` where somebody only reads it, or is about to start one.
        operation: Option<OperationId>,
        /// Its kind, e.g. `create`.
        kind: String,
        /// Whether a process is at work on it at this moment.
        running: bool,
    },
    /// An operation stopped before its end.
    #[error("{kind} of tenant {slug:?} stopped: {source}")]
    #[failure(transparent(source))]
    #[hint(if *rolled_back, "everything was rolled back; the slug is free")]
    #[hints(else, after_stop(*operation, kind, slug, source))]
    #[details(slug, rolled_back)]
    #[operation(Some(*operation))]
    Stopped {
        operation: OperationId,
        /// Its kind, e.g. `create`.
        kind: String,
        slug: String,
        /// Whether everything was rolled back.
        rolled_back: bool,
        /// Whether trying again later can help.
        passing: bool,
        source: Box<ProvisioningError>,
    },
    /// The tenant is no longer as the batch left it that is to be rolled back.
    #[error("tenant {slug:?} was changed since: {by}")]
    #[failure(Conflict, "changed_since")]
    #[hint(if by == ANOTHER, "see by whom" => OperationAction::ListOf(slug.clone()))]
    ChangedSince { slug: String, by: String },
    /// No batch of that id.
    #[error("no batch {id}")]
    #[failure(NotFound, "batch_not_found")]
    #[hint("the batch of a change is shown with it" => OperationAction::Show(None))]
    NoBatch { id: BatchId },
    /// What a batch destroyed is gone.
    #[error("batch {id} cannot be rolled back: what a {verb} destroyed is gone")]
    #[failure(Conflict, "batch_only_forward")]
    #[hint("see what it did" => OperationAction::ListBatch(*id))]
    BatchOnlyForward { id: BatchId, verb: String },
    /// A process is at work on a batch.
    #[error("batch {id} is not finished: a process is at work on it")]
    #[failure(Busy, "batch_running")]
    #[hint("see how far it is" => OperationAction::ListBatch(*id))]
    BatchRuns { id: BatchId },
    /// No operation of that id.
    #[error("no operation {id}")]
    #[failure(NotFound, "operation_not_found")]
    #[hint("see which there are" => OperationAction::List)]
    NoOperation { id: OperationId },
    /// A newer version of Nexus started it.
    #[error("operation {id} is of a kind that this version of Nexus does not know: {kind}")]
    #[failure(Conflict, "operation_unknown_kind")]
    #[hint("use the version that started it" => PlatformAction::ShowVersion)]
    UnknownKind { id: OperationId, kind: String },
    /// The operation is over.
    #[error("operation {id} is {state}: there is nothing to {verb}")]
    #[failure(Conflict, "operation_over")]
    #[hint("see what came of it" => OperationAction::Show(Some(*id)))]
    Over { id: OperationId, state: String, verb: &'static str },
    /// What a purge destroyed is gone, and rolling back a repair would destroy a tenant in use.
    /// Everything else can be rolled back.
    #[error("operation {id} can only go forward: {}", if kind == "purge" {
        "what a purge destroyed is gone"
    } else {
        "rolling back a repair would destroy a tenant in use"
    })]
    #[failure(Conflict, "operation_only_forward")]
    #[hint("finish it" => OperationAction::Resume(*id))]
    #[hint(if kind != "purge", "or give the tenant up" => TenantAction::Purge(Some(slug.clone())))]
    OnlyForward {
        id: OperationId,
        /// Its kind, e.g. `purge`.
        kind: String,
        slug: String,
    },
    /// A login got access where it must not.
    #[error("the proof of isolation failed: {0}")]
    #[failure(Integrity, "not_isolated")]
    #[hint("see which rights allow it" => FsckAction::Inspect)]
    NotIsolated(String),
    /// What was written was not what was read.
    #[error("the proof of use failed: {0}")]
    #[failure(Integrity, "not_usable")]
    #[hint("find out what is wrong" => PlatformAction::Examine)]
    NotUsable(String),
    /// A database or bucket that Nexus created is missing, with what was in it.
    #[error("tenant {slug:?}: {what} is missing; a repair does not create an empty one in its place")]
    #[failure(Integrity, "resource_lost")]
    #[hint("bring it back from a backup under the same name, then" => TenantAction::Repair(Some(slug.clone())))]
    #[hint("or give the tenant up" => TenantAction::Purge(Some(slug.clone())))]
    Lost { slug: String, what: String },
    /// A database that cannot be adopted.
    #[error("database {database:?} cannot be adopted: {reason}")]
    #[failure(Conflict, "not_adoptable")]
    #[hints(hint.clone())]
    NotAdoptable {
        database: String,
        reason: String,
        /// The way on, if there is one.
        hint: Option<Hint>,
    },
    /// The password of an adopted database's login was changed.
    #[error("tenant {slug:?}: its login no longer accepts the sealed password")]
    #[failure(Integrity, "password_changed")]
    #[hint("seal the new one" => TenantAction::Adopt(Some(slug.clone())))]
    PasswordChanged { slug: String },
    /// The control database has the tenant in the trash, but its app still has access.
    #[error("tenant {slug:?} is in the trash, and its login is open on server {cluster}: it may be in use")]
    #[failure(Integrity, "tenant_open_in_trash")]
    #[hint("keep it" => TenantAction::Undelete(slug.clone()))]
    #[hint("or, if nobody needs it, close it first" => TenantAction::Repair(Some(slug.clone())))]
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
    Db(DbError),
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
    /// The first administrator.
    #[error(transparent)]
    #[failure(transparent)]
    Administrator(#[from] IamError),
    /// The caller may not do it.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
}

impl From<DbError> for ProvisioningError {
    fn from(error: DbError) -> Self {
        // The line of an operation is written with the mark of its request's key.
        if error.violates("operations_attempt_holds") {
            return Self::Administrator(IamError::Overtaken);
        }
        Self::Db(error)
    }
}

impl ProvisioningError {
    /// Whether trying again later can help, so that what was done so far is kept.
    pub(super) fn is_passing(&self) -> bool {
        if let Self::Stopped { passing, .. } = self {
            return *passing;
        }
        matches!(
            self.kind(),
            ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::Interrupted | ErrorKind::Internal
        )
    }

    /// The same of an operation that stopped, where something else than its cause says whether trying again can help.
    pub(super) fn goes_on(mut self, whether: bool) -> Self {
        if let Self::Stopped { passing, .. } = &mut self {
            *passing = whether;
        }
        self
    }
}

/// Whether an operation of this kind can be rolled back.
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

/// What [`ProvisioningError::ChangedSince`] says of an operation.
pub(super) const ANOTHER: &str = "by another operation";

/// The way on from what is over in a moment.
const AGAIN: &str = "repeat the command in a moment";

/// How to go on where another operation changes the tenant.
fn in_progress(slug: &str, operation: Option<OperationId>, kind: &str, running: bool) -> Vec<Hint> {
    let mut hints = Vec::new();
    if running {
        let show = |id| Hint::new("see how far it is", OperationAction::Show(Some(id)));
        hints.extend(operation.map(show));
        if kind == "create" {
            hints.push(Hint::new("wait for it", TenantAction::CreateAndWait(slug.to_owned())));
        }
    } else if let Some(id) = operation {
        hints.extend(recovery_hints(id, kind));
    }
    if hints.is_empty() {
        hints.push(AGAIN.into());
    }
    hints
}

/// Who changes a tenant, in words.
fn changer(operation: Option<OperationId>, kind: &str) -> String {
    operation.map_or_else(|| "another process".to_owned(), |id| format!("operation {id} ({kind})"))
}

/// How to go on with an operation that stopped: first what a person must do, because the operation
/// would stop there again, then the operation.
fn after_stop(operation: OperationId, kind: &str, slug: &str, source: &ProvisioningError) -> Vec<Hint> {
    let gone = matches!(
        source,
        ProvisioningError::Cluster(ClusterError::Missing { .. })
            | ProvisioningError::Objects(ObjectError::Missing { .. })
    );
    if gone && can_go_back(kind) {
        return vec![
            Hint::new("roll it back first", OperationAction::RollBack(operation)),
            Hint::new("then have what is gone made again", TenantAction::Repair(Some(slug.to_owned()))),
        ];
    }
    let mut hints = source.hints();
    if source.is_passing() || hints.is_empty() {
        hints.extend(recovery_hints(operation, kind));
    } else {
        hints.push(Hint::new("then finish it", OperationAction::Resume(operation)));
        if can_go_back(kind) {
            hints.push(Hint::new("or roll it back", OperationAction::RollBack(operation)));
        }
    }
    if !matches!(kind, "create" | "adopt" | "pool" | "claim" | "purge") && !source.is_passing() {
        hints.push(Hint::new("or give the tenant up", TenantAction::Purge(Some(slug.to_owned()))));
    }
    hints.dedup();
    hints
}

/// How to go on with an operation that stopped.
fn recovery_hints(operation: OperationId, kind: &str) -> Vec<Hint> {
    let back = Hint::new("or roll it back", OperationAction::RollBack(operation));
    let back = can_go_back(kind).then_some(back);
    [Hint::new("finish it", OperationAction::Resume(operation))].into_iter().chain(back).collect()
}
