//! Users, as far as rights go.

use serde::Serialize;
use utoipa::ToSchema;

use crate::infra::db::stored_as_text;

/// Where in its life a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum UserState {
    /// Asked in; has no password yet.
    Invited,
    /// May sign in.
    Active,
    /// Shut out by a person.
    Disabled,
    /// Shut out because of too many wrong passwords, until somebody unlocks it.
    Locked,
    /// Deleted; can be had back until it is erased.
    Deleted,
}
stored_as_text!(UserState);

impl UserState {
    /// All states, for help and completion.
    pub const ALL: [Self; 5] = [Self::Invited, Self::Active, Self::Disabled, Self::Locked, Self::Deleted];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Locked => "locked",
            Self::Deleted => "deleted",
        }
    }
}
