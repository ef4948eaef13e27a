//! Whoever loses something by a change: access tokens that say more are taken back.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::error::IamError;
use super::realm::RealmTx;
use super::{store, users};
use crate::features::access::Authorized;
use crate::infra::db::PgConnection;
use crate::kernel::{Failure, TenantId, UserId};

/// Takes back a user's access tokens, or those of everybody in a realm, in a transaction in the
/// control database: before a change is committed, and once more after it. Given by whoever opens a
/// realm, because tokens know users, and not the reverse.
pub type RevocationHook = for<'c> fn(
    &'c mut PgConnection,
    &'c Authorized<'c>,
    (TenantId, Option<UserId>),
) -> BoxFuture<'c, Result<(), Box<dyn Failure>>>;

/// When more users than this lose something, all of the realm's tokens are taken back.
const MAX_SINGLE_ROWS: usize = 200;

/// Those who lose something.
#[derive(Debug, Clone, Default)]
pub(super) struct RevokedUsers(BTreeSet<UserId>);

impl RevokedUsers {
    /// Takes their tokens back.
    pub(super) async fn revoke(
        &self,
        revoke: RevocationHook,
        control: &mut PgConnection,
        (caller, realm): (&Authorized<'_>, TenantId),
    ) -> Result<(), IamError> {
        if self.0.len() > MAX_SINGLE_ROWS {
            return revoke(control, caller, (realm, None)).await.map_err(IamError::RevocationHook);
        }
        for user in &self.0 {
            revoke(control, caller, (realm, Some(*user))).await.map_err(IamError::RevocationHook)?;
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl RealmTx<'_> {
    /// A user loses something.
    pub(super) fn loses(&mut self, user: UserId) {
        self.revoked_users.0.insert(user);
    }

    /// Ends a user's sessions, and takes its tokens back; gives how many sessions.
    pub(super) async fn end_sessions(&mut self, user: UserId) -> Result<u64, IamError> {
        self.loses(user);
        Ok(users::store::end_sessions(&mut self.tx, user).await?)
    }

    /// Whoever has a role now loses something.
    pub(super) async fn holders_lose(&mut self, role: Uuid) -> Result<(), IamError> {
        let holders = store::holders(&mut self.tx, role, most()).await?;
        self.revoked_users.0.extend(holders);
        Ok(())
    }

    /// Whoever is in a group now, or in one within it, loses something.
    pub(super) async fn members_lose(&mut self, group: Uuid) -> Result<(), IamError> {
        let members = store::members_within(&mut self.tx, group, most()).await?;
        self.revoked_users.0.extend(members);
        Ok(())
    }
}

/// One more than are taken one by one: more need not be known.
fn most() -> i64 {
    i64::try_from(MAX_SINGLE_ROWS + 1).unwrap_or(i64::MAX)
}
