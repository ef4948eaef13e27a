//! Notices to the administrators of a realm: Nexus's own kinds, in their inboxes and by mail.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::NotificationsError;
use super::model::{Content, DedupKey, NewNotification, NotificationPriority};
use super::send::entry;
use super::store::{self, NewRow};
use crate::features::access::{self, rights};
use crate::features::iam::{IamError, Realm, people};
use crate::features::outbox::{self, NewEntry};
use crate::features::templates::{Channel, Kind};
use crate::infra::failpoint;
use crate::kernel::Caller;

/// The ways of a notice.
const CHANNELS: [Channel; 2] = [Channel::Inbox, Channel::Email];

/// What administrators are told.
#[derive(Debug, Clone)]
pub struct Notice {
    pub kind: Kind,
    pub data: Map<String, Value>,
    /// What was told with it before is not told again.
    pub dedup_key: DedupKey,
}

/// Tells the administrators of a realm, each once; how many there are who had not been told.
///
/// # Errors
/// For all but who holds the platform's credentials; the realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn notify_administrators(
    realm: &mut Realm,
    caller: &Caller,
    notice: &Notice,
) -> Result<usize, NotificationsError> {
    access::authorize_machine(caller, &rights::DELIVER)?;
    let mut work = realm.change(caller).await?;
    let (request, by) = (Uuid::now_v7(), caller.to_string());
    let new = NewNotification {
        kind: notice.kind.clone(),
        content: Content::Template(notice.kind.clone()),
        to: Vec::new(),
        channel: None,
        data: notice.data.clone(),
        priority: NotificationPriority::Normal,
        dedup_key: Some(notice.dedup_key.clone()),
        not_before: None,
    };
    if !store::insert_request(work.session(), request, &new, &by).await? {
        work.close().await?;
        return Ok(0);
    }
    let administrators = people::administrators(work.session()).await.map_err(IamError::of_rows)?;
    let each = administrators.iter().flat_map(|user| {
        CHANNELS.into_iter().map(|channel| NewRow { channel, user: Some(*user), address: None })
    });
    let rows: Vec<NewRow> = each.collect();
    let entries: Vec<NewEntry> = rows.iter().map(|row| entry(row, &new)).collect();
    let ids = outbox::append(work.session(), &by, &entries).await.map_err(IamError::of_rows)?;
    store::insert(work.session(), (request, &new.kind), &ids, &rows).await?;
    failpoint::pass(|| "notification.notice.commit".to_owned()).await;
    let detail = json!({ "request": request, "kind": new.kind.as_str(), "notifications": ids.len() });
    work.note("notification.send", detail);
    work.commit().await?;
    Ok(administrators.len())
}
