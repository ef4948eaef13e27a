//! A realm that is open for work on its users' tokens.

mod store;

use uuid::Uuid;

pub(super) use store::record;

use super::error::TokenError;
use super::issued::IssueTime;
use crate::features::access::{self, Authorized, RealmSession, Right};
use crate::features::iam::idempotency::{self, Attempt};
use crate::infra::db::{Lease, PgConnection, Transaction, transaction};
use crate::kernel::{Caller, RealmRef, UserId};

/// A realm and a session in its database, safe from what the tenant may have planted there: the
/// administrator's, with safe startup options, acting with the owner role's rights.
#[derive(Debug)]
pub struct Realm {
    pub name: RealmRef,
    /// A session in its database.
    pub session: Lease,
    /// The time that what is issued here bears: read before the session was opened.
    pub as_of: IssueTime,
    /// The attempt to carry out a request once, which the changes here belong to.
    attempt: Option<Attempt>,
}

impl Realm {
    /// A realm, the session in its database, and the time that was read before that was opened.
    #[must_use]
    pub fn new(name: RealmRef, session: Lease, as_of: IssueTime) -> Self {
        Self { name, session, as_of, attempt: None }
    }

    /// Checks that the caller may do something with the tokens of this realm, perhaps in the name of one
    /// of its users.
    pub(super) async fn authorize<'a>(
        &mut self,
        control: &mut PgConnection,
        caller: &'a Caller,
        right: &'static Right,
        on_behalf: Option<Uuid>,
    ) -> Result<Authorized<'a>, TokenError> {
        if !matches!(caller, Caller::User { .. }) {
            return Ok(access::authorize_machine(caller, right)?);
        }
        let realm = self.name.id;
        let mut tx = self.begin().await?;
        let within = RealmSession { session: &mut tx, realm, on_behalf: on_behalf.map(UserId::from) };
        let authorized = access::authorize_in_realm(control, caller, right, within).await?;
        tx.rollback().await?;
        Ok(authorized)
    }

    /// Begins a transaction with the owner's rights.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(in crate::features) async fn begin(&mut self) -> Result<Transaction<'_>, TokenError> {
        Ok(transaction(&mut self.session).await?)
    }

    /// The same for what a request changes: where the request is carried out once, its commit says that it was.
    ///
    /// # Errors
    /// When the connection is broken; when another try has taken the request's key meanwhile.
    pub(super) async fn begin_change(&mut self) -> Result<Transaction<'_>, TokenError> {
        let mut tx = transaction(&mut self.session).await?;
        if let Some(attempt) = &self.attempt {
            idempotency::mark(&mut tx, attempt).await?;
        }
        Ok(tx)
    }

    /// What is changed from here on belongs to a request that is carried out once.
    pub fn carry_out(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }
}
