//! People of a realm as others write to them: who they are called, where they are reached, in which language.

mod store;

use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use super::error::IamError;
use super::groups;
use super::model::{NameRef, UserRef};
use super::rows::RowsTx;
use super::users;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, Email, UserId};

/// Somebody of a realm who is not deleted.
#[derive(Debug, Clone, FromRow)]
pub(in crate::features) struct Person {
    pub(in crate::features) id: Uuid,
    pub(in crate::features) email: String,
    pub(in crate::features) name: String,
    /// Whether they are shut out.
    pub(in crate::features) is_disabled: bool,
    /// What their profile says; apps may write it.
    pub(in crate::features) language: Option<String>,
}

/// Those of these ids who are not deleted.
pub(in crate::features) async fn by_ids(
    realm: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Person>, DbError> {
    store::by_ids(realm, ids).await
}

/// Those of these addresses who are not deleted.
pub(in crate::features) async fn by_addresses(
    realm: &mut PgConnection,
    addresses: &[Email],
) -> Result<Vec<Person>, DbError> {
    let keys: Vec<String> = addresses.iter().map(Email::key).collect();
    store::by_keys(realm, &keys).await
}

/// Who may do everything in a realm and can sign in, up to some hundred.
pub(in crate::features) async fn administrators(realm: &mut PgConnection) -> Result<Vec<Uuid>, DbError> {
    store::administrators(realm).await
}

/// The language of a realm, where it has one.
pub(in crate::features) async fn language(realm: &mut PgConnection) -> Result<Option<String>, DbError> {
    store::language(realm).await
}

impl RowsTx<'_> {
    /// Up to so many of a group, and of those within it.
    ///
    /// # Errors
    /// When there is no such group.
    pub(in crate::features) async fn members(
        &mut self,
        group: &NameRef,
        most: usize,
    ) -> Result<Vec<UserId>, IamError> {
        let id = groups::id_of(&mut self.0, group).await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(super::store::members_within(&mut self.0.tx, id, most).await?)
    }

    /// The user, if it is the caller or the caller has the permission on it.
    ///
    /// # Errors
    /// [`IamError::Access`]; when there is no such user.
    pub(in crate::features) async fn person(
        &mut self,
        who: &UserRef,
        permission: &'static str,
    ) -> Result<UserId, IamError> {
        Ok(users::find_or_self(&mut self.0, who, permission).await?.id)
    }

    /// Notes a change of what is a user's for the realm's log.
    pub(in crate::features) fn note_on(&mut self, user: UserId, action: &'static str, detail: Value) {
        self.0.note(action, Some(user), detail);
    }

    /// The caller, as a user of this realm, whatever their token allows.
    pub(in crate::features) fn own_user(&self) -> Option<UserId> {
        match self.0.caller {
            Caller::User { id, .. } if self.0.actor.is_token_of(*id) => Some(*id),
            _ => None,
        }
    }
}
