//! What a client of one page of the API would miss in another. New fields and values of an answer are no break:
//! clients ignore what they do not know.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Where a type stands: what a client sends may be taken more freely than before, what it gets may say more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sent,
    Got,
}

/// What breaks, a line for each.
pub fn breaking(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Found { old, new, lines: Vec::new(), seen: BTreeSet::new() };
    for (path, methods) in object(&old["paths"]) {
        for (method, operation) in object(methods) {
            let place = format!("{} {path}", method.to_uppercase());
            match new["paths"][path].get(method) {
                Some(now) => found.operation(&place, operation, now),
                None => found.lines.push(format!("{place} is gone")),
            }
        }
    }
    found.lines
}

struct Found<'a> {
    old: &'a Value,
    new: &'a Value,
    lines: Vec<String>,
    /// Types that were compared, for one may be part of itself.
    seen: BTreeSet<String>,
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A type whose references and parts are put together.
fn flat(page: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return flat(page, page.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null));
    }
    let mut all = schema.clone();
    for part in array(&schema["allOf"]) {
        let part = flat(page, part);
        for (name, value) in object(&part["properties"]) {
            all["properties"][name] = value.clone();
        }
        let required = array(&all["required"]).chain(array(&part["required"])).cloned().collect();
        all["required"] = required;
        if all["type"].is_null() {
            all["type"] = part["type"].clone();
        }
    }
    all
}

/// The kinds of values that a type has; none: any.
fn kinds(schema: &Value) -> BTreeSet<&str> {
    match &schema["type"] {
        Value::String(kind) => BTreeSet::from([kind.as_str()]),
        kinds => array(kinds).filter_map(Value::as_str).collect(),
    }
}

/// Whether all values of some kinds are of others, too.
fn within(few: &BTreeSet<&str>, many: &BTreeSet<&str>) -> bool {
    let has = |kind: &&str| many.contains(*kind) || (**kind == *"integer" && many.contains("number"));
    many.is_empty() || (!few.is_empty() && few.iter().all(has))
}

impl Found<'_> {
    fn say(&mut self, place: &str, what: &str) {
        self.lines.push(format!("{place}: {what}"));
    }

    fn operation(&mut self, place: &str, old: &Value, new: &Value) {
        if old["operationId"] != new["operationId"] {
            self.say(place, "its operationId is another");
        }
        let open = |operation: &Value| array(&operation["security"]).any(|way| *way == serde_json::json!({}));
        if open(old) && !open(new) {
            self.say(place, "it needs a token");
        }
        self.parameters(place, &old["parameters"], &new["parameters"]);
        self.body(place, &old["requestBody"], &new["requestBody"]);
        for (status, answer) in object(&old["responses"]) {
            let place = format!("{place} {status}");
            let Some(now) = new["responses"].get(status) else {
                self.say(&place, "it is gone");
                continue;
            };
            for (kind, content) in object(&answer["content"]) {
                match now["content"].get(kind) {
                    Some(now) => self.types(&place, Side::Got, &content["schema"], &now["schema"]),
                    None => self.say(&place, &format!("it is no longer {kind}")),
                }
            }
        }
    }

    fn parameters(&mut self, place: &str, old: &Value, new: &Value) {
        let named = |all: &Value| -> BTreeMap<(String, String), Value> {
            array(all).map(|it| ((it["in"].to_string(), it["name"].to_string()), it.clone())).collect()
        };
        let (old, new) = (named(old), named(new));
        for (key, parameter) in &old {
            let place = format!("{place} parameter {}", key.1);
            match new.get(key) {
                None => self.say(&place, "it is gone"),
                Some(now) => {
                    if parameter["required"] != true && now["required"] == true {
                        self.say(&place, "it is required");
                    }
                    self.types(&place, Side::Sent, &parameter["schema"], &now["schema"]);
                }
            }
        }
        for ((_, name), _) in new.iter().filter(|(key, it)| it["required"] == true && !old.contains_key(*key))
        {
            self.say(place, &format!("parameter {name} is new and required"));
        }
    }

    fn body(&mut self, place: &str, old: &Value, new: &Value) {
        if old["required"] != true && new["required"] == true {
            self.say(place, "a body is required");
        }
        for (kind, content) in object(&old["content"]) {
            match new["content"].get(kind) {
                Some(now) => {
                    self.types(&format!("{place} body"), Side::Sent, &content["schema"], &now["schema"]);
                }
                None => self.say(place, &format!("{kind} is no longer taken")),
            }
        }
    }

    /// Compares what can be sent, or got, as one of several types.
    fn types(&mut self, place: &str, side: Side, old: &Value, new: &Value) {
        let both = [&old["$ref"], &new["$ref"]].map(ToString::to_string);
        let key = format!("{} {}", side == Side::Sent, both.join(" "));
        if !old["$ref"].is_null() && !self.seen.insert(key) {
            return;
        }
        let variants = |schema: &Value| -> Vec<Value> {
            let all: Vec<Value> = array(&schema["oneOf"]).chain(array(&schema["anyOf"])).cloned().collect();
            if all.is_empty() { vec![schema.clone()] } else { all }
        };
        let (old, new) = (variants(&flat(self.old, old)), variants(&flat(self.new, new)));
        if let ([old], [new]) = (&old[..], &new[..]) {
            return self.type_of(place, side, old, new);
        }
        // Each that was sent must fit one that is taken; each that is got must fit one that was expected.
        let (each, any) = if side == Side::Sent { (&old, &new) } else { (&new, &old) };
        for one in each {
            let fits = any.iter().any(|other| {
                let mut inner =
                    Found { old: self.old, new: self.new, lines: Vec::new(), seen: self.seen.clone() };
                let (old, new) = if side == Side::Sent { (one, other) } else { (other, one) };
                inner.types(place, side, old, new);
                inner.lines.is_empty()
            });
            if !fits {
                self.say(
                    place,
                    if side == Side::Sent { "a type is no longer taken" } else { "a type is new" },
                );
            }
        }
    }

    fn type_of(&mut self, place: &str, side: Side, old: &Value, new: &Value) {
        let (old, new) = (&flat(self.old, old), &flat(self.new, new));
        let (before, now) = (kinds(old), kinds(new));
        let fits = if side == Side::Sent { within(&before, &now) } else { within(&now, &before) };
        if !fits {
            self.say(place, &format!("it was {before:?} and is {now:?}"));
        }
        if side == Side::Sent {
            self.narrower(place, old, new);
        }
        let required = |schema: &Value| -> BTreeSet<String> {
            array(&schema["required"]).filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (had_to, must) = (required(old), required(new));
        for (name, field) in object(&old["properties"]) {
            let place = format!("{place}/{name}");
            match new["properties"].get(name) {
                None => self.say(&place, "it is gone"),
                Some(now) => self.types(&place, side, field, now),
            }
            if side == Side::Got && had_to.contains(name) && !must.contains(name) {
                self.say(&place, "it may be missing");
            }
        }
        if side == Side::Sent {
            for name in must.difference(&had_to) {
                self.say(&format!("{place}/{name}"), "it is required");
            }
        }
        for inner in ["items", "additionalProperties"] {
            if old[inner].is_object() && new[inner].is_object() {
                self.types(&format!("{place}/{inner}"), side, &old[inner], &new[inner]);
            }
        }
    }

    /// What may be sent is bounded more closely.
    fn narrower(&mut self, place: &str, old: &Value, new: &Value) {
        if let Some(values) = new["enum"].as_array() {
            let gone: Vec<&Value> = array(&old["enum"]).filter(|value| !values.contains(value)).collect();
            if old["enum"].is_null() {
                self.say(place, "it is one of a few values");
            } else if !gone.is_empty() {
                self.say(place, &format!("a value is no longer taken: {gone:?}"));
            }
        }
        for (name, sign) in [
            ("maximum", 1.0),
            ("maxLength", 1.0),
            ("maxItems", 1.0),
            ("minimum", -1.0),
            ("minLength", -1.0),
            ("minItems", -1.0),
        ] {
            let (before, now) = (old[name].as_f64(), new[name].as_f64());
            if now.is_some_and(|now| before.is_none_or(|before| now * sign < before * sign)) {
                self.say(place, &format!("{name} is closer"));
            }
        }
        for name in ["pattern", "format"] {
            if !new[name].is_null() && new[name] != old[name] {
                self.say(place, &format!("{name} is another"));
            }
        }
        if new["additionalProperties"] == false && old["additionalProperties"] != false {
            self.say(place, "unknown fields are refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A page with one operation, which takes and answers a thing.
    fn page() -> Value {
        let thing = json!({ "$ref": "#/components/schemas/Thing" });
        let state = json!({ "type": "string", "enum": ["on", "off"] });
        json!({
            "paths": { "/things": { "post": {
                "operationId": "make",
                "security": [{}],
                "parameters": [{ "in": "query", "name": "limit", "schema": { "type": "integer", "maximum": 100 } }],
                "requestBody": { "content": { "application/json": { "schema": { "type": "object", "properties": {
                    "state": state, "note": { "type": ["string", "null"] },
                } } } } },
                "responses": { "200": { "content": { "application/json": { "schema": {
                    "type": "object", "properties": { "data": { "type": "array", "items": thing } },
                } } } } },
            } } },
            "components": { "schemas": { "Thing": {
                "type": "object",
                "required": ["id"],
                "properties": { "id": { "type": "string" }, "parent": thing, "state": state },
            } } },
        })
    }

    const OPERATION: &str = "/paths/~1things/post";
    const SENT: &str = "/paths/~1things/post/requestBody/content/application~1json/schema";
    const GOT: &str = "/components/schemas/Thing";

    /// What breaks where one place of the page has another value; none: where it is gone.
    fn with(at: &str, value: Option<Value>) -> Vec<String> {
        let mut new = page();
        let (parent, name) = at.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap();
        match (value, parent) {
            (Some(value), Value::Object(fields)) => drop(fields.insert(name.replace("~1", "/"), value)),
            (None, Value::Object(fields)) => drop(fields.remove(&name.replace("~1", "/")).unwrap()),
            (_, other) => panic!("{other}"),
        }
        breaking(&page(), &new)
    }

    #[test]
    fn what_a_client_would_miss_is_named() {
        let gone = |at: &str| with(at, None);
        let other = |at: &str, value: Value| with(at, Some(value));
        let text = || json!({ "type": "string" });
        for (found, expected) in [
            (gone("/paths/~1things"), "POST /things is gone"),
            (gone(OPERATION), "POST /things is gone"),
            (
                other(&format!("{OPERATION}/operationId"), json!("create")),
                "POST /things: its operationId is another",
            ),
            (
                other(&format!("{OPERATION}/security"), json!([{ "token": [] }])),
                "POST /things: it needs a token",
            ),
            (
                other(&format!("{OPERATION}/parameters"), json!([])),
                "POST /things parameter \"limit\": it is gone",
            ),
            (gone(&format!("{OPERATION}/responses/200")), "POST /things 200: it is gone"),
            (gone(&format!("{SENT}/properties/note")), "POST /things body/note: it is gone"),
            (other(&format!("{SENT}/required"), json!(["note"])), "POST /things body/note: it is required"),
            (
                other(&format!("{SENT}/properties/note"), text()),
                "POST /things body/note: it was {\"null\", \"string\"} and is {\"string\"}",
            ),
            (
                other(&format!("{SENT}/properties/state/enum"), json!(["on"])),
                "POST /things body/state: a value is no longer taken: [String(\"off\")]",
            ),
            (
                other(&format!("{SENT}/additionalProperties"), json!(false)),
                "POST /things body: unknown fields are refused",
            ),
            (gone(&format!("{GOT}/properties/id")), "POST /things 200/data/items/id: it is gone"),
            (gone(&format!("{GOT}/required")), "POST /things 200/data/items/id: it may be missing"),
            (
                other(&format!("{GOT}/properties/id/type"), json!("integer")),
                "POST /things 200/data/items/id: it was {\"string\"} and is {\"integer\"}",
            ),
            (
                other(&format!("{GOT}/properties/state"), json!({ "oneOf": [{ "type": "null" }, text()] })),
                "POST /things 200/data/items/state: a type is new",
            ),
        ] {
            assert!(found.iter().any(|line| line == expected), "{expected}: {found:?}");
        }
        let parameter = json!([{ "in": "query", "name": "limit", "required": true,
            "schema": { "type": "integer", "maximum": 50 } }]);
        let found = other(&format!("{OPERATION}/parameters"), parameter);
        assert_eq!(
            found,
            [
                "POST /things parameter \"limit\": it is required",
                "POST /things parameter \"limit\": maximum is closer"
            ]
        );
    }

    #[test]
    fn what_a_client_does_not_notice_is_no_break() {
        assert_eq!(breaking(&page(), &page()), [""; 0]);
        for (at, value) in [
            ("/paths/~1more".to_owned(), json!({ "get": { "operationId": "more" } })),
            (format!("{OPERATION}/responses/202"), json!({ "description": "begun" })),
            (format!("{SENT}/properties/more"), json!({ "type": "string" })),
            (format!("{SENT}/properties/state/enum"), json!(["on", "off", "idle"])),
            (
                format!("{SENT}/properties/state"),
                json!({ "oneOf": [{ "type": "null" }, { "type": "string" }] }),
            ),
            (format!("{GOT}/properties/more"), json!({ "type": "string" })),
            (format!("{GOT}/properties/state/enum"), json!(["on", "off", "idle"])),
            (format!("{GOT}/required"), json!(["id", "state"])),
        ] {
            assert_eq!(with(&at, Some(value)), [""; 0], "{at}");
        }
    }
}
