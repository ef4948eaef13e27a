//! What users want to be told, by kind and channel, and at which hours they do not want mail.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use time::Time;
use utoipa::ToSchema;

use super::error::NotificationsError;
use super::quiet::QuietHours;
use super::store;
use crate::features::iam::{IamError, Realm, UserRef};
use crate::features::templates::{Channel, Kind};
use crate::kernel::line::lines;
use crate::kernel::{Caller, UserId};

/// Most preferences of one user.
const MOST: usize = 100;

lines! {
    /// A kind of an app, or the beginning of some: `app.order.shipped`, `app.order.*`, `app.*`.
    KindPattern: |given| {
        let wrong = "a pattern is a kind of an app, or the beginning of some with .* behind it, e.g. app.order.*; other \
                     kinds cannot be switched off";
        let plain = given.strip_suffix(".*").unwrap_or(given);
        // A single word with nothing in front is no kind, and stands for all of apps.
        let is_all = given == "app.*";
        let is_kind = plain.parse::<Kind>().is_ok_and(|kind| kind.is_of_app());
        (is_all || is_kind).then(|| given.to_owned()).ok_or_else(|| wrong.to_owned())
    };
}

impl KindPattern {
    /// How well it names a kind: the longer, the better. None where it does not.
    fn fits(&self, kind: &str) -> Option<usize> {
        match self.as_str().strip_suffix(".*") {
            None => (self.as_str() == kind).then_some(usize::MAX),
            Some(before) => {
                kind.strip_prefix(before).filter(|rest| rest.starts_with('.')).map(|_| before.len())
            }
        }
    }
}

/// A preference of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, ToSchema)]
#[schema(as = NotificationPreference)]
pub struct Preference {
    /// A kind, or the beginning of some with `.*` behind it.
    #[schema(example = "app.order.*")]
    pub pattern: String,
    pub channel: Channel,
    /// Whether they want such notifications.
    pub enabled: bool,
}

/// A time of day, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(pub Time);

/// A text that is no time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is written HH:MM, from 00:00 to 23:59")]
pub struct NotATime;

impl FromStr for TimeOfDay {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let number = |part: &str| {
            let is_plain = part.len() == 2 && part.bytes().all(|c| c.is_ascii_digit());
            part.parse().ok().filter(|_| is_plain).ok_or(NotATime)
        };
        let (hour, minute) = text.split_once(':').ok_or(NotATime)?;
        Time::from_hms(number(hour)?, number(minute)?, 0).map(Self).map_err(|_| NotATime)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

/// Quiet hours as doors show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = QuietHours)]
pub struct QuietHoursView {
    /// A name of the IANA database.
    #[schema(example = "Europe/Vienna")]
    pub time_zone: String,
    #[schema(example = "22:00")]
    pub from: String,
    /// Where it is not after `from`, it is that of the next day.
    #[schema(example = "07:00")]
    pub to: String,
}

impl From<&QuietHours> for QuietHoursView {
    fn from(hours: &QuietHours) -> Self {
        let (from, to) = (TimeOfDay(hours.from).to_string(), TimeOfDay(hours.to).to_string());
        Self { time_zone: hours.zone.to_string(), from, to }
    }
}

/// All that a user wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NotificationPreferences)]
pub struct Preferences {
    /// The one that names a kind best counts; where none does, the notification is sent.
    pub kinds: Vec<Preference>,
    /// When mail waits, but for that of high priority and of the account; `null`: never.
    pub quiet_hours: Option<QuietHoursView>,
}

/// What is to be changed of what a user wants.
#[derive(Debug, Clone, Default)]
pub struct PreferencesChange {
    /// Added, or in the place of those of the same pattern and channel.
    pub set: Vec<(KindPattern, Channel, bool)>,
    /// Taken away.
    pub reset: Vec<(KindPattern, Channel)>,
    /// None within: no quiet hours.
    pub quiet_hours: Option<Option<QuietHours>>,
}

/// What a user wants. Everybody may see their own.
///
/// # Errors
/// Without `user:read` on the user; where there is none.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn preferences(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
) -> Result<Preferences, NotificationsError> {
    let mut work = realm.look(caller).await?;
    let user = work.person(who, "user:read").await?;
    let session = work.session();
    let kinds = store::preferences(session, user.uuid()).await.map_err(IamError::of_rows)?;
    let quiet = store::quiet_hours(session, user.uuid()).await.map_err(IamError::of_rows)?;
    work.close().await?;
    Ok(Preferences { kinds, quiet_hours: quiet.as_ref().map(QuietHoursView::from) })
}

/// Changes what a user wants. Everybody may change their own.
///
/// # Errors
/// Without `user:update` on the user; where there is none; [`NotificationsError::Invalid`] where they are too many.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn set_preferences(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    change: &PreferencesChange,
) -> Result<Preferences, NotificationsError> {
    let mut work = realm.change(caller).await?;
    let user: UserId = work.person(who, "user:update").await?;
    let (session, id) = (work.session(), user.uuid());
    store::drop_preferences(session, id, &change.reset).await.map_err(IamError::of_rows)?;
    store::put_preferences(session, id, &change.set).await.map_err(IamError::of_rows)?;
    if let Some(hours) = &change.quiet_hours {
        store::put_quiet_hours(session, id, hours.as_ref()).await.map_err(IamError::of_rows)?;
    }
    let kinds = store::preferences(session, id).await?;
    if kinds.len() > MOST {
        return Err(NotificationsError::Invalid { reason: format!("a user has at most {MOST} preferences") });
    }
    let quiet = store::quiet_hours(session, id).await?;
    let (set, reset) = (change.set.len(), change.reset.len());
    let hours = change.quiet_hours.is_some();
    work.note_on(
        user,
        "notification_preferences.set",
        json!({ "set": set, "reset": reset, "quiet_hours": hours }),
    );
    work.commit().await?;
    Ok(Preferences { kinds, quiet_hours: quiet.as_ref().map(QuietHoursView::from) })
}

/// Whether somebody wants a kind in a channel.
pub(super) fn is_wanted(all: &[Preference], (kind, channel): (&Kind, Channel)) -> bool {
    let fitting = all.iter().filter(|it| it.channel == channel).filter_map(|it| {
        let pattern: KindPattern = it.pattern.parse().ok()?;
        Some((pattern.fits(kind.as_str())?, it.enabled))
    });
    fitting.max_by_key(|(how_well, _)| *how_well).is_none_or(|(_, enabled)| enabled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preference(pattern: &str, channel: Channel, enabled: bool) -> Preference {
        Preference { pattern: pattern.to_owned(), channel, enabled }
    }

    #[test]
    fn the_preference_that_names_a_kind_best_counts() {
        let all = [
            preference("app.*", Channel::Email, false),
            preference("app.order.*", Channel::Email, true),
            preference("app.order.shipped", Channel::Email, false),
        ];
        let wanted = |kind: &str, channel| is_wanted(&all, (&kind.parse().unwrap(), channel));
        for (kind, is) in [
            ("app.news", false),
            ("app.order.paid", true),
            ("app.order.shipped", false),
            ("app.orders", false),
            ("account.disabled", true),
        ] {
            assert_eq!(wanted(kind, Channel::Email), is, "{kind}");
        }
        assert!(wanted("app.news", Channel::Inbox));
    }

    #[test]
    fn what_concerns_the_account_cannot_be_switched_off() {
        for bad in ["*", "account.*", "account.invitation", "app", "app.", "app.*.x", "app.x*", "apple.*"] {
            assert!(bad.parse::<KindPattern>().is_err(), "{bad}");
        }
        assert!("app.x.*".parse::<KindPattern>().is_ok());
    }

    #[test]
    fn a_time_of_day_is_hours_and_minutes() {
        assert_eq!("07:05".parse::<TimeOfDay>().unwrap().to_string(), "07:05");
        for bad in ["24:00", "7:05", "07:60", "07", "07:05:00", "-7:05", "+7:05"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }
}
