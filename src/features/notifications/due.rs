//! What is to be done with a notification whose job runs: preferences and quiet hours count at this moment.

use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::NotificationsError;
use super::model::NotificationPriority;
use super::preferences;
use super::store::{self, DueRow};
use super::suppressions;
use crate::features::iam::people;
use crate::features::templates::{Channel, Kind};
use crate::infra::db::PgConnection;

/// What is to be done with it.
#[derive(Debug)]
pub(in crate::features) enum Due {
    /// It is not sent, and that is no failure.
    Dropped { why: &'static str },
    /// It cannot be sent.
    Broken { why: &'static str },
    /// Its address gets no such mail.
    Suppressed { why: String },
    /// It is looked at again after a time.
    Later { why: String, pause: Duration },
    /// It is sent.
    Now(Box<DueNotification>),
}

/// A notification that is to be written.
#[derive(Debug)]
pub(in crate::features) struct DueNotification {
    pub(in crate::features) kind: Kind,
    pub(in crate::features) channel: Channel,
    /// The address.
    pub(in crate::features) to: String,
    pub(in crate::features) user: Option<Uuid>,
    /// As the recipient calls themself.
    pub(in crate::features) name: String,
    /// The recipient's and the realm's, where they are known.
    pub(in crate::features) languages: Vec<String>,
    /// The kind whose template says it, or its subject and text.
    pub(in crate::features) says: Says,
    pub(in crate::features) data: Map<String, Value>,
}

/// Where the text of a notification is from.
#[derive(Debug)]
pub(in crate::features) enum Says {
    Template(Kind),
    Text { subject: String, text: String },
}

/// What is to be done with a notification, by its id.
pub(in crate::features) async fn due(realm: &mut PgConnection, id: Uuid) -> Result<Due, NotificationsError> {
    let Some(row) = store::due(realm, id).await? else {
        return Ok(Due::Dropped { why: "it is not known any more" });
    };
    if row.is_cancelled {
        return Ok(Due::Dropped { why: "it was cancelled" });
    }
    let kind: Option<Kind> = row.kind.parse().ok().filter(Kind::has_rows);
    let (Some(kind), Some(says)) = (kind, says(&row)) else {
        return Ok(Due::Broken { why: "its row was changed by hand, and cannot be used" });
    };
    let realm_language = people::language(realm).await?;
    let (name, to, language) = match row.user_id {
        None => (String::new(), row.address.clone().unwrap_or_default(), None),
        Some(user) => {
            let Some(person) = people::by_ids(realm, &[user]).await?.pop() else {
                return Ok(Due::Dropped { why: "its user was deleted" });
            };
            if person.is_disabled {
                return Ok(Due::Dropped { why: "its user is disabled" });
            }
            if let Some(instead) = unwanted(realm, &row, (user, &kind)).await? {
                return Ok(instead);
            }
            (person.name, person.email, person.language)
        }
    };
    if row.channel == Channel::Email
        && let Some(why) = suppressions::stopping(realm, &to, true).await?
    {
        return Ok(Due::Suppressed { why });
    }
    Ok(Due::Now(Box::new(DueNotification {
        kind,
        channel: row.channel,
        to,
        user: row.user_id,
        name,
        languages: [language, realm_language].into_iter().flatten().collect(),
        says,
        data: row.data.0,
    })))
}

fn says(row: &DueRow) -> Option<Says> {
    match (&row.template, &row.subject, &row.text) {
        (Some(template), None, None) => Some(Says::Template(template.parse().ok().filter(Kind::has_rows)?)),
        (None, Some(subject), Some(text)) => {
            Some(Says::Text { subject: subject.clone(), text: text.clone() })
        }
        _ => None,
    }
}

/// What is done in place of sending, where the user does not want it, or not now.
async fn unwanted(
    realm: &mut PgConnection,
    row: &DueRow,
    (user, kind): (Uuid, &Kind),
) -> Result<Option<Due>, NotificationsError> {
    let wanted = store::preferences(realm, user).await?;
    if !preferences::is_wanted(&wanted, (kind, row.channel)) {
        return Ok(Some(Due::Dropped { why: "its user does not want this kind in this channel" }));
    }
    if row.channel != Channel::Email || row.priority == NotificationPriority::High {
        return Ok(None);
    }
    let quiet = store::quiet_hours(realm, user).await?.and_then(|hours| hours.pause(row.now));
    Ok(quiet.map(|(until, pause)| {
        let until = until.replace_nanosecond(0).unwrap_or(until);
        Due::Later { why: format!("its user has quiet hours until {until}"), pause }
    }))
}
