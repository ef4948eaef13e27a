//! The words of services.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use crate::features::access::Permission;
use crate::kernel::Description;
use crate::kernel::line::lines;
use crate::kernel::span;

/// The permission to call a service that names no other.
pub(super) const CALL: &str = "service:call";
/// How long an instance that has said that it is there is believed.
pub(super) const SILENT_AFTER_SECONDS: i32 = 90;
/// Most services of a realm, and most instances of a service.
pub(super) const MOST_SERVICES: i64 = 200;
pub(super) const MOST_INSTANCES: i64 = 20;
/// Most characters of a URL: those of an index's row are few.
pub(super) const LONGEST_URL: usize = 2_000;
/// Most bytes of what is sent, and of the answer.
pub const MOST_SENT: usize = 64 << 10;
pub(super) const MOST_ANSWERED: usize = 256 << 10;
/// The highest version.
const MOST_VERSION: u16 = 9_999;

lines! {
    /// The name of a service: words of lower-case letters, digits, '-' and '_' with dots between them, two at least.
    ServiceName: dotted;
}

fn dotted(given: &str) -> Result<String, String> {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let is_word = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(rest);
    let is_good = given.len() <= 100 && given.contains('.') && given.split('.').all(is_word);
    let wrong = || {
        format!(
            "{given:?} is not the name of a service: write two or more words with dots between them, such as \
             mail.preview, of a-z, 0-9, '-' and '_', at most 100 characters"
        )
    };
    is_good.then(|| given.to_owned()).ok_or_else(wrong)
}

/// A URL as rows have it: `https://a.example` is written `https://a.example/`.
pub(super) fn written(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), String::from)
}

/// A service's version: 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceVersion(u16);

/// A number that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is a whole number from 1 to 9999")]
pub struct NotAVersion;

impl ServiceVersion {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// As rows have it.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0.into()
    }
}

impl TryFrom<i64> for ServiceVersion {
    type Error = NotAVersion;

    fn try_from(number: i64) -> Result<Self, NotAVersion> {
        let number = u16::try_from(number).ok().filter(|number| (1..=MOST_VERSION).contains(number));
        number.map(Self).ok_or(NotAVersion)
    }
}

impl std::str::FromStr for ServiceVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        text.parse::<i64>().map_err(|_| NotAVersion)?.try_into()
    }
}

/// How long a service may take: 100 milliseconds to 30 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTimeout(Duration);

/// A time that no service may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a service may take 100 milliseconds to 30 seconds")]
pub struct NotATimeout;

impl CallTimeout {
    /// The time.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }

    /// As rows have it.
    #[must_use]
    pub fn millis(self) -> i32 {
        i32::try_from(self.0.as_millis()).unwrap_or(i32::MAX)
    }
}

impl Default for CallTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(5))
    }
}

impl TryFrom<i64> for CallTimeout {
    type Error = NotATimeout;

    /// Of milliseconds.
    fn try_from(millis: i64) -> Result<Self, NotATimeout> {
        let millis = u64::try_from(millis).ok().filter(|millis| (100..=30_000).contains(millis));
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or(NotATimeout)
    }
}

impl std::str::FromStr for CallTimeout {
    type Err = span::SpanError;

    fn from_str(text: &str) -> Result<Self, span::SpanError> {
        span::parse(text, Duration::from_secs(1)..=Duration::from_secs(30)).map(Self)
    }
}

/// Whose a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceScope {
    /// The platform's: all tenants see it.
    Platform,
    /// The tenant's own.
    Tenant,
}

impl ServiceScope {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Tenant => "tenant",
        }
    }
}

/// Whether a service, or one of its instances, answers, over all servers of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceHealth {
    /// Nothing speaks against it. Of a service: one of its instances is.
    Healthy,
    /// Calls failed one after the other, and a server of ours waits before it tries again.
    Failing,
    /// It has said that it is there, but not for 90 seconds.
    Silent,
}

impl ServiceHealth {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Failing => "failing",
            Self::Silent => "silent",
        }
    }
}

/// A service that is to be registered at an address.
#[derive(Debug, Clone)]
pub struct NewService {
    pub name: ServiceName,
    pub version: ServiceVersion,
    pub url: String,
    /// What a caller must hold in its own realm; none: `service:call`.
    pub permission: Option<Permission>,
    pub description: Description,
    pub timeout: CallTimeout,
}

/// Services or instances of them.
#[derive(Debug, Clone)]
pub struct Instance {
    pub name: ServiceName,
    /// None: of all versions.
    pub version: Option<ServiceVersion>,
    /// None: all addresses.
    pub url: Option<String>,
}

/// What a service is asked.
#[derive(Debug, Clone)]
pub struct ServiceCall {
    pub name: ServiceName,
    /// None: the highest.
    pub version: Option<ServiceVersion>,
    pub payload: Value,
    /// None: what the service was registered with. It is never longer than that.
    pub timeout: Option<CallTimeout>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_two_or_more_words_with_dots_between_them() {
        for good in ["mail.preview", "tax.eu-vat.rates_v2", "a.b"] {
            assert_eq!(good.parse::<ServiceName>().unwrap().as_str(), good);
        }
        for bad in ["", "mail", "Mail.preview", "mail.", ".mail", "mail..x", "1.a", "a.b c", "a.b/c", "a.é"]
        {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
        }
        assert!(format!("a.{}", "b".repeat(99)).parse::<ServiceName>().is_err());
    }

    #[test]
    fn an_address_is_found_as_it_was_typed() {
        assert_eq!(written("https://a.example"), "https://a.example/");
        assert_eq!(written("HTTPS://A.example:443/x"), "https://a.example/x");
        assert_eq!(written("none"), "none");
    }

    #[test]
    fn versions_and_times_have_their_limits() {
        assert_eq!("9999".parse::<ServiceVersion>().unwrap().number(), 9999);
        for bad in ["0", "10000", "-1", "1.0", ""] {
            assert!(bad.parse::<ServiceVersion>().is_err(), "{bad}");
        }
        assert_eq!(CallTimeout::try_from(100).unwrap().duration(), Duration::from_millis(100));
        assert!(CallTimeout::try_from(99).is_err() && CallTimeout::try_from(30_001).is_err());
        assert!("31s".parse::<CallTimeout>().is_err());
    }
}
