//! The templates that Nexus has of itself, and the values that each kind's messages have.

use serde_json::{Map, Value, json};

use super::model::{Kind, Source};

/// A kind of Nexus's own.
#[derive(Debug)]
pub(super) struct BuiltIn {
    pub(super) kind: &'static str,
    /// What its messages tell.
    pub(super) about: &'static str,
    /// The first line is the subject, the second is empty.
    text: &'static str,
    html: &'static str,
    /// Beside what all messages have.
    values: &'static [Special],
}

/// A value that not all messages have.
#[derive(Debug, Clone, Copy)]
enum Special {
    /// Where to go.
    Link,
    /// For how long that is good.
    Within,
    /// What a client calls itself.
    Client,
    /// When it was.
    At,
    /// Which webhook it is about, and what became of it.
    Webhook,
}

impl Special {
    /// Its name, and what it may be.
    fn sample(self) -> (&'static str, Value) {
        match self {
            Self::Link => ("link", json!("https://app.example/page#tenant=acme&token=nxi_sample")),
            Self::Within => ("within", json!("7 days")),
            Self::Client => ("client", json!("Example App on a phone")),
            Self::At => ("at", json!("2026-12-01 09:30 UTC")),
            Self::Webhook => {
                let data =
                    json!({ "webhook_id": WEBHOOK, "since": "2026-12-01T09:30:00Z", "reason": "failing" });
                ("data", data)
            }
        }
    }
}

macro_rules! built_in {
    ($($kind:literal $file:literal [$($value:ident)*] $about:literal;)*) => {
        /// All of them.
        pub(super) static ALL: &[BuiltIn] = &[$(
            BuiltIn {
                kind: $kind,
                about: $about,
                text: include_str!(concat!("builtin/", $file, ".txt")),
                html: include_str!(concat!("builtin/", $file, ".html")),
                values: &[$(Special::$value),*],
            },
        )*];
    };
}

built_in! {
    "account.invitation" "invitation" [Link Within] "sets a first password";
    "account.verification" "verification" [Link Within] "confirms an address that was registered";
    "account.exists" "account_exists" [] "somebody registered an address that has an account";
    "account.password_reset" "password_reset" [Link Within] "sets a new password";
    "account.password_changed" "password_changed" [] "the password was changed";
    "account.disabled" "disabled" [] "the account was disabled";
    "account.second_factor_added" "second_factor_added" [] "a second factor was set up";
    "account.second_factor_removed" "second_factor_removed" [] "the second factor was removed";
    "account.new_sign_in" "new_sign_in" [Client At] "somebody signed in with a client that was not used before";
    "webhook.failing" "webhook_failing" [Webhook] "a webhook has taken no event for a day; to administrators";
    "webhook.disabled" "webhook_disabled" [Webhook] "events are no longer sent to a webhook; to administrators";
}

/// The template of a kind, where Nexus has one.
pub(super) fn find(kind: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|it| it.kind == kind)
}

/// Whether there can be notifications of a kind.
pub(super) fn is_known(kind: &Kind) -> bool {
    kind.is_of_app() || find(kind.as_str()).is_some()
}

impl BuiltIn {
    /// Its parts.
    pub(super) fn source(&self) -> Source {
        let (subject, text) = self.text.split_once("\n\n").unwrap_or(("", self.text));
        Source { subject: subject.to_owned(), text: text.to_owned(), html: Some(self.html.to_owned()) }
    }
}

/// The webhook that samples are about.
const WEBHOOK: &str = "01a2240a-8d9e-7cb2-8a5b-3c8c4f1e7a10";

/// Values such as messages of a kind have, with the data of an app's own.
pub(super) fn sample(kind: &Kind, data: &Map<String, Value>) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, value) in [
        ("kind", json!(kind.as_str())),
        ("tenant", json!("acme")),
        ("name", json!("Ann Example")),
        ("email", json!("ann@acme.example")),
    ] {
        values.insert(name.to_owned(), value);
    }
    match find(kind.as_str()) {
        None => drop(values.insert("data".to_owned(), Value::Object(data.clone()))),
        Some(found) => {
            for special in found.values {
                let (name, value) = special.sample();
                values.insert(name.to_owned(), value);
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::super::engine;
    use super::*;

    #[test]
    fn every_built_in_template_is_one_and_says_the_same_in_both_parts() {
        for it in ALL {
            let kind: Kind = it.kind.parse().unwrap();
            let values = sample(&kind, &Map::new());
            let said =
                engine::check(&it.source(), &values).unwrap_or_else(|error| panic!("{}: {error}", it.kind));
            let html = said.html.unwrap();
            assert!(said.text.ends_with('\n') && html.ends_with("</html>\n"), "{}", it.kind);
            for special in it.values {
                let (name, value) = special.sample();
                let value = value.as_str().unwrap_or(WEBHOOK);
                let escaped = value.replace('&', "&amp;").replace('/', "&#x2f;");
                assert!(said.text.contains(value), "{}: {name} in {}", it.kind, said.text);
                assert!(html.contains(value) || html.contains(&escaped), "{}: {name} in {html}", it.kind);
            }
        }
    }
}
