//! What templates are of, and what they consist of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::features::iam::Language;
use crate::infra::db::stored_as_text;
use crate::kernel::line::lines;

lines! {
    /// A kind of notification: words of small letters, digits and underscores with dots between them, at most 80
    /// characters. Those of apps begin with `app.`.
    Kind: |given| {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let fits = given.len() <= 80 && given.contains('.') && given.split('.').all(is_word);
        let wrong = "a kind is written as words with dots between them, e.g. app.order.shipped";
        fits.then(|| given.to_owned()).ok_or_else(|| wrong.to_owned())
    };
}

/// What the kinds of apps begin with.
const OF_APPS: &str = "app.";
/// What the kinds of notices about webhooks begin with.
const OF_WEBHOOKS: &str = "webhook.";

impl Kind {
    /// Whether it is an app's own: those of Nexus are not sent by request.
    #[must_use]
    pub fn is_of_app(&self) -> bool {
        self.as_str().starts_with(OF_APPS)
    }

    /// Whether its messages are rows of a realm: an app's own, and notices to administrators.
    #[must_use]
    pub fn has_rows(&self) -> bool {
        self.is_of_app() || self.as_str().starts_with(OF_WEBHOOKS)
    }
}

/// A way that a notification takes to its recipient.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    sqlx::Encode,
    sqlx::Decode,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
#[schema(as = NotificationChannel)]
pub enum Channel {
    /// Mail.
    Email,
    /// The list that an app shows its user.
    Inbox,
}
stored_as_text!(Channel);

impl Channel {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Email, Self::Inbox];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Inbox => "inbox",
        }
    }
}

/// A text that names no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel is email or inbox")]
pub struct NotAChannel;

impl FromStr for Channel {
    type Err = NotAChannel;

    fn from_str(text: &str) -> Result<Self, NotAChannel> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(NotAChannel)
    }
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A template as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub subject: String,
    pub text: String,
    /// None where a message is text alone.
    pub html: Option<String>,
}

/// Which template of a realm.
#[derive(Debug, Clone)]
pub struct TemplateKey {
    pub kind: Kind,
    pub channel: Channel,
    pub language: Language,
}

/// The languages in which a text is looked for, each in small letters and once, the best first: each as it is given and
/// without what stands behind its hyphens, and English in the end.
pub(super) fn fallback<'a>(wanted: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for language in wanted.into_iter().chain(["en"]) {
        let mut rest = language.to_ascii_lowercase();
        loop {
            if !rest.is_empty() && !chain.contains(&rest) {
                chain.push(rest.clone());
            }
            let Some((shorter, _)) = rest.rsplit_once('-') else { break };
            rest = shorter.to_owned();
        }
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_falls_back_to_its_wider_one_then_the_realms_then_english() {
        assert_eq!(fallback(["de-AT", "fr-CA"]), ["de-at", "de", "fr-ca", "fr", "en"]);
        assert_eq!(fallback(["en-GB"]), ["en-gb", "en"]);
        assert_eq!(fallback([]), ["en"]);
    }

    #[test]
    fn a_kind_is_words_with_dots_between_them() {
        for good in ["app.order.shipped", "account.invitation", "app.x1_y"] {
            assert!(good.parse::<Kind>().is_ok(), "{good}");
        }
        let long = format!("app.{}", "x".repeat(80));
        for bad in ["", "app", "app.", ".app", "App.x", "app..x", "app.1x", "app.x y", &long] {
            assert!(bad.parse::<Kind>().is_err(), "{bad}");
        }
        assert!(!"apple.x".parse::<Kind>().unwrap().is_of_app());
    }
}
