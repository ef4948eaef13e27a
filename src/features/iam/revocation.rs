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

/// Whose access tokens are taken back.
#[derive(Debug, Clone, Copy)]
pub enum TokensOf {
    /// Everybody's in a realm, until now.
    Realm(TenantId),
    /// A user's, until now.
    User(TenantId, UserId),
    /// Those of a session that ends, for good.
    Session(Uuid),
}

/// Takes access tokens back, in a transaction in the control database: before a change is committed, and once
/// more after it. Given by whoever opens a realm, because tokens know users, and not the reverse.
pub type RevocationHook = for<'c> fn(
    &'c mut PgConnection,
    &'c Authorized<'c>,
    TokensOf,
) -> BoxFuture<'c, Result<(), Box<dyn Failure>>>;

/// When more users than this lose something, all of the realm's tokens are taken back.
const MAX_SINGLE_ROWS: usize = 200;

/// Those who lose something.
#[derive(Debug, Clone, Default)]
pub(super) struct RevokedUsers {
    users: BTreeSet<UserId>,
    /// A session that ends alone: it is named, so that no token of it can come after.
    session: Option<Uuid>,
}

impl RevokedUsers {
    /// Takes their tokens back.
    pub(super) async fn revoke(
        &self,
        revoke: RevocationHook,
        control: &mut PgConnection,
        (caller, realm): (&Authorized<'_>, TenantId),
    ) -> Result<(), IamError> {
        let users = self.users.iter().map(|user| TokensOf::User(realm, *user));
        let users: Vec<_> =
            if self.users.len() > MAX_SINGLE_ROWS { vec![TokensOf::Realm(realm)] } else { users.collect() };
        for of in self.session.map(TokensOf::Session).into_iter().chain(users) {
            revoke(control, caller, of).await.map_err(IamError::RevocationHook)?;
        }
        Ok(())
    }

    /// Whether nobody loses what tokens that are issued meanwhile could say.
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

impl RealmTx<'_> {
    /// A user loses something.
    pub(super) fn loses(&mut self, user: UserId) {
        self.revoked_users.users.insert(user);
    }

    /// A session ends, with its tokens.
    pub(super) fn session_ends(&mut self, session: Uuid) {
        self.revoked_users.session = Some(session);
    }

    /// Ends a user's sessions, and takes its tokens back; gives how many sessions.
    pub(super) async fn end_sessions(&mut self, user: UserId) -> Result<u64, IamError> {
        self.loses(user);
        Ok(users::store::end_sessions(&mut self.tx, user).await?)
    }

    /// Whoever has a role now loses something.
    pub(super) async fn holders_lose(&mut self, role: Uuid) -> Result<(), IamError> {
        let holders = store::holders(&mut self.tx, role, most()).await?;
        self.revoked_users.users.extend(holders);
        Ok(())
    }

    /// Whoever is in a group now, or in one within it, loses something.
    pub(super) async fn members_lose(&mut self, group: Uuid) -> Result<(), IamError> {
        let members = store::members_within(&mut self.tx, group, most()).await?;
        self.revoked_users.users.extend(members);
        Ok(())
    }
}

/// One more than are taken one by one: more need not be known.
fn most() -> i64 {
    i64::try_from(MAX_SINGLE_ROWS + 1).unwrap_or(i64::MAX)
}
