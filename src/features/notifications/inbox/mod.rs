//! The inbox of a user: what apps show them, and how much of it they have not read. Each sees only their own.

mod store;

use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::due::DueNotification;
use super::error::NotificationsError;
use super::is_turn_to_forget;
use crate::features::iam::{IamError, Realm, RowsTx};
use crate::features::outbox::{self, NewEntry};
use crate::features::templates::Rendered;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, Page, UserId};

/// A notification in an inbox.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
#[schema(as = InboxItem)]
pub struct InboxItem {
    pub id: Uuid,
    /// Later ones have greater positions.
    #[schema(example = 42)]
    pub position: i64,
    #[schema(example = "app.order.shipped")]
    pub kind: String,
    #[schema(example = "Your order 4711 was shipped")]
    pub title: String,
    pub text: String,
    /// What the app gave.
    #[schema(value_type = Object, example = json!({ "order": 4711 }))]
    pub data: Json<Map<String, Value>>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// `null`: it is not read.
    #[serde(with = "time::serde::rfc3339::option")]
    pub read_at: Option<OffsetDateTime>,
}

/// A part of an inbox.
#[derive(Debug)]
pub struct Inbox {
    /// The newest first.
    pub items: Vec<InboxItem>,
    /// Whether older ones follow.
    pub more: bool,
    /// How many are not read, in all.
    pub unread: i32,
}

/// Which are marked as read.
#[derive(Debug, Clone)]
pub enum Read {
    These(Vec<Uuid>),
    /// All up to a position.
    UpTo(i64),
}

/// Which of an inbox are wanted.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    /// Only those that are not read.
    pub unread: bool,
    /// Only those before this position.
    pub before: Option<i64>,
}

/// The caller's own inbox, the newest first.
///
/// # Errors
/// [`NotificationsError::NotAUser`] for whoever is no user of the realm.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn inbox(
    realm: &mut Realm,
    caller: &Caller,
    filter: &InboxFilter,
    page: Page,
) -> Result<Inbox, NotificationsError> {
    let mut work = realm.look(caller).await?;
    let user = own(&work)?.uuid();
    let mut items = store::list(work.session(), user, filter, page).await.map_err(IamError::of_rows)?;
    let more = page.cut(&mut items);
    let unread = store::unread(work.session(), user).await.map_err(IamError::of_rows)?;
    work.close().await?;
    Ok(Inbox { items, more, unread })
}

/// Marks some of the caller's own as read; how many are not read after that.
///
/// # Errors
/// As [`inbox`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn read(realm: &mut Realm, caller: &Caller, which: &Read) -> Result<i32, NotificationsError> {
    let mut work = realm.change(caller).await?;
    let user = own(&work)?;
    let (unread, is_changed) =
        store::mark_read(work.session(), user.uuid(), which).await.map_err(IamError::of_rows)?;
    if is_changed {
        publish(work.session(), user.uuid(), changed(unread)).await.map_err(IamError::of_rows)?;
    }
    // What is one's own is in no log: nobody else can see or change it.
    work.commit_own().await?;
    Ok(unread)
}

/// Deletes one of the caller's own.
///
/// # Errors
/// As [`inbox`]; [`NotificationsError::NotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delete(realm: &mut Realm, caller: &Caller, id: Uuid) -> Result<(), NotificationsError> {
    let mut work = realm.change(caller).await?;
    let user = own(&work)?.uuid();
    if !store::delete(work.session(), user, id).await.map_err(IamError::of_rows)? {
        return Err(NotificationsError::NotFound { id, at: work.place().hinted() });
    }
    let unread = store::unread(work.session(), user).await.map_err(IamError::of_rows)?;
    publish(work.session(), user, changed(unread)).await.map_err(IamError::of_rows)?;
    work.commit_own().await?;
    Ok(())
}

fn own(work: &RowsTx<'_>) -> Result<UserId, NotificationsError> {
    work.own_user().ok_or(NotificationsError::NotAUser)
}

/// Puts a notification into its user's inbox, once however often this is done.
pub(in crate::features) async fn deliver(
    realm: &mut PgConnection,
    id: Uuid,
    due: &DueNotification,
    said: &Rendered,
) -> Result<(), DbError> {
    let Some(user) = due.user else { return Ok(()) };
    if let Some(unread) = store::put(realm, (id, user), due.kind.as_str(), said, &due.data).await? {
        let payload = json!({ "notification_id": id, "unread": unread });
        publish(realm, user, (outbox::NOTIFICATION_RECEIVED, payload)).await?;
    }
    if is_turn_to_forget(id) {
        store::forget_old(realm, user).await?;
    }
    Ok(())
}

fn changed(unread: i32) -> (&'static str, Value) {
    (outbox::INBOX_CHANGED, json!({ "unread": unread }))
}

/// Has whoever follows the inbox hear of it.
async fn publish(
    realm: &mut PgConnection,
    user: Uuid,
    (kind, mut payload): (&'static str, Value),
) -> Result<(), DbError> {
    payload["user_id"] = json!(user);
    let entry = NewEntry { key: user.to_string(), kind, payload };
    outbox::append(realm, &Caller::System.to_string(), &[entry]).await?;
    Ok(())
}
