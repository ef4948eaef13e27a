//! Templates as doors show them.

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::engine::Rendered;
use super::model::Channel;

/// Where a template comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateOrigin {
    /// Nexus has it of itself.
    BuiltIn,
    /// The tenant's own.
    Tenant,
}

impl TemplateOrigin {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built_in",
            Self::Tenant => "tenant",
        }
    }
}

/// A template, as lists show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NotificationTemplate)]
pub struct TemplateView {
    #[schema(example = "account.invitation")]
    pub kind: String,
    pub channel: Channel,
    /// As BCP 47 writes it.
    #[schema(example = "de")]
    pub language: String,
    pub origin: TemplateOrigin,
    /// Counts from 1; `null` for a built-in one.
    pub version: Option<i32>,
    /// As it is written.
    #[schema(example = "You are invited to {{ tenant }}")]
    pub subject: String,
    /// What messages of a built-in kind tell; `null` for an app's own.
    pub about: Option<String>,
    /// `null` for a built-in one.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

/// A template with all that it consists of.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NotificationTemplateText)]
pub struct TemplateText {
    #[serde(flatten)]
    pub head: TemplateView,
    pub text: String,
    /// `null` where messages are text alone.
    pub html: Option<String>,
    /// Values such as its messages have.
    #[schema(value_type = Object, example = json!({ "name": "Ann Example", "data": { "order": 4711 } }))]
    pub sample: Map<String, Value>,
    /// Which versions are kept, the newest first.
    pub versions: Vec<i32>,
    /// The built-in one of the kind, which another version of Nexus may have changed; `null` where there is none.
    pub built_in: Option<BuiltInText>,
}

/// A built-in template.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BuiltInTemplate)]
pub struct BuiltInText {
    #[schema(example = "You are invited to {{ tenant }}")]
    pub subject: String,
    pub text: String,
}

/// What a message would say.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NotificationPreview)]
pub struct Preview {
    #[schema(example = "You are invited to acme")]
    pub subject: String,
    pub text: String,
    /// `null` where it is text alone.
    pub html: Option<String>,
}

impl From<Rendered> for Preview {
    fn from(said: Rendered) -> Self {
        Self { subject: said.subject, text: said.text, html: said.html }
    }
}
