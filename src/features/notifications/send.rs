//! Asking for notifications: rows of the realm and events that ask for each, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::error::NotificationsError;
use super::model::{Accepted, Content, NewNotification, NotificationPriority, To};
use super::store::{self, NewRow};
use super::{budget, is_turn_to_forget};
use crate::features::iam::{IamError, Realm, RowsTx, people};
use crate::features::outbox::{self, NewEntry};
use crate::features::templates::{self, Channel};
use crate::infra::failpoint;
use crate::kernel::{Caller, Email};

/// Most recipients of one request.
pub const MOST_RECIPIENTS: usize = 1_000;
/// Most bytes of the data of one request, as JSON.
const LONGEST_DATA: usize = 16 * 1024;
/// Most bytes of a text without a template.
const LONGEST_TEXT: usize = 32 * 1024;
/// How far away the moment may be before which nothing is sent.
const FARTHEST: Duration = Duration::days(366);
/// The type of the events.
pub(in crate::features) const EVENT: &str = "mail.notification";

/// Asks for a notification: it is on its way once this returns, or when its moment comes. What was asked for before
/// with the same key is not asked for again.
///
/// # Errors
/// Without `notification:send`; where there is no such user or group, or nobody; where the kind is not an app's own;
/// where its templates cannot be rendered with the data.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn send(
    realm: &mut Realm,
    caller: &Caller,
    new: &NewNotification,
) -> Result<Accepted, NotificationsError> {
    let mut work = realm.change(caller).await?;
    work.authorize("notification:send", &facts(new.kind.as_str()))?;
    if let Content::Template(template) = &new.content {
        work.authorize("notification:send", &facts(template.as_str()))?;
    }
    check(new)?;
    let request = Uuid::now_v7();
    if !store::insert_request(work.session(), request, new, &caller.to_string()).await? {
        // Another transaction with the key has ended by now.
        let key = new.dedup_key.as_ref().map(super::model::DedupKey::as_str).unwrap_or_default();
        let (request, ids) = store::by_key(work.session(), key).await?;
        work.commit().await?;
        return Ok(Accepted { request_id: request, ids, repeated: true });
    }
    let reached = reached(&mut work, &new.to).await?;
    let wanted = rows(new.channel, &reached)?;
    budget::count(work.session(), &reached.addresses).await?;
    if let Content::Template(template) = &new.content {
        let channels: Vec<Channel> = new.channel.map_or(Channel::ALL.to_vec(), |channel| vec![channel]);
        templates::require_renderable(work.session(), (template, &channels), &new.data).await?;
    }
    let entries: Vec<NewEntry> = wanted.iter().map(|row| entry(row, new)).collect();
    let ids =
        outbox::append(work.session(), &caller.to_string(), &entries).await.map_err(IamError::of_rows)?;
    store::insert(work.session(), (request, &new.kind), &ids, &wanted).await?;
    if is_turn_to_forget(request) {
        store::forget_old(work.session()).await?;
        store::forget_limits(work.session()).await?;
    }
    failpoint::pass(|| "notification.send.commit".to_owned()).await;
    work.note(
        "notification.send",
        json!({ "request": request, "kind": new.kind.as_str(), "notifications": ids.len() }),
    );
    work.commit().await?;
    Ok(Accepted { request_id: request, ids, repeated: false })
}

/// What conditions of a grant may look at.
pub(in crate::features) fn facts(kind: &str) -> Map<String, serde_json::Value> {
    Map::from_iter([("kind".to_owned(), json!(kind))])
}

fn check(new: &NewNotification) -> Result<(), NotificationsError> {
    let wrong = |reason: String| Err(NotificationsError::Invalid { reason });
    let template = match &new.content {
        Content::Template(template) => template,
        Content::Text { .. } => &new.kind,
    };
    if let Some(kind) = [&new.kind, template].into_iter().find(|kind| !kind.is_of_app()) {
        return Err(NotificationsError::NotAnApps { kind: kind.to_string() });
    }
    if serde_json::to_vec(&new.data).map_or(usize::MAX, |bytes| bytes.len()) > LONGEST_DATA {
        return wrong(format!("data is longer than {LONGEST_DATA} bytes"));
    }
    match &new.content {
        Content::Text { text, .. } if text.trim().is_empty() || text.len() > LONGEST_TEXT => {
            return wrong(format!("a text has 1 to {LONGEST_TEXT} bytes"));
        }
        _ => {}
    }
    if new.not_before.is_some_and(|at| at > OffsetDateTime::now_utc() + FARTHEST) {
        return wrong("its moment is more than a year away".to_owned());
    }
    Ok(())
}

/// Who is reached by what was asked for: users, each once, and addresses that are nobody's.
struct Reached {
    users: BTreeSet<Uuid>,
    addresses: BTreeMap<String, Email>,
}

async fn reached(work: &mut RowsTx<'_>, to: &[To]) -> Result<Reached, NotificationsError> {
    let mut found = Reached { users: BTreeSet::new(), addresses: BTreeMap::new() };
    let named: Vec<Uuid> =
        to.iter().filter_map(|to| if let To::User(id) = to { Some(id.uuid()) } else { None }).collect();
    let known: BTreeSet<Uuid> =
        people::by_ids(work.session(), &named).await?.into_iter().map(|person| person.id).collect();
    if let Some(id) = named.iter().find(|id| !known.contains(id)) {
        return Err(NotificationsError::NoUser { user: id.to_string() });
    }
    found.users.extend(known);
    for to in to {
        let To::Group(group) = to else { continue };
        let members = work.members(group, MOST_RECIPIENTS + 1).await?;
        found.users.extend(members.iter().map(|id| id.uuid()));
    }
    let addresses: Vec<Email> =
        to.iter().filter_map(|to| if let To::Address(it) = to { Some(it.clone()) } else { None }).collect();
    let owners = people::by_addresses(work.session(), &addresses).await?;
    for address in addresses {
        match owners.iter().find(|person| address.is(&person.email)) {
            Some(person) => drop(found.users.insert(person.id)),
            None => drop(found.addresses.insert(address.key(), address)),
        }
    }
    match found.users.len() + found.addresses.len() {
        0 => Err(NotificationsError::Nobody),
        count if count > MOST_RECIPIENTS => Err(NotificationsError::TooMany { most: MOST_RECIPIENTS }),
        _ => Ok(found),
    }
}

fn rows(channel: Option<Channel>, reached: &Reached) -> Result<Vec<NewRow>, NotificationsError> {
    if channel == Some(Channel::Inbox)
        && let Some(address) = reached.addresses.values().next()
    {
        return Err(NotificationsError::NoInbox { address: address.to_string() });
    }
    let channels: Vec<Channel> = channel.map_or(Channel::ALL.to_vec(), |channel| vec![channel]);
    let users = reached.users.iter().flat_map(|user| {
        channels.iter().map(|channel| NewRow { channel: *channel, user: Some(*user), address: None })
    });
    let addresses = reached.addresses.values().map(|address| NewRow {
        channel: Channel::Email,
        user: None,
        address: Some(address.to_string()),
    });
    Ok(users.chain(addresses).collect())
}

pub(super) fn entry(row: &NewRow, new: &NewNotification) -> NewEntry {
    let key = match (&row.user, &row.address) {
        (Some(user), _) => user.to_string(),
        // An address is personal: it is in no payload, and in no key.
        (None, _) => "notification".to_owned(),
    };
    let mut payload = json!({ "kind": new.kind.as_str() });
    if let Some(at) = new.not_before {
        payload["not_before"] = json!(at.unix_timestamp());
    }
    if new.priority == NotificationPriority::High {
        payload["priority"] = json!("high");
    }
    NewEntry { key, kind: EVENT, payload }
}
