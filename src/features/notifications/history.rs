//! What was sent: rows of a realm. How sending stands is for `messages` to say, which uses this.

use serde_json::json;
use uuid::Uuid;

use super::error::NotificationsError;
use super::store;
use super::views::{NotificationFilter, NotificationView};
use crate::features::iam::{IamError, RowsTx};

/// Recipients' rows, the newest first, from before an id.
pub(in crate::features) async fn rows(
    work: &mut RowsTx<'_>,
    filter: &NotificationFilter,
    before: Option<Uuid>,
    (limit, offset): (i64, i64),
) -> Result<Vec<NotificationView>, NotificationsError> {
    Ok(store::history(work.session(), filter, before, (limit, offset)).await.map_err(IamError::of_rows)?)
}

/// A recipient's row.
pub(in crate::features) async fn row(
    work: &mut RowsTx<'_>,
    id: Uuid,
) -> Result<NotificationView, NotificationsError> {
    let found = store::by_id(work.session(), id).await.map_err(IamError::of_rows)?;
    found.ok_or_else(|| NotificationsError::NotFound { id, at: work.place().hinted() })
}

/// The same, which is sent by nobody until the transaction ends.
pub(in crate::features) async fn lock(
    work: &mut RowsTx<'_>,
    id: Uuid,
) -> Result<NotificationView, NotificationsError> {
    store::lock(work.session(), id).await.map_err(IamError::of_rows)?;
    row(work, id).await
}

/// Says that one is not to be sent.
pub(in crate::features) async fn cancel(work: &mut RowsTx<'_>, id: Uuid) -> Result<(), NotificationsError> {
    store::cancel(work.session(), id).await?;
    work.note("notification.cancel", json!({ "notification": id }));
    Ok(())
}
