//! Rows of other features in a realm: who may look at them and change them is decided here, and a change is one
//! transaction with the realm's log.

use serde_json::{Map, Value};

use super::error::IamError;
use super::realm::{Realm, RealmTx};
use super::store;
use crate::features::access::{Authorized, Permission};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, RealmRef};

/// A reading or a change of a feature's own rows in a realm.
pub(in crate::features) struct RowsTx<'a>(pub(super) RealmTx<'a>);

impl Realm {
    /// Begins a reading of a feature's rows.
    pub(in crate::features) async fn look<'a>(
        &'a mut self,
        caller: &'a Caller,
    ) -> Result<RowsTx<'a>, IamError> {
        self.read(caller).await.map(RowsTx)
    }

    /// Begins a change of a feature's rows.
    pub(in crate::features) async fn change<'a>(
        &'a mut self,
        caller: &'a Caller,
    ) -> Result<RowsTx<'a>, IamError> {
        self.change_rows(caller).await.map(RowsTx)
    }
}

impl<'a> RowsTx<'a> {
    /// The session in the realm's database: in the transaction, where something is changed.
    pub(in crate::features) fn session(&mut self) -> &mut PgConnection {
        &mut self.0.tx
    }

    /// Which realm it is.
    pub(in crate::features) fn place(&self) -> &'a RealmRef {
        self.0.place
    }

    /// Whether the realm is the platform's own.
    pub(in crate::features) fn is_platform(&self) -> bool {
        self.0.place.is_platform()
    }

    /// Requires a permission on something with these attributes, which conditions look at.
    ///
    /// # Errors
    /// [`IamError::Access`].
    pub(in crate::features) fn authorize(
        &mut self,
        permission: &'static str,
        attributes: &Map<String, Value>,
    ) -> Result<(), IamError> {
        self.0.actor.require(self.0.caller, permission, attributes)
    }

    /// Whether the caller has a permission, whatever it is about.
    pub(in crate::features) fn may(&mut self, permission: &'static str) -> bool {
        self.0.actor.require(self.0.caller, permission, &Map::new()).is_ok()
    }

    /// Whether the caller has a permission that is known at run time alone, whatever it is about.
    pub(in crate::features) fn may_named(&mut self, permission: &Permission) -> bool {
        self.0.actor.may(permission)
    }

    /// How many users the realm has, those left out that are deleted.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(in crate::features) async fn count_users(&mut self) -> Result<i64, IamError> {
        Ok(store::count_users(&mut self.0.tx).await?)
    }

    /// Notes a change for the realm's log.
    pub(in crate::features) fn note(&mut self, action: &'static str, detail: Value) {
        self.0.note(action, None, detail);
    }

    /// A session in the control database, for rows that a feature keeps there. A change of them is committed first: a
    /// crash before the realm's own commit leaves one that the realm's log does not tell of, and a request that is
    /// carried out again.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub(in crate::features) async fn control(&mut self) -> Result<&mut PgConnection, DbError> {
        self.0.control().await
    }

    /// The proof that the caller was asked, for the row that the feature itself writes to the platform's log, in the
    /// transaction that changes something there.
    pub(in crate::features) fn proof(&mut self) -> Authorized<'a> {
        self.0.is_logged = true;
        self.0.proof()
    }

    /// Whether nothing is to be written.
    pub(in crate::features) fn is_dry_run(&self) -> bool {
        self.0.dry_run
    }

    /// Ends a reading.
    pub(in crate::features) async fn close(self) -> Result<(), IamError> {
        self.0.close().await
    }

    /// Ends a change: writes the log, commits.
    pub(in crate::features) async fn commit(self) -> Result<(), IamError> {
        self.0.commit_rows().await
    }

    /// Ends a change of what is the caller's alone, of which no log tells; commits.
    pub(in crate::features) async fn commit_own(self) -> Result<(), IamError> {
        self.0.commit_own().await
    }
}

impl IamError {
    /// Of a statement on a feature's rows: a realm of an older version has no table for them.
    pub(in crate::features) fn of_rows(error: DbError) -> Self {
        Self::of_older_realm(error)
    }
}
