//! Sessions: one for each sign-in.

use serde::Serialize;
use serde_json::{Map, json};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::error::IamError;
use super::super::model::{Changed, Outcome, UserRef};
use super::super::realm::Realm;
use super::super::users;
use super::store;
use crate::kernel::{Caller, UserId};

/// A session as doors show it.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user_id: UserId,
    /// What the person uses.
    pub client: String,
    /// Whether a second factor was shown.
    pub second_factor: bool,
    /// `open`, `revoked` or `over`.
    pub state: String,
    /// When it began (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last used.
    #[serde(with = "time::serde::rfc3339")]
    pub last_used_at: OffsetDateTime,
    /// When it ends by itself.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// A user's sessions, the newest first.
///
/// # Errors
/// Without `session:read`.
pub async fn sessions(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Vec<Session>, IamError> {
    let mut work = realm.look(caller).await?;
    let user = users::find(&mut work, who, "session:read").await?;
    let found = store::sessions(&mut work.tx, user.id).await?;
    work.close().await?;
    Ok(found)
}

/// Ends all sessions of a user.
///
/// # Errors
/// Without `session:delete` on it; [`IamError::Above`].
pub async fn end_sessions(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.change(caller).await?;
        let user = users::find_to_change(&mut work, who, "session:delete").await?;
        let ended = users::store::end_sessions(&mut work.tx, user.id).await?;
        if ended > 0 {
            work.note("user.sessions.revoke", Some(user.id), json!({ "sessions": ended }));
        }
        let outcome = if ended > 0 { work.outcome() } else { Outcome::Unchanged };
        work.commit().await?;
        let object = format!("{ended} sessions");
        Ok(Changed { action: "user.sessions.revoke", subject: user.email, object, outcome })
    }
    .await;
    realm.settled(result).await
}

/// Ends one session.
///
/// # Errors
/// As [`end_sessions`]; [`IamError::NotFound`].
pub async fn end_session(realm: &mut Realm, caller: &Caller, id: Uuid) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.change(caller).await?;
        let nobody = || IamError::NotFound { what: "session", name: id.to_string(), nearest: None };
        let Some(owner) = store::session_owner(&mut work.tx, id).await? else {
            work.actor.require(caller, "session:delete", &Map::new())?;
            return Err(nobody());
        };
        let user = users::find_to_change(&mut work, &UserRef::Id(owner), "session:delete").await?;
        let ended = store::end_session(&mut work.tx, id).await?;
        if ended {
            work.note("user.sessions.revoke", Some(user.id), json!({ "session": id }));
        }
        let outcome = if ended { work.outcome() } else { Outcome::Unchanged };
        work.commit().await?;
        Ok(Changed { action: "user.sessions.revoke", subject: user.email, object: id.to_string(), outcome })
    }
    .await;
    realm.settled(result).await
}
