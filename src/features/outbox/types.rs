//! The types of Nexus's own events. Whoever writes a row of a realm's log writes its event with it: by the action of
//! the row, in the same transaction, so that none is forgotten.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::listed::{ACTIONS_WITHOUT_EVENT, TYPES};
use super::model::NewEntry;

/// First words of types that apps may not publish: Nexus's own, of today and perhaps of later. `nexus.publish` has the
/// same list.
pub const RESERVED: [&str; 28] = [
    "api_key",
    "audit",
    "auth",
    "custom_field",
    "event",
    "file",
    "group",
    "job",
    "key",
    "mail",
    "message",
    "migration",
    "nexus",
    "notification",
    "operation",
    "operator",
    "permission",
    "platform",
    "role",
    "secret",
    "session",
    "setting",
    "settings",
    "tenant",
    "token",
    "usage",
    "user",
    "webhook",
];

/// What the owner of an inbox hears of without a permission: something came, or was read or deleted.
pub(in crate::features) const NOTIFICATION_RECEIVED: &str = "notification.received";
pub(in crate::features) const INBOX_CHANGED: &str = "notification.inbox_changed";

/// A type of events.
#[derive(Debug)]
pub struct EventType {
    /// Words with dots between them, e.g. `user.disabled`.
    pub name: &'static str,
    /// Grows when fields are added. What there is of a version stays as it is.
    pub version: u32,
    /// When it is published: a sentence.
    pub about: &'static str,
    /// What a reader must hold, beside `event:read`.
    pub permission: &'static str,
    /// Which actions of the realm's log it is about.
    pub(super) actions: &'static [&'static str],
    /// What its payload has.
    pub(super) fields: &'static [Field],
}

/// A field of a payload.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Where the row of the log has it; `user` is the user that the row is about.
    pub(super) from: &'static str,
    pub(super) holds: Holds,
    pub(super) about: &'static str,
    /// Whether it is always there.
    pub(super) required: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    Id,
    Text,
    Texts,
    Count,
}

/// What a row of a realm's log is about.
#[derive(Debug, Clone, Copy)]
pub(in crate::features) struct LoggedChange<'a> {
    pub(in crate::features) action: &'a str,
    pub(in crate::features) user: Option<Uuid>,
    pub(in crate::features) detail: &'a Value,
}

impl EventType {
    /// All that there are, by their names.
    #[must_use]
    pub fn all() -> &'static [Self] {
        TYPES
    }

    /// One by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TYPES.iter().find(|known| known.name == name)
    }

    /// The payload as JSON Schema (2020-12). Later versions may have more fields.
    #[must_use]
    pub fn schema(&self) -> Value {
        let field = |field: &Field| {
            let mut schema = match field.holds {
                Holds::Id => json!({ "type": "string", "format": "uuid" }),
                Holds::Text => json!({ "type": "string" }),
                Holds::Texts => json!({ "type": "array", "items": { "type": "string" } }),
                Holds::Count => json!({ "type": "integer", "minimum": 0 }),
            };
            schema["description"] = field.about.into();
            (field.name.to_owned(), schema)
        };
        let required: Vec<&str> = self.fields.iter().filter(|it| it.required).map(|it| it.name).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "description": self.about,
            "x-version": self.version,
            "x-permission": self.permission,
            "type": "object",
            "properties": self.fields.iter().map(field).collect::<Map<_, _>>(),
            "required": required,
        })
    }

    /// The event of a change, where it is one that others may hear of.
    pub(in crate::features) fn of(change: LoggedChange<'_>) -> Option<NewEntry> {
        let found = TYPES.iter().find(|known| known.actions.contains(&change.action));
        if found.is_none() && !ACTIONS_WITHOUT_EVENT.contains(&change.action) {
            tracing::error!(action = change.action, "a change has no type of event");
        }
        let found = found?;
        let payload: Map<String, Value> = found
            .fields
            .iter()
            .filter_map(|field| Some((field.name.to_owned(), field.of(change)?)))
            .collect();
        // The first field says what it is about.
        let key = found.fields.first().and_then(|field| payload.get(field.name)).and_then(Value::as_str);
        let key = key.unwrap_or(found.name).chars().take(200).collect();
        Some(NewEntry { key, kind: found.name, payload: payload.into() })
    }
}

impl Field {
    /// What a change has of it, where that is what it should be.
    fn of(&self, change: LoggedChange<'_>) -> Option<Value> {
        if self.from == "user" {
            return change.user.map(|user| user.to_string().into());
        }
        if self.from == "keys" {
            let names = change.detail.as_object()?.keys().filter(|name| *name != "before");
            return Some(names.cloned().collect::<Vec<_>>().into());
        }
        let found = change.detail.get(self.from)?;
        let fits = match self.holds {
            Holds::Id | Holds::Text => found.is_string(),
            Holds::Texts => found.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Holds::Count => found.is_u64(),
        };
        fits.then(|| found.clone())
    }
}

/// Whether a type is one that apps publish.
pub(in crate::features) fn is_of_apps(name: &str) -> bool {
    !RESERVED.contains(&name.split('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_function_of_realms_reserves_the_same_words() {
        let text = include_str!("../../../tenant_migrations/20261201095100_events.sql");
        let list = text.split_once("any (array[").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        let listed: Vec<&str> = list.split('\'').skip(1).step_by(2).collect();
        assert_eq!(listed, RESERVED);
    }

    #[test]
    fn every_type_has_a_name_of_its_own_that_apps_cannot_publish_and_each_action_at_most_one() {
        let names: Vec<&str> = TYPES.iter().map(|known| known.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        assert!(names.iter().all(|name| !is_of_apps(name) && !name.starts_with("mail.")));
        let actions = TYPES.iter().flat_map(|known| known.actions).chain(ACTIONS_WITHOUT_EVENT);
        let actions: Vec<_> = actions.collect();
        assert_eq!(actions.iter().collect::<BTreeSet<_>>().len(), actions.len());
        for known in TYPES {
            assert!(known.fields.first().is_some_and(|field| field.required), "{}", known.name);
            assert!(known.permission.contains(':') && known.version > 0, "{}", known.name);
        }
    }

    #[test]
    fn a_payload_holds_what_its_schema_says_and_nothing_else() {
        let detail = json!({ "sessions": 2, "password": "x" });
        let user = Some(Uuid::nil());
        let event = EventType::of(LoggedChange { action: "user.disable", user, detail: &detail }).unwrap();
        assert_eq!(
            (event.kind, event.key.as_str()),
            ("user.disabled", "00000000-0000-0000-0000-000000000000")
        );
        assert_eq!(event.payload, json!({ "user_id": Uuid::nil(), "sessions": 2 }));
        let none = LoggedChange { action: "user.sign_in", user, detail: &detail };
        assert!(EventType::of(none).is_none());
    }

    /// The actions that the code writes into realms' logs: a new one is an event, or is listed as none.
    #[test]
    fn every_action_of_a_realms_log_has_a_type_or_is_listed_as_having_none() {
        let known: BTreeSet<&str> =
            TYPES.iter().flat_map(|known| known.actions).chain(ACTIONS_WITHOUT_EVENT).copied().collect();
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir("src/features").unwrap() {
            let folder = entry.unwrap().path();
            if !folder.is_dir() {
                continue;
            }
            let has_marks_of_its_own = ["iam", "files", "tokens"].iter().any(|name| folder.ends_with(name));
            let marks: &[&str] = if has_marks_of_its_own { &MARKS } else { &MARKS_OF_ROWS };
            actions_below(&folder, marks, &mut found);
        }
        let unknown: Vec<_> = found.iter().filter(|action| !known.contains(action.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let gone: Vec<_> = known.iter().filter(|action| !found.contains(**action)).collect();
        assert!(gone.is_empty(), "{gone:?}");
    }

    /// Where rows of a realm's log are written.
    const MARKS: [&str; 8] = [
        "note(",
        "record(",
        "record(&mut tx, ",
        "action: ",
        "action = ",
        "finish(work, ",
        "tell(&mut tx, ",
        "ask(realm, email, (",
    ];
    /// The same in features that have no log of their own: what they write otherwise is in the platform's.
    const MARKS_OF_ROWS: [&str; 4] = ["work.note(", "work.note_on(", "end_in_realm(", "Some(Noted {"];

    /// Texts of the code that look like actions, where rows of logs are written.
    fn actions_below(folder: &std::path::Path, marks: &[&str], found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                actions_below(&path, marks, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            if !marks.iter().any(|mark| code.contains(mark)) {
                continue;
            }
            for word in code.split('"').skip(1).step_by(2) {
                let is_action = word.contains('.')
                    && word.split('.').all(|part| {
                        part.starts_with(|c: char| c.is_ascii_lowercase())
                            && part.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
                    });
                if is_action && !NO_ACTIONS.contains(&word) && !word.starts_with("mail.") {
                    found.insert(word.to_owned());
                }
            }
        }
    }

    /// Texts of that form that are no actions of a realm's log: names of failpoints, and actions of the platform's.
    const NO_ACTIONS: [&str; 19] = [
        "custom_field.cleared",
        "files.found",
        "files.marked",
        "files.object_deleted",
        "files.recorded",
        "key.create",
        "key.export_development",
        "key.retire",
        "key.rotate",
        "key.rotate.between",
        "notification.notice.commit",
        "notification.send.commit",
        "refresh.exchange.after",
        "refresh.exchange.before",
        "smtp.acme.example",
        "token.mint",
        "token.revoke",
        "user.create.batch",
        "user.create.told",
    ];
}
