//! What became of notifications: the rows of a realm, with the states of their messages.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, json};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::MessageError;
use super::model::MessageState;
use super::{key_of, store};
use crate::features::access::{self, About, rights};
use crate::features::iam::{Message, Realm};
use crate::features::jobs;
use crate::features::notifications::{
    self, NotificationFilter, NotificationState, NotificationView, NotificationsError,
};
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, Page, TenantId};

/// Rows that are looked at together for those in one state.
const PORTION: i64 = 500;
/// How often at most: where a state is rare, rows behind these are not found.
const MOST_PORTIONS: usize = 20;

impl From<MessageState> for NotificationState {
    fn from(state: MessageState) -> Self {
        match state {
            MessageState::Deferred => Self::Deferred,
            MessageState::Sending => Self::Sending,
            MessageState::Sent => Self::Sent,
            MessageState::Unknown => Self::Unknown,
            MessageState::Failed => Self::Failed,
            MessageState::Cancelled => Self::Cancelled,
        }
    }
}

/// What is known of a message, for the list.
#[derive(Debug, FromRow)]
pub(super) struct Standing {
    pub(super) id: Uuid,
    pub(super) state: MessageState,
    pub(super) attempts: i32,
    pub(super) detail: Option<String>,
    pub(super) updated_at: OffsetDateTime,
}

/// A message of whichever tenant that failed, or may not have arrived.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct FailedMessage {
    pub id: Uuid,
    /// Whose it is, by id; the nil UUID for the platform's own.
    pub tenant_id: Uuid,
    /// Whose it is, by slug; `null` for the platform's own, and where the tenant is purged.
    pub tenant: Option<String>,
    pub kind: String,
    /// `failed` or `unknown`.
    pub state: String,
    pub attempts: i32,
    /// What the mail server said, or why not.
    pub reason: Option<String>,
    /// When it came to that.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// One page of a realm's notifications, the newest first. Those in one state are found among the newest ten thousand.
///
/// # Errors
/// Without `notification:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(
    realm: &mut Realm,
    caller: &Caller,
    filter: &NotificationFilter,
    page: Page,
) -> Result<Vec<NotificationView>, MessageError> {
    some(realm, caller, filter, (i64::from(page.limit), page.offset())).await
}

/// The same, and whether others follow.
///
/// # Errors
/// As [`list`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page(
    realm: &mut Realm,
    caller: &Caller,
    filter: &NotificationFilter,
    page: Page,
) -> Result<(Vec<NotificationView>, bool), MessageError> {
    let mut rows = some(realm, caller, filter, (page.fetched(), page.offset())).await?;
    let more = page.cut(&mut rows);
    Ok((rows, more))
}

async fn some(
    realm: &mut Realm,
    caller: &Caller,
    filter: &NotificationFilter,
    (limit, offset): (i64, i64),
) -> Result<Vec<NotificationView>, MessageError> {
    let tenant = realm.place().id;
    if filter.state.is_none() {
        let mut rows = looked_up(realm, caller, filter, filter.before, (limit, offset)).await?;
        tell(realm.control().await?, tenant, &mut rows).await?;
        return Ok(rows);
    }
    let (mut found, mut before) = (Vec::new(), filter.before);
    for _ in 0..MOST_PORTIONS {
        let mut rows = looked_up(realm, caller, filter, before, (PORTION, 0)).await?;
        let is_last = i64::try_from(rows.len()).is_ok_and(|count| count < PORTION);
        before = rows.last().map(|row| row.id).or(before);
        tell(realm.control().await?, tenant, &mut rows).await?;
        found.extend(rows.into_iter().filter(|row| Some(row.state) == filter.state));
        if is_last || i64::try_from(found.len()).is_ok_and(|count| count >= limit + offset) {
            break;
        }
    }
    let whole = |number: i64| usize::try_from(number).unwrap_or_default();
    Ok(found.into_iter().skip(whole(offset)).take(whole(limit)).collect())
}

async fn looked_up(
    realm: &mut Realm,
    caller: &Caller,
    filter: &NotificationFilter,
    before: Option<Uuid>,
    part: (i64, i64),
) -> Result<Vec<NotificationView>, MessageError> {
    let mut work = realm.look(caller).await?;
    work.authorize("notification:read", &Map::new())?;
    let rows = notifications::rows(&mut work, filter, before, part).await?;
    work.close().await?;
    Ok(rows)
}

/// Says how rows stand: one statement for all of them.
async fn tell(
    control: &mut PgConnection,
    tenant: TenantId,
    rows: &mut [NotificationView],
) -> Result<(), MessageError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let known = store::standing(control, tenant, &ids).await?;
    let mut known: HashMap<Uuid, Standing> = known.into_iter().map(|it| (it.id, it)).collect();
    for row in rows {
        let standing = known.remove(&row.id);
        // What a job is about to find counts already, unless it is on its way.
        let waits = standing.as_ref().is_none_or(|it| it.state == MessageState::Deferred);
        if let Some(it) = standing {
            row.state = it.state.into();
            (row.reason, row.attempts, row.updated_at) = (it.detail, it.attempts, Some(it.updated_at));
        }
        if row.is_cancelled && waits {
            row.state = NotificationState::Cancelled;
        }
    }
    Ok(())
}

/// A notification, and what became of it.
///
/// # Errors
/// Without `notification:read`; where there is none.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn show(realm: &mut Realm, caller: &Caller, id: Uuid) -> Result<NotificationView, MessageError> {
    let mut work = realm.look(caller).await?;
    work.authorize("notification:read", &Map::new())?;
    let mut row = notifications::row(&mut work, id).await?;
    work.close().await?;
    let tenant = realm.place().id;
    tell(realm.control().await?, tenant, std::slice::from_mut(&mut row)).await?;
    Ok(row)
}

/// Has a notification sent again that failed, may have arrived, or waits.
///
/// # Errors
/// Without `notification:send`; where there is none; [`NotificationsError::State`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn retry(realm: &mut Realm, caller: &Caller, id: Uuid) -> Result<NotificationView, MessageError> {
    let (tenant, is_dry_run) = (realm.place().id, realm.is_dry_run());
    let mut row = look_to_change(realm, caller, id).await?;
    tell(realm.control().await?, tenant, std::slice::from_mut(&mut row)).await?;
    let refused = |why| NotificationsError::State { id, state: row.state.as_str(), why };
    match row.state {
        NotificationState::Failed | NotificationState::Unknown | NotificationState::Deferred => {}
        NotificationState::Queued => return Err(refused("it will be sent without a retry").into()),
        NotificationState::Sending => return Err(refused("it is on its way").into()),
        NotificationState::Sent => return Err(refused("it was sent").into()),
        NotificationState::Cancelled => return Err(refused("send a new one").into()),
    }
    let mut work = realm.change(caller).await?;
    work.authorize("notification:send", &notifications::facts(&row.kind))?;
    work.note("notification.retry", json!({ "notification": id }));
    work.commit().await?;
    if !is_dry_run && !jobs::again(realm.control().await?, tenant, &key_of(tenant, id)).await? {
        return Err(refused("its job no longer exists: send a new one").into());
    }
    Ok(row)
}

/// Has a notification not sent that waits.
///
/// # Errors
/// Without `notification:send`; where there is none; [`NotificationsError::State`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn cancel(realm: &mut Realm, caller: &Caller, id: Uuid) -> Result<NotificationView, MessageError> {
    let tenant = realm.place().id;
    let mut row = look_to_change(realm, caller, id).await?;
    tell(realm.control().await?, tenant, std::slice::from_mut(&mut row)).await?;
    match row.state {
        NotificationState::Queued | NotificationState::Deferred => {}
        state => {
            let why = "only what waits can be cancelled";
            return Err(NotificationsError::State { id, state: state.as_str(), why }.into());
        }
    }
    let mut work = realm.change(caller).await?;
    work.authorize("notification:send", &notifications::facts(&row.kind))?;
    // Whoever writes the message holds the row: from here on it is found as cancelled.
    notifications::lock(&mut work, id).await?;
    notifications::cancel(&mut work, id).await?;
    work.commit().await?;
    row.state = NotificationState::Cancelled;
    Ok(row)
}

async fn look_to_change(
    realm: &mut Realm,
    caller: &Caller,
    id: Uuid,
) -> Result<NotificationView, MessageError> {
    let mut work = realm.look(caller).await?;
    // A right may be for some kinds only: which kind it is, the row says. Where there is none, whoever may send any.
    let found = notifications::row(&mut work, id).await;
    let facts = found.as_ref().map_or_else(|_| Map::new(), |row| notifications::facts(&row.kind));
    work.authorize("notification:send", &facts)?;
    let row = found?;
    work.close().await?;
    Ok(row)
}

/// One page of the messages of all tenants that failed, or may not have arrived, the latest first.
///
/// # Errors
/// Without `notification:read` on the platform; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn failed(
    control: &mut PgConnection,
    caller: &Caller,
    page: Page,
) -> Result<Vec<FailedMessage>, MessageError> {
    access::authorize(control, caller, &rights::NOTIFICATION_READ, About::Platform).await?;
    let mut rows = store::failed(control, page).await?;
    for row in &mut rows {
        if let Some(kind) = Message::kind_of(&row.kind) {
            kind.clone_into(&mut row.kind);
        }
    }
    Ok(rows)
}
