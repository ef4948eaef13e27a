//! Actions on tenants and their operations. Where a slug is `None`, the reader knows which.

use super::PlaceKind;
use super::macros::actions;
use crate::kernel::{BatchId, OperationId};

actions! {
    Tenant:
    /// On tenants.
    TenantAction {
        List,
        /// List those of a server or a store.
        ListOf(PlaceKind, String),
        Show(Option<String>),
        /// Make one on a server.
        CreateOn(String),
        /// Repeat the request that makes it, and wait for it.
        CreateAndWait(String),
        SetName { slug: String, name: String },
        Repair(Option<String>),
        RepairAll,
        /// Destroy it with all its data.
        Purge(Option<String>),
        /// Destroy those whose time in the trash is over.
        PurgeDue,
        Resume(String),
        Undelete(String),
        /// Open a session in its database.
        Session(Option<String>),
        /// Take a database under Nexus as this tenant.
        Adopt(Option<String>),
    }
}

actions! {
    Operation:
    /// On recorded changes of tenants.
    OperationAction {
        List,
        /// List those that are not finished.
        ListOpen,
        /// List those of a tenant.
        ListOf(String),
        /// List those of a batch.
        ListBatch(BatchId),
        Show(Option<OperationId>),
        Resume(OperationId),
        RollBack(OperationId),
        /// Undo what a batch changed.
        RollBackBatch(BatchId),
    }
}
