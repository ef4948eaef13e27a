//! What to do next, as data: words, and an action that a door renders in its own grammar: the command
//! line as a command to paste, HTTP as a link or not at all.

mod fleet;
mod macros;
mod messages;
mod people;
mod places;
mod platform;
mod repeat;
mod tenants;

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use fleet::{MigrateAction, RunAction, SetAction};
pub use messages::{NotifyAction, ServiceAction, WebhookAction};
pub use people::{InRealm, RightsAction, TokenAction, UserAction};
pub use places::{PlaceAction, PlaceKind};
pub use platform::{
    AuditAction, FsckAction, LocalAction, PlatformAction, Shell, StatementServer, Statements,
};
pub use repeat::With;
pub use tenants::{OperationAction, TenantAction};

/// What to do next.
///
/// Serialises as its words alone, which make sense to every reader; a door that can say more puts what
/// it renders in their place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hint {
    /// For a person; empty where the action says it all.
    pub text: Cow<'static, str>,
    /// What does it; boxed, because errors carry hints and should be small.
    #[serde(default, deserialize_with = "known")]
    pub action: Option<Box<Action>>,
}

impl Hint {
    /// Words, and the action that does what they say.
    pub fn new(text: impl Into<Cow<'static, str>>, action: impl Into<Action>) -> Self {
        Self { text: text.into(), action: Some(Box::new(action.into())) }
    }

    /// The same action, in other words.
    #[must_use]
    pub fn saying(self, text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), ..self }
    }
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self { text: text.into(), action: None }
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self { text: text.into(), action: None }
    }
}

impl From<Action> for Hint {
    fn from(action: Action) -> Self {
        Self::new("", action)
    }
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A hint with its action, as it is kept to be shown later.
#[derive(Debug, Serialize)]
pub struct Kept<'a> {
    text: &'a str,
    action: Option<&'a Action>,
}

impl<'a> From<&'a Hint> for Kept<'a> {
    fn from(hint: &'a Hint) -> Self {
        Self { text: &hint.text, action: hint.action.as_deref() }
    }
}

/// What another version kept may be an action that this one does not know: its words stay.
fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<Action>>, D::Error> {
    let kept = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(kept).unwrap_or_default())
}

/// Everything that a hint can propose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    Platform(PlatformAction),
    Local(LocalAction),
    Fsck(FsckAction),
    Audit(AuditAction),
    Place(PlaceAction),
    Tenant(TenantAction),
    Operation(OperationAction),
    Set(SetAction),
    Run(RunAction),
    Migrate(MigrateAction),
    User(UserAction),
    Rights(RightsAction),
    Token(TokenAction),
    Webhook(WebhookAction),
    Service(ServiceAction),
    Notify(NotifyAction),
    /// The same request again, with one thing more.
    With(With),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_an_unknown_action_leaves_its_words() {
        let hint = Hint::new("see it", TenantAction::Show(Some("acme".to_owned())));
        let kept = serde_json::to_value(Kept::from(&hint)).unwrap();
        assert_eq!(serde_json::from_value::<Hint>(kept).unwrap(), hint);
        let newer = serde_json::json!({ "text": "see it", "action": { "Tenant": { "Paint": "red" } } });
        assert_eq!(serde_json::from_value::<Hint>(newer).unwrap(), Hint::from("see it"));
    }
}
