//! A session that is drawn when it is needed first.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::Lease;
use crate::infra::db::{DbError, PgConnection};

/// Draws a session.
pub type Source = Arc<dyn Fn() -> BoxFuture<'static, Result<Lease, DbError>> + Send + Sync>;

/// A session, or what draws one when it is needed.
pub struct LazyLease {
    lease: Option<Lease>,
    source: Source,
}

impl LazyLease {
    /// One that nobody has drawn yet.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { lease: None, source }
    }

    /// One that was drawn already.
    #[must_use]
    pub fn drawn(lease: Lease, source: Source) -> Self {
        Self { lease: Some(lease), source }
    }

    /// The session, drawn now where it is needed for the first time.
    ///
    /// # Errors
    /// What drawing it says.
    pub async fn get(&mut self) -> Result<&mut PgConnection, DbError> {
        let lease = match self.lease.take() {
            Some(lease) => lease,
            None => (self.source)().await?,
        };
        Ok(self.lease.insert(lease))
    }

    /// Gives the session back until it is needed again.
    pub fn give_back(&mut self) {
        self.lease = None;
    }

    /// The session, where it was drawn.
    pub fn if_open(&mut self) -> Option<&mut PgConnection> {
        self.lease.as_deref_mut()
    }
}

impl fmt::Debug for LazyLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyLease").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// A session that is open, or one that is drawn when it is needed.
#[derive(Debug)]
pub enum AnyLease<'a> {
    Open(&'a mut PgConnection),
    Lazy(&'a mut LazyLease),
}

impl AnyLease<'_> {
    /// The session.
    ///
    /// # Errors
    /// As [`LazyLease::get`].
    pub async fn get(&mut self) -> Result<&mut PgConnection, DbError> {
        match self {
            Self::Open(session) => Ok(session),
            Self::Lazy(lease) => lease.get().await,
        }
    }

    /// Gives one that is drawn when it is needed back until then.
    pub fn give_back(&mut self) {
        if let Self::Lazy(lease) = self {
            lease.give_back();
        }
    }
}

impl<'a> From<&'a mut Lease> for AnyLease<'a> {
    fn from(lease: &'a mut Lease) -> Self {
        Self::Open(lease)
    }
}

impl<'a> From<&'a mut LazyLease> for AnyLease<'a> {
    fn from(lease: &'a mut LazyLease) -> Self {
        Self::Lazy(lease)
    }
}
