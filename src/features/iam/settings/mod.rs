//! What a realm says of signing in: who may register.

mod store;

use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, json};

use super::error::IamError;
use super::model::WriteOutcome;
use super::realm::Realm;
use crate::kernel::Caller;

pub(super) use store::registration;

/// Who may register by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anybody who confirms their address.
    Open,
    /// Who was invited.
    Invited,
    /// Nobody: users are created.
    Closed,
}

/// A text that says none of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("registration is one of open, invited, closed")]
pub struct NotARegistration;

impl Registration {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invited => "invited",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for Registration {
    type Err = NotARegistration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Open, Self::Invited, Self::Closed]
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or(NotARegistration)
    }
}

/// What a realm says of signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SignInSettings {
    /// Who may register by themselves.
    pub registration: Registration,
}

/// What the realm says of signing in.
///
/// # Errors
/// Without `settings:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn sign_in_settings(realm: &mut Realm, caller: &Caller) -> Result<SignInSettings, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "settings:read", &Map::new())?;
    let found = registration(&mut work.tx).await?;
    work.close().await?;
    Ok(SignInSettings { registration: found })
}

/// Says who may register from here on.
///
/// # Errors
/// Without `settings:update`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn set_registration(
    realm: &mut Realm,
    caller: &Caller,
    registration: Registration,
) -> Result<(SignInSettings, WriteOutcome), IamError> {
    let result: Result<(SignInSettings, WriteOutcome), IamError> = async {
        let mut work = realm.write(caller).await?;
        work.actor.require(caller, "settings:update", &Map::new())?;
        let before = store::registration(&mut work.tx).await?;
        let mut outcome = WriteOutcome::Unchanged;
        if before != registration {
            store::set_registration(&mut work.tx, registration).await?;
            let detail = json!({ "registration": registration, "before": before });
            work.note("settings.update", None, detail);
            outcome = work.outcome();
        }
        work.commit().await?;
        Ok((SignInSettings { registration }, outcome))
    }
    .await;
    realm.rollback_on_error(result).await
}
