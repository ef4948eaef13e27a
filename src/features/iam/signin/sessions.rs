//! Sessions: one for each sign-in.

use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::error::IamError;
use super::super::model::{Changed, User, UserRef, WriteOutcome};
use super::super::realm::{Realm, RealmTx};
use super::super::users;
use super::store;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::text::counted;
use crate::kernel::{Caller, Page, Pagination, Total, UserId};

/// A session as doors show it.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct Session {
    pub id: Uuid,
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
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

/// Where a session stands in a list: when it began, and its id.
pub type SessionPosition = (OffsetDateTime, Uuid);

/// How long a session lasts at most, in days.
const DAYS: i32 = 30;

/// A session to begin.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub user: Uuid,
    pub client: &'a str,
    /// Whether a second factor was shown.
    pub second_factor: bool,
    /// When it begins, by the control database's clock, as revocations are dated.
    pub at: OffsetDateTime,
    /// What its access tokens may say, where it is less than all.
    pub access: Option<Value>,
}

/// Begins a session, in the caller's transaction in the realm; none where the user is not active at
/// this moment. Forgets those that ended a month ago.
pub(in crate::features) async fn begin_session(
    realm: &mut PgConnection,
    new: NewSession<'_>,
) -> Result<Option<Uuid>, DbError> {
    let id = Uuid::now_v7();
    store::forget_sessions(realm).await?;
    let begun = store::insert_session(realm, id, &new, DAYS).await?;
    Ok(begun.then_some(id))
}

/// Ends a session that misuse or its own client ended.
pub(in crate::features) async fn close_session(
    realm: &mut PgConnection,
    id: Uuid,
    why: &str,
) -> Result<(), DbError> {
    store::end_session(realm, id, Some(why)).await?;
    Ok(())
}

/// Ends the sessions of a user that are open, but for one that is kept.
pub(in crate::features) async fn close_sessions(
    realm: &mut PgConnection,
    user: Uuid,
    kept: Option<Uuid>,
    why: &str,
) -> Result<(), DbError> {
    store::end_sessions_but(realm, user, kept, why).await
}

/// A user's sessions, the newest first. Everybody may see their own.
///
/// # Errors
/// Without `session:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn sessions(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Vec<Session>, IamError> {
    let mut work = realm.read(caller).await?;
    let user = users::find_or_self(&mut work, who, "session:read").await?;
    let found = store::sessions(&mut work.tx, user.id).await?;
    work.close().await?;
    Ok(found)
}

/// One page of a user's sessions, the newest first: those that began before the one at `after`. Everybody may
/// see their own.
///
/// # Errors
/// Without `session:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page_of_sessions(
    realm: &mut Realm,
    caller: &Caller,
    (who, after): (&UserRef, Option<SessionPosition>),
    (page, total): (Page, Total),
) -> Result<(Vec<Session>, Pagination), IamError> {
    let mut work = realm.read(caller).await?;
    let user = users::find_or_self(&mut work, who, "session:read").await?;
    let mut rows = store::page_of_sessions(&mut work.tx, user.id, after, page).await?;
    let counting = store::count_sessions(&mut work.tx, user.id, total.limit());
    let place = Pagination::of((page, total), &mut rows, after.is_none(), counting).await?;
    work.close().await?;
    Ok((rows, place))
}

/// Ends all sessions of a user. Everybody may end their own.
///
/// # Errors
/// Without `session:delete` on it; [`IamError::Access`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn end_sessions(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = own_or_to_change(&mut work, who).await?;
        let ended = work.end_sessions(user.id).await?;
        if ended > 0 {
            work.note("user.sessions.revoke", Some(user.id), json!({ "sessions": ended }));
        }
        let outcome = if ended > 0 { work.outcome() } else { WriteOutcome::Unchanged };
        work.commit().await?;
        let object = counted(ended, "session");
        Ok(Changed { action: "user.sessions.revoke", subject: user.email, object, outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Whose sessions are to end: everybody may end their own.
async fn own_or_to_change(work: &mut RealmTx<'_>, who: &UserRef) -> Result<User, IamError> {
    match who {
        UserRef::Id(id) if work.actor.is(*id) => users::find_or_self(work, who, "session:delete").await,
        _ => users::find_to_change(work, who, "session:delete").await,
    }
}

/// Ends one session, and its access tokens; with a user only if it is theirs.
///
/// # Errors
/// As [`end_sessions`]; [`IamError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn end_session(
    realm: &mut Realm,
    caller: &Caller,
    user: Option<UserId>,
    id: Uuid,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let owner = store::session_owner(&mut work.tx, id).await?;
        let Some(owner) = owner.filter(|owner| user.is_none_or(|user| user == *owner)) else {
            work.actor.require(caller, "session:delete", &Map::new())?;
            let (name, at) = (id.to_string(), work.place.hinted());
            return Err(IamError::NotFound { what: "session", name, nearest: None, at });
        };
        let user = own_or_to_change(&mut work, &UserRef::Id(owner)).await?;
        let ended = store::end_session(&mut work.tx, id, None).await?;
        if ended {
            work.session_ends(id);
            work.note("user.sessions.revoke", Some(user.id), json!({ "session": id }));
        }
        let outcome = if ended { work.outcome() } else { WriteOutcome::Unchanged };
        work.commit().await?;
        Ok(Changed { action: "user.sessions.revoke", subject: user.email, object: id.to_string(), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}
