//! Addresses that must not get mail: a server said that there is no such mailbox, their owner does not want any, or
//! somebody stopped it by hand. Looked at whenever a message is about to be sent.

mod store;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::NotificationsError;
use crate::features::access::{self, rights};
use crate::features::iam::{IamError, Realm};
use crate::infra::db::{DbError, PgConnection, stored_as_text};
use crate::kernel::{Caller, Email, Page, Reason};

/// Which mail is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
#[schema(as = SuppressionScope)]
pub enum SuppressionScope {
    /// Notifications of apps; messages about the account are sent.
    Bulk,
    /// Every message.
    All,
}
stored_as_text!(SuppressionScope);

impl SuppressionScope {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Bulk, Self::All];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::All => "all",
        }
    }
}

/// Why an address gets no mail.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
#[schema(as = SuppressionReason)]
pub enum SuppressionReason {
    /// A mail server said that there is no such mailbox.
    HardBounce,
    /// Its owner reported mail as unwanted.
    Complaint,
    /// Its owner unsubscribed.
    Unsubscribe,
    /// Somebody stopped it.
    #[default]
    Manual,
}
stored_as_text!(SuppressionReason);

impl SuppressionReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::HardBounce, Self::Complaint, Self::Unsubscribe, Self::Manual];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HardBounce => "hard_bounce",
            Self::Complaint => "complaint",
            Self::Unsubscribe => "unsubscribe",
            Self::Manual => "manual",
        }
    }

    /// What is stopped where nobody says it. Who does not want what apps send still has to get in.
    #[must_use]
    pub fn scope(self) -> SuppressionScope {
        match self {
            Self::HardBounce | Self::Manual => SuppressionScope::All,
            Self::Complaint | Self::Unsubscribe => SuppressionScope::Bulk,
        }
    }

    /// Why a message was not sent.
    fn in_words(self) -> &'static str {
        match self {
            Self::HardBounce => "a mail server said that there is no such mailbox",
            Self::Complaint => "its recipient complained about mail",
            Self::Unsubscribe => "its recipient unsubscribed",
            Self::Manual => "mail to its address was stopped by hand",
        }
    }
}

/// An address that gets no mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, ToSchema)]
#[schema(as = Suppression)]
pub struct Suppression {
    pub id: Uuid,
    #[schema(example = "bob@customer.example")]
    pub address: String,
    pub scope: SuppressionScope,
    pub reason: SuppressionReason,
    #[schema(example = "asked by phone")]
    pub note: Option<String>,
    /// Who or what stopped it.
    #[schema(example = "system")]
    pub created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// An address that is to get no mail.
#[derive(Debug, Clone)]
pub struct NewSuppression {
    pub address: Email,
    /// None: as the reason has it.
    pub scope: Option<SuppressionScope>,
    pub reason: SuppressionReason,
    pub note: Option<Reason>,
}

/// Which suppressions a list holds.
#[derive(Debug, Clone, Default)]
pub struct SuppressionFilter {
    pub address: Option<Email>,
    /// Only those that come after this one in the list.
    pub before: Option<Uuid>,
}

/// Which suppressions are removed.
#[derive(Debug, Clone)]
pub enum SuppressionRef {
    Id(Uuid),
    /// Those of an address, of whichever scope.
    Address(Email),
}

/// What a reason begins with where a message was stopped.
const STOPPED: &str = "suppressed: ";

/// Whether a message did not go out because its address is suppressed, by the reason that is recorded.
#[must_use]
pub fn is_reason(reason: &str) -> bool {
    reason.starts_with(STOPPED)
}

/// One page of the addresses that get no mail, the latest first, and whether others follow.
///
/// # Errors
/// Without `notification:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(
    realm: &mut Realm,
    caller: &Caller,
    filter: &SuppressionFilter,
    page: Page,
) -> Result<(Vec<Suppression>, bool), NotificationsError> {
    let mut work = realm.look(caller).await?;
    work.authorize("notification:read", &Map::new())?;
    let mut rows = store::list(work.session(), filter, page).await.map_err(IamError::of_rows)?;
    work.close().await?;
    let more = page.cut(&mut rows);
    Ok((rows, more))
}

/// Has an address get no mail from now on. One that has none already stays as it is.
///
/// # Errors
/// Without `settings:update`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn add(
    realm: &mut Realm,
    caller: &Caller,
    new: &NewSuppression,
) -> Result<Suppression, NotificationsError> {
    let mut work = realm.change(caller).await?;
    work.authorize("settings:update", &Map::new())?;
    let (row, is_new) =
        store::add(work.session(), new, &caller.to_string()).await.map_err(IamError::of_rows)?;
    if is_new {
        work.note("suppression.create", detail(&row));
    }
    work.commit().await?;
    Ok(row)
}

/// Has an address get mail again; gives what stopped it.
///
/// # Errors
/// Without `settings:update`; [`NotificationsError::NoSuppression`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn remove(
    realm: &mut Realm,
    caller: &Caller,
    which: &SuppressionRef,
) -> Result<Vec<Suppression>, NotificationsError> {
    let mut work = realm.change(caller).await?;
    work.authorize("settings:update", &Map::new())?;
    let gone = store::remove(work.session(), which).await.map_err(IamError::of_rows)?;
    if gone.is_empty() {
        let of = match which {
            SuppressionRef::Id(id) => id.to_string(),
            SuppressionRef::Address(address) => address.to_string(),
        };
        return Err(NotificationsError::NoSuppression { of, at: work.place().hinted() });
    }
    for row in &gone {
        work.note("suppression.delete", detail(row));
    }
    work.commit().await?;
    Ok(gone)
}

/// Has an address get no mail any more of which a server said that it has no mailbox. A realm of an older version
/// has no place for it.
///
/// # Errors
/// For all but who holds the platform's credentials; the realm's.
pub(in crate::features) async fn bounced(
    realm: &mut Realm,
    caller: &Caller,
    address: &Email,
) -> Result<(), NotificationsError> {
    access::authorize_machine(caller, &rights::DELIVER)?;
    let reason = SuppressionReason::HardBounce;
    let new = NewSuppression { address: address.clone(), scope: None, reason, note: None };
    match add(realm, caller, &new).await {
        Err(NotificationsError::Iam(IamError::Outdated)) => Ok(()),
        added => added.map(drop),
    }
}

/// Why a message to an address is not sent, where it is not; `is_bulk`: it is an app's.
pub(in crate::features) async fn stopping(
    realm: &mut PgConnection,
    address: &str,
    is_bulk: bool,
) -> Result<Option<String>, DbError> {
    let Ok(address) = address.parse::<Email>() else { return Ok(None) };
    if !store::is_there(realm).await? {
        return Ok(None);
    }
    let reason = store::stopping(realm, &address.key(), is_bulk).await?;
    Ok(reason.map(|reason| {
        format!("{STOPPED}{}; remove the suppression of its address to send to it again", reason.in_words())
    }))
}

/// Addresses are personal: they are in no log.
fn detail(row: &Suppression) -> Value {
    json!({ "suppression": row.id, "scope": row.scope, "reason": row.reason })
}
