//! What can be added to a request that is repeated.

use super::macros::actions;

actions! {
    With:
    /// The request once more, with this.
    With {
        /// Wait for who holds the lock.
        LockWait,
        /// Wait longer for locks on tables.
        TableLockTimeout,
        /// Give each statement more time.
        StatementTimeout,
        /// Try again more often.
        Retries,
        /// Do another number at a time.
        Jobs,
        /// Name a set of migrations.
        Set,
        /// Say in which folder a set's files are; `None`: of a set that the reader knows.
        Source(Option<String>),
        /// The same, as an example.
        SourceExample,
        /// Give a set another history table.
        History(String),
        /// Name a server.
        Cluster(String),
        /// Let all tenants of a store share a key.
        SharedKey,
        AccessKeyId,
        AdminEndpoint,
        Endpoint,
        /// Overwrite a file.
        Overwrite,
    }
}
