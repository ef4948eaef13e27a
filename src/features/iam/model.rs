//! Users, roles, groups, as a realm has them and as doors show them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use super::custom_fields::AskedField;
pub use crate::features::access::UserState;
use crate::kernel::filter::Condition;
use crate::kernel::line::LineError;
use crate::kernel::line::lines;
use crate::kernel::{DisplayName, Email, UserId, text};

lines! {
    /// The name of a role or a group: 1 to 100 characters, no control character, no space at its ends,
    /// no comma, which separates names in lists.
    Name: |given| {
        let fits = |name: &String| {
            let plain = text::without_mark(given);
            (1..=100).contains(&name.chars().count()) && plain.trim() == plain && !name.contains([',', ';'])
        };
        text::name(given).ok().filter(fits).ok_or_else(|| NO_NAME.to_owned())
    };
}

const NO_NAME: &str = "a name has 1 to 100 characters, none of them a comma, a semicolon, a control character or an \
                       invisible one, no space at its ends; a token, a key or a login is refused";

/// How a role or a group is named: by its name, or by its id, which stays when the name changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameRef {
    Name(Name),
    Id(Uuid),
}

impl NameRef {
    /// The name and the id, for a statement that finds by either.
    pub(super) fn either(&self) -> (Option<&str>, Option<Uuid>) {
        match self {
            Self::Name(name) => (Some(name.as_str()), None),
            Self::Id(id) => (None, Some(*id)),
        }
    }

    /// What conditions may look at of a thing of this name that is not there.
    pub(super) fn attributes(&self) -> Map<String, Value> {
        self.either().0.map(|name| ("name".to_owned(), Value::from(name))).into_iter().collect()
    }
}

impl FromStr for NameRef {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Uuid::try_parse(text) {
            // As ids are shown; a name may look like one in another notation.
            Ok(id) if id.to_string() == text => Ok(Self::Id(id)),
            _ => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for NameRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl From<&Name> for NameRef {
    fn from(name: &Name) -> Self {
        Self::Name(name.clone())
    }
}

impl From<&Self> for NameRef {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

/// How a person names a user: by its address, or by its id, which also finds a deleted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    /// By its address.
    Email(Email),
    /// By its id, which never changes.
    Id(UserId),
}

impl FromStr for UserRef {
    type Err = crate::kernel::email::EmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<UserId>() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Email),
        }
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(email) => email.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// A user as doors show it.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct User {
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// Its address, as it was written.
    pub email: String,
    pub name: String,
    pub state: UserState,
    /// Whether it has a password.
    pub has_password: bool,
    /// Whether it has a second factor.
    pub second_factor: bool,
    /// What conditions and apps may look at.
    #[schema(value_type = HashMap<String, Value>)]
    pub profile: Json<Map<String, Value>>,
    /// Its values of the realm's custom fields.
    #[schema(value_type = HashMap<String, Value>)]
    pub fields: Json<Map<String, Value>>,
    /// Roles that were granted to it, not those of its groups.
    pub roles: Vec<String>,
    /// Groups that it was added to.
    pub groups: Vec<String>,
    /// When it was made (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When it last signed in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_sign_in_at: Option<OffsetDateTime>,
    /// Until when it waits because of wrong passwords.
    #[serde(with = "time::serde::rfc3339::option")]
    pub locked_until: Option<OffsetDateTime>,
    /// When it was deleted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub deleted_at: Option<OffsetDateTime>,
}

/// What is asked for when a user is made.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub email: Email,
    pub name: Option<DisplayName>,
    /// What conditions and apps may look at.
    pub profile: Map<String, Value>,
    /// Values of custom fields.
    pub fields: Map<String, Value>,
    /// Roles to grant.
    pub roles: Vec<Name>,
    /// Groups to add it to.
    pub groups: Vec<Name>,
}

/// Which users a list holds. Deleted ones only where their state is asked for.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// In one of these states; none given: all but the deleted.
    pub states: Option<Vec<UserState>>,
    /// With this role, granted to them or to a group that they are in.
    pub role: Option<NameRef>,
    /// In this group, or in one that is part of it.
    pub group: Option<NameRef>,
    /// With this text in address or name, whatever its case.
    pub search: Option<String>,
    /// That meet all of these, each of a field of [`users::FIELDS`](super::users::FIELDS).
    pub conditions: Vec<Condition>,
    /// With these values of custom fields.
    pub fields: Vec<AskedField>,
    /// Only those that come after this one in the list.
    pub after: Option<UserPosition>,
}

/// Which roles or groups a list holds, by name.
#[derive(Debug, Clone, Default)]
pub struct NamedFilter {
    /// That meet all of these.
    pub conditions: Vec<Condition>,
    /// With these values of custom fields, where there are some.
    pub fields: Vec<AskedField>,
    /// Only those that come after this name in the list.
    pub after: Option<String>,
}

/// Where a row stands in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPosition {
    /// What the list is sorted by, as PostgreSQL reads it.
    pub value: String,
    pub id: UserId,
}

impl UserPosition {
    /// From what a list gave before; `None` where it cannot be that of this order.
    #[must_use]
    pub fn given(value: String, id: UserId, sort: UserSort) -> Option<Self> {
        let is_time = || value == "-infinity" || OffsetDateTime::parse(&value, &Rfc3339).is_ok();
        let fits = match sort {
            UserSort::Email | UserSort::Name => !value.contains(char::is_control),
            UserSort::CreatedAt | UserSort::LastSignIn => is_time(),
        };
        fits.then_some(Self { value, id })
    }

    /// Of a user, in a list with this order.
    #[must_use]
    pub fn of(user: &User, sort: UserSort) -> Self {
        let time = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
        let value = match sort {
            UserSort::Email => {
                user.email.parse().map_or_else(|_| user.email.to_lowercase(), |email: Email| email.key())
            }
            UserSort::Name => user.name.clone(),
            UserSort::CreatedAt => time(user.created_at),
            UserSort::LastSignIn => user.last_sign_in_at.map_or_else(|| "-infinity".to_owned(), time),
        };
        Self { value, id: user.id }
    }
}

/// What a list of users is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserSort {
    /// The address.
    #[default]
    Email,
    /// The name.
    Name,
    /// The time of creation.
    CreatedAt,
    /// The last sign-in.
    LastSignIn,
}

/// A role as doors show it.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct Role {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    /// Built in: can be changed, not deleted.
    pub built_in: bool,
    /// What it allows: permissions, with their conditions behind `when`.
    pub permissions: Vec<String>,
    /// How many users it was granted to.
    pub users: i64,
    /// How many groups carry it.
    pub groups: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A role with what its patterns stand for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RoleDetail {
    /// The role.
    #[serde(flatten)]
    pub role: Role,
    /// The registered permissions that each pattern covers.
    pub covers: BTreeMap<String, Vec<String>>,
}

/// A group as doors show it.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct Group {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    /// The group that it is part of.
    pub parent: Option<String>,
    /// The roles that it carries itself.
    pub roles: Vec<String>,
    /// How many users were added to it.
    pub members: i64,
    /// Its values of the realm's custom fields.
    #[schema(value_type = HashMap<String, Value>)]
    pub fields: Json<Map<String, Value>>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A registered permission as doors show it.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct PermissionView {
    pub name: String,
    pub description: String,
    /// Whether it concerns people, roles, keys or settings: `*:ACTION` does not cover it.
    pub administrative: bool,
    /// Roles that hold it, or a pattern that covers it.
    pub roles: Vec<String>,
}

/// What a command did to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteOutcome {
    /// It was made or changed.
    Done,
    /// It was so already.
    Unchanged,
    /// It would be done.
    Planned,
}

impl WriteOutcome {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Planned => "planned",
        }
    }
}

/// One change as doors show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changed {
    /// What was done, e.g. `role.grant`.
    pub action: &'static str,
    pub subject: String,
    /// With what; empty where the action says it all.
    pub object: String,
    pub outcome: WriteOutcome,
}

/// One row of the realm's audit log.
#[derive(Debug, Clone)]
pub(super) struct LogEntry {
    pub(super) action: &'static str,
    pub(super) user: Option<UserId>,
    pub(super) detail: Value,
}
