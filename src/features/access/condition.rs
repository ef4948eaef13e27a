//! Conditions on a permission: a small language over the attributes of the user and of what is
//! acted on. It has no loops and no calls, so that every condition ends; texts, nodes and depth are
//! bounded, so that it ends soon.
//!
//! ```text
//! condition  = and { "or" and }
//! and        = not { "and" not }
//! not        = "not" not | "(" condition ")" | test
//! test       = "owner"
//!            | value ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//!            | value "in" "[" value { "," value } "]"
//! value      = 'text' | number | "true" | "false" | name { "." name }
//! ```
//!
//! `owner` alone says that the user is the owner of what is acted on. `user.id`, `user.email` and
//! `user.FIELD` (of the profile) are the user's; every other name is an attribute of what is acted
//! on. What is not there, or of another kind, makes a test neither true nor false: it counts as not
//! met, also behind `not` (Kleene's three-valued logic), so that a missing attribute never opens
//! anything.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::kernel::Email;

mod parse;

/// Most characters of a condition.
pub const MAX_CHARS: usize = 1000;
/// Most tests, brackets, `not`s and values, together.
const MAX_NODES: usize = 100;
/// Most brackets and `not`s within each other.
const MAX_DEPTH: usize = 20;

/// A condition, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    node: Node,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the condition is wrong at character {at}: {reason}")]
pub struct ConditionError {
    /// Where, from 1.
    pub at: usize,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Owner,
    Compare(Operand, Comparison, Operand),
    In(Operand, Vec<Operand>),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Constant(Value),
    /// Of the user.
    User(Vec<String>),
    /// Of what is acted on.
    Resource(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What a condition may look at.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// The user's: `id`, `email` and the fields of the profile.
    pub user: &'a Map<String, Value>,
    /// Those of what is acted on; `owner` is the id or the e-mail address of a user.
    pub resource: &'a Map<String, Value>,
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Condition {
    /// Parses a text.
    ///
    /// # Errors
    /// [`ConditionError`] says where it is wrong, and why.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        Ok(Self { text: text.trim().to_owned(), node: parse::parse(text)? })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The facts of the user that it looks at: `id`, `email` and fields of the profile.
    #[must_use]
    pub fn facts(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.node.each(&mut |path| found.extend(path.first().cloned()));
        found
    }

    /// Whether it is met for one user by whatever meets the other one for another user: both say the
    /// same, and what they look at of the users is the same, too. Facts that are not known are not.
    #[must_use]
    pub fn is_alike(
        &self,
        other: &Self,
        (mine, theirs): (&Map<String, Value>, Option<&Map<String, Value>>),
    ) -> bool {
        let mut alike = self.node == other.node;
        self.node.each(&mut |path| {
            alike &= theirs.is_some_and(|theirs| find(mine, path) == find(theirs, path));
        });
        alike
    }

    /// Whether it is met.
    #[must_use]
    pub fn is_met(&self, attributes: Attributes<'_>) -> bool {
        self.node.value(attributes) == Some(true)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Node {
    /// Tells of every fact of the user that is looked at.
    fn each(&self, seen: &mut dyn FnMut(&[String])) {
        let mut of = |operand: &Operand| {
            if let Operand::User(path) = operand {
                seen(path);
            }
        };
        match self {
            Self::Owner => {
                for name in ["id", "email"] {
                    seen(&[name.to_owned()]);
                }
            }
            Self::Compare(left, _, right) => [left, right].into_iter().for_each(of),
            Self::In(value, list) => std::iter::once(value).chain(list).for_each(&mut of),
            Self::Not(inner) => inner.each(seen),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each(seen)),
        }
    }

    /// True, false, or neither.
    fn value(&self, attributes: Attributes<'_>) -> Option<bool> {
        match self {
            Self::Owner => {
                let owner = attributes.resource.get("owner")?.as_str()?;
                let is = |name: &str| attributes.user.get(name).and_then(Value::as_str);
                let address = || is("email")?.parse::<Email>().ok();
                Some(is("id") == Some(owner) || address().is_some_and(|address| address.is(owner)))
            }
            Self::Compare(left, how, right) => how.holds(left.value(attributes)?, right.value(attributes)?),
            Self::In(value, list) => {
                let value = value.value(attributes)?;
                any(list.iter().map(|other| Comparison::Equal.holds(value, other.value(attributes)?)))
            }
            Self::Not(inner) => inner.value(attributes).map(|value| !value),
            Self::And(parts) => {
                any(parts.iter().map(|part| part.value(attributes).map(|value| !value))).map(|value| !value)
            }
            Self::Or(parts) => any(parts.iter().map(|part| part.value(attributes))),
        }
    }
}

/// True as soon as one is; false only when all are.
fn any(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut answer = Some(false);
    for value in values {
        match value {
            Some(true) => return Some(true),
            None => answer = None,
            Some(false) => {}
        }
    }
    answer
}

impl Operand {
    fn value<'a>(&'a self, attributes: Attributes<'a>) -> Option<&'a Value> {
        let (map, path) = match self {
            Self::Constant(value) => return Some(value),
            Self::User(path) => (attributes.user, path),
            Self::Resource(path) => (attributes.resource, path),
        };
        find(map, path)
    }
}

/// What a path leads to.
fn find<'a>(map: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(map.get(first)?, |value, name| value.get(name))
}

impl Comparison {
    /// Of two texts, two numbers or two truths; nothing else compares.
    fn holds(self, left: &Value, right: &Value) -> Option<bool> {
        use std::cmp::Ordering;
        let order = match (left, right) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
                // Whole numbers of more than 53 bits are not rounded.
                (Some(a), Some(b)) => a.cmp(&b),
                _ => a.as_f64()?.partial_cmp(&b.as_f64()?)?,
            },
            _ => return None,
        };
        Some(match self {
            Self::Equal => order == Ordering::Equal,
            Self::Unequal => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(condition: &str, resource: &Value) -> bool {
        let user = serde_json::json!({ "id": "7", "email": "ann@acme.example", "team": "eu", "level": 3 });
        let attributes =
            Attributes { user: user.as_object().unwrap(), resource: resource.as_object().unwrap() };
        Condition::parse(condition).unwrap().is_met(attributes)
    }

    #[test]
    fn conditions_look_at_the_user_and_at_what_is_acted_on() {
        let invoice = serde_json::json!({
            "owner": "7", "amount": 900, "state": "draft", "team": "eu", "paid": false,
            "customer": { "country": "DE" }, "big": 9_007_199_254_740_993_i64,
        });
        for (condition, expected) in [
            ("owner", true),
            ("not owner", false),
            ("amount <= 1000", true),
            ("amount < 900", false),
            ("state = 'draft' and amount < 1e3", true),
            ("state in ['open', 'draft']", true),
            ("state in ['open']", false),
            ("team = user.team", true),
            ("user.level >= 3 and not paid", false),
            ("user.level >= 3 and paid = false", true),
            ("customer.country = 'DE'", true),
            ("(owner or amount > 5000) and paid != true", true),
            ("big = 9007199254740993", true),
            ("big = 9007199254740992", false),
            ("user.email = 'ann@acme.example'", true),
            ("'it''s' = 'it''s'", true),
        ] {
            let result = Condition::parse(condition).map(|_| met(condition, &invoice));
            if condition.contains("not paid") {
                assert!(result.is_err(), "a bare name other than owner is no test");
            } else {
                assert_eq!(result, Ok(expected), "{condition}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_of_another_kind_opens_nothing() {
        let empty = serde_json::json!({});
        for condition in [
            "owner",
            "not owner",
            "amount < 5",
            "not amount < 5",
            "amount != 5",
            "amount = user.none",
            "state in ['a']",
            "not state in ['a']",
            "user.level = 'three'",
            "user.level != 'three'",
            "not (amount < 5 and owner)",
        ] {
            assert!(!met(condition, &empty), "{condition}");
        }
        assert!(met("amount = 1 or user.level = 3", &empty));
        assert!(!met("not (amount = 1 and user.level = 3)", &empty));
        assert!(met("not (amount = 1 and user.level = 4)", &empty));
    }

    #[test]
    fn a_condition_says_which_facts_of_the_user_it_looks_at() {
        let facts = |text: &str| Condition::parse(text).unwrap().facts().into_iter().collect::<Vec<_>>();
        assert_eq!(facts("amount < 5 and state in ['a', kind]"), Vec::<String>::new());
        assert_eq!(facts("not (amount < user.limit or x in [user.team.name, 'b'])"), ["limit", "team"]);
        assert_eq!(facts("owner and user.id = x"), ["email", "id"]);
    }

    #[test]
    fn the_same_condition_is_the_same_right_only_where_its_facts_are_the_same() {
        let alike = |one: &str, other: &str, theirs: Option<Value>| {
            let mine = serde_json::json!({ "id": "7", "team": "eu", "limit": 5 });
            let (one, other) = (Condition::parse(one).unwrap(), Condition::parse(other).unwrap());
            one.is_alike(&other, (mine.as_object().unwrap(), theirs.as_ref().and_then(Value::as_object)))
        };
        assert!(alike("amount < 5", "amount<5", None));
        assert!(!alike("amount < 5", "amount < 6", None));
        assert!(!alike("team = user.team", "team = user.team", None));
        assert!(!alike("owner", "owner", None));
        let with = |team: &str| Some(serde_json::json!({ "id": "8", "team": team, "limit": 9 }));
        assert!(alike("team = user.team", "team = user.team", with("eu")));
        assert!(!alike("team = user.team", "team = user.team", with("us")));
        assert!(!alike("amount < user.limit", "amount < user.limit", with("eu")));
        assert!(!alike("owner", "owner", with("eu")));
    }

    #[test]
    fn a_wrong_condition_says_where() {
        for (text, at) in [
            ("", 1),
            ("amount <", 9),
            ("amount < 5 and", 15),
            ("amount ~ 5", 8),
            ("(owner", 7),
            ("owner)", 6),
            ("state in []", 11),
            ("'open", 1),
            ("amount", 7),
            ("5 5", 3),
            ("user = 1", 1),
            ("amount = 1e999", 10),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{text:?}: {error}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        assert!(Condition::parse(&"not ".repeat(21).replace("not owner", "owner")).is_err());
        assert!(Condition::parse(&format!("{}owner{}", "(".repeat(30), ")".repeat(30))).is_err());
        assert!(Condition::parse(&vec!["owner"; 50].join(" and ")).is_ok());
        assert!(Condition::parse(&vec!["owner"; 101].join(" or ")).is_err());
        assert!(Condition::parse(&"x".repeat(1001)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_stops_the_program(text in "[a-z0-9 '=<>!()\\[\\],.\\PC]{0,60}") {
            if let Ok(condition) = Condition::parse(&text) {
                let empty = Map::new();
                let _ = condition.is_met(Attributes { user: &empty, resource: &empty });
                proptest::prop_assert_eq!(Condition::parse(condition.as_str()), Ok(condition.clone()));
            }
        }
    }
}
