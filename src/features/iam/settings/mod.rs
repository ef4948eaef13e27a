//! What a realm says of signing in, and of how its apps write things.

mod store;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, json};
use utoipa::ToSchema;

use super::error::IamError;
use super::model::WriteOutcome;
use super::realm::Realm;
use crate::kernel::{Caller, Expected};

pub(super) use store::registration;

/// Who may register by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RegistrationSetting)]
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

/// A text that a setting cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotASetting(&'static str);

/// Settings that are texts of some shape.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $fits:ident $why:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = NotASetting;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if $fits(text) { Ok(Self(text.to_owned())) } else { Err(NotASetting($why)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// A language, as BCP 47 writes it: de, or de-AT.
    Language is_language "a language is written as BCP 47 says, such as de or de-AT";
    /// A currency, as ISO 4217 writes it: EUR.
    Currency is_currency "a currency has three capital letters (ISO 4217), such as EUR";
    /// A time zone of the IANA database; whether there is one of this name, the realm's server knows.
    TimeZone is_zone "a time zone is a name of the IANA database, such as Europe/Vienna";
}

fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let is_first = (2..=3).contains(&first.len()) && first.chars().all(|c| c.is_ascii_lowercase());
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric());
    text.len() <= 35 && is_first && parts.all(is_part)
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.chars().all(|c| c.is_ascii_uppercase())
}

fn is_zone(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c))
}

/// Settings of a realm: who may register; language, currency and time zone for its apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Settings)]
pub struct RealmSettings {
    /// Who may register by themselves.
    pub registration: Registration,
    /// The language of its people (BCP 47), for its apps.
    #[schema(example = "de-AT")]
    pub language: Option<String>,
    /// The currency that it counts in (ISO 4217), for its apps.
    #[schema(example = "EUR")]
    pub currency: Option<String>,
    /// The time zone for its apps (IANA).
    #[schema(example = "Europe/Vienna")]
    pub time_zone: Option<String>,
}

/// What is to be changed.
#[derive(Debug, Clone, Default)]
pub struct SettingsUpdate {
    /// `None` leaves it as it is.
    pub registration: Option<Registration>,
    /// `None` leaves it as it is, `Some(None)` removes it; so of those that follow.
    pub language: Option<Option<Language>>,
    pub currency: Option<Option<Currency>>,
    pub time_zone: Option<Option<TimeZone>>,
    pub expected: Expected,
}

/// The realm's settings.
///
/// # Errors
/// Without `settings:read`; [`IamError::Outdated`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn realm_settings(realm: &mut Realm, caller: &Caller) -> Result<RealmSettings, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "settings:read", &Map::new())?;
    let found = store::settings(&mut work.tx).await.map_err(IamError::of_older_realm)?;
    work.close().await?;
    Ok(found)
}

/// Changes the realm's settings.
///
/// # Errors
/// Without `settings:update`; [`IamError::Stale`]; [`IamError::NoTimeZone`]; [`IamError::Outdated`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update_settings(
    realm: &mut Realm,
    caller: &Caller,
    change: &SettingsUpdate,
) -> Result<(RealmSettings, WriteOutcome), IamError> {
    let result: Result<(RealmSettings, WriteOutcome), IamError> = async {
        let mut work = realm.write(caller).await?;
        work.actor.require(caller, "settings:update", &Map::new())?;
        let before = store::settings(&mut work.tx).await.map_err(IamError::of_older_realm)?;
        change.expected.check(&before)?;
        let after = change.of(&before);
        if let Some(zone) = after.time_zone.as_ref().filter(|_| after.time_zone != before.time_zone)
            && !store::is_time_zone(&mut work.tx, zone).await?
        {
            return Err(IamError::NoTimeZone(zone.clone()));
        }
        let mut detail = Map::new();
        if before.registration != after.registration {
            store::set_registration(&mut work.tx, after.registration).await?;
            detail.insert("registration".to_owned(), json!(after.registration));
            detail.insert("before".to_owned(), json!(before.registration));
        }
        for (key, was, is) in [
            ("language", &before.language, &after.language),
            ("currency", &before.currency, &after.currency),
            ("time_zone", &before.time_zone, &after.time_zone),
        ] {
            if was != is {
                store::set(&mut work.tx, key, is.as_deref()).await?;
                detail.insert(key.to_owned(), json!(is));
            }
        }
        let mut outcome = WriteOutcome::Unchanged;
        if !detail.is_empty() {
            work.note("settings.update", None, detail.into());
            outcome = work.outcome();
        }
        work.commit().await?;
        Ok((after, outcome))
    }
    .await;
    realm.rollback_on_error(result).await
}

impl SettingsUpdate {
    fn of(&self, before: &RealmSettings) -> RealmSettings {
        RealmSettings {
            registration: self.registration.unwrap_or(before.registration),
            language: after(self.language.as_ref(), before.language.as_ref()),
            currency: after(self.currency.as_ref(), before.currency.as_ref()),
            time_zone: after(self.time_zone.as_ref(), before.time_zone.as_ref()),
        }
    }
}

/// A setting after a change.
fn after<T: fmt::Display>(change: Option<&Option<T>>, before: Option<&String>) -> Option<String> {
    change.map_or_else(|| before.cloned(), |given| given.as_ref().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_their_standards_say() {
        for good in ["de", "de-AT", "gsw", "zh-Hant-TW"] {
            assert!(good.parse::<Language>().is_ok(), "{good}");
        }
        for bad in ["", "d", "DE", "german", "de_AT", "de-", "de-\u{e4}"] {
            assert!(bad.parse::<Language>().is_err(), "{bad}");
        }
        assert!("EUR".parse::<Currency>().is_ok() && "eur".parse::<Currency>().is_err());
        assert!("Etc/GMT+1".parse::<TimeZone>().is_ok() && "Europe Vienna".parse::<TimeZone>().is_err());
    }
}
