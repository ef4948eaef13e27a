//! Reading a realm's own audit log: who did what to whom.

mod store;

use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::IamError;
use super::realm::Realm;
use crate::kernel::filter::{Condition, FieldType, FilterField, Operator};
use crate::kernel::{Caller, Page, UserId};

/// A row of the log.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
#[schema(as = LogRow)]
pub struct LogRow {
    /// Its position; later rows have greater ones.
    pub id: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who: `user:ID`, or `operator:ID`, `machine:ACCOUNT` or `system`; with `AS` in front of `as user:ID` where
    /// somebody acted in a user's name.
    #[schema(example = "user:01a2240a-8d9e-7cb2-8a5b-3c8c4f1e7a10")]
    pub caller: String,
    #[schema(example = "role.grant")]
    pub action: String,
    /// The user that it was done to.
    pub user_id: Option<Uuid>,
    /// Facts; which there are depends on the action.
    #[schema(value_type = Object, example = json!({ "role": "Manager" }))]
    pub detail: Value,
}

/// Which rows are wanted: those that match all that is set.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// What a user did, or had done to them.
    pub about: Option<UserId>,
    /// What a user did, or somebody did in their name.
    pub by: Option<UserId>,
    /// What was done to a user.
    pub user: Option<UserId>,
    /// That meet all of these, each of a field of [`FIELDS`].
    pub conditions: Vec<Condition>,
    /// What was done to or with a role, by its name of then.
    pub role: Option<String>,
    /// What was done to or with a group, by its name of then.
    pub group: Option<String>,
    /// From this moment on.
    pub since: Option<OffsetDateTime>,
    /// Before this moment.
    pub until: Option<OffsetDateTime>,
    /// Older than this row.
    pub before: Option<i64>,
}

/// What rows may be filtered by, beside what they are about.
pub const FIELDS: &[FilterField] = {
    use Operator::{Contains, Eq, Gt, In, Lt, Ne};
    &[
        FilterField {
            name: "action",
            kind: FieldType::LowerCase,
            operators: &[Eq, Ne, In, Contains],
            about: "This action, e.g. role.grant",
        },
        FilterField { name: "at", kind: FieldType::Time, operators: &[Lt, Gt], about: "Done at this moment" },
    ]
};

/// One page of the log, the newest first, and whether older rows follow. Everybody may see what is about themselves.
///
/// # Errors
/// Without `audit:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(
    realm: &mut Realm,
    caller: &Caller,
    filter: &LogFilter,
    page: Page,
) -> Result<(Vec<LogRow>, bool), IamError> {
    let mut work = realm.read(caller).await?;
    if !filter.about.is_some_and(|user| work.actor.is(user)) {
        work.actor.require(caller, "audit:read", &Map::new())?;
    }
    let mut rows = store::page(&mut work.tx, filter, page).await?;
    let more = page.cut(&mut rows);
    work.close().await?;
    Ok((rows, more))
}
