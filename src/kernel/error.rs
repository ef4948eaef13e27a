//! What every error of Nexus can say of itself: its kind, a stable code, and what to do next.

use std::fmt;

use super::{Hint, OperationId};

/// Kind, code, hints and details of an error, each at its variant: see `src/failure/lib.rs`.
pub use nexus_failure::Failure;

/// What sort of failure an error is. The command line maps it to an exit code and HTTP to a
/// status; nothing else decides either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong; nothing was done.
    Invalid,
    /// The caller did not say who it is.
    Unauthenticated,
    /// The caller may not do this, or a confirmation was not given.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It contradicts what exists.
    Conflict,
    /// Some of many were done.
    Partial,
    /// Someone else holds the lock.
    Busy,
    /// Something that Nexus needs does not answer.
    Unavailable,
    /// A check of data or keys failed.
    Integrity,
    /// The user stopped it.
    Interrupted,
    /// A bug in Nexus.
    Internal,
}

/// An error that a door can show: one per feature implements it.
///
/// `Display` is the sentence a person reads: lower case, names the thing, carries no secret.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// What sort of failure this is.
    fn kind(&self) -> ErrorKind;

    /// A stable word for scripts, e.g. `tenant_exists`. Never changes within a major version.
    fn code(&self) -> &'static str;

    /// What to do next, most useful first.
    fn hints(&self) -> Vec<Hint> {
        Vec::new()
    }

    /// Another customer, whose name is one slip away from one that nobody has. It may not be the one that
    /// was meant: a door names it only beside what changes nothing.
    fn neighbour(&self) -> Option<&str> {
        None
    }

    /// Facts for a script, as a JSON object; `Null` when there are none.
    fn details(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// The recorded operation that this failure left behind, if any.
    fn operation(&self) -> Option<OperationId> {
        None
    }
}

/// A code that an error can have.
#[cfg(test)]
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ErrorCode {
    /// `None`: it depends on what was the cause.
    pub(crate) kind: Option<ErrorKind>,
    pub(crate) code: &'static str,
    /// What the variant's doc comment says.
    pub(crate) meaning: &'static str,
}

/// The codes of one error, which its derive declares.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct ErrorCodes {
    pub(crate) file: &'static str,
    pub(crate) codes: &'static [ErrorCode],
}

#[cfg(test)]
inventory::collect!(ErrorCodes);

/// Any feature's error, on its way to a door.
pub struct AnyFailure(Box<dyn Failure>);

impl AnyFailure {
    /// The failure itself.
    #[must_use]
    pub fn get(&self) -> &dyn Failure {
        &*self.0
    }
}

impl<F: Failure> From<F> for AnyFailure {
    fn from(failure: F) -> Self {
        Self(Box::new(failure))
    }
}

impl std::ops::Deref for AnyFailure {
    type Target = dyn Failure;

    fn deref(&self) -> &Self::Target {
        self.get()
    }
}

impl fmt::Debug for AnyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for AnyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
