//! What is given for custom fields, checked by their definitions.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::error::IamError;
use super::super::realm::RealmTx;
use super::model::{AppliesTo, CustomField, CustomFieldType, WrongField};
use super::store;
use crate::kernel::filter::is_day;
use crate::kernel::{suggest, text};

/// Most characters of a text.
const LONGEST: usize = 1_000;

/// The fields that users, or groups, have.
#[derive(Debug, Default)]
pub(in super::super) struct Definitions(Vec<CustomField>);

impl Definitions {
    /// Those of a realm; none where its schema has no place for them.
    pub(in super::super) async fn of(
        work: &mut RealmTx<'_>,
        applies_to: AppliesTo,
    ) -> Result<Self, IamError> {
        let mut all = store::list(&mut work.tx).await?;
        all.retain(|field| field.applies_to == applies_to);
        Ok(Self(all))
    }

    pub(super) fn named(&self, name: &str) -> Result<&CustomField, Option<String>> {
        let found = self.0.iter().find(|field| field.name == name);
        found.ok_or_else(|| {
            suggest::nearest(name, self.0.iter().map(|field| field.name.as_str())).map(str::to_owned)
        })
    }

    /// The values that somebody has after a change: what is given, over what they had; null takes one away.
    /// `is_new`: a required one must be there in any case, else where any is given.
    pub(in super::super) fn merged(
        &self,
        before: &Map<String, Value>,
        given: &Map<String, Value>,
        is_new: bool,
    ) -> Result<Map<String, Value>, IamError> {
        let fields = self.wrong(before, given, is_new);
        if !fields.is_empty() {
            return Err(IamError::Fields { fields });
        }
        Ok(self.kept(before, given))
    }

    /// What is wrong with what is given.
    pub(in super::super) fn wrong(
        &self,
        before: &Map<String, Value>,
        given: &Map<String, Value>,
        is_new: bool,
    ) -> Vec<WrongField> {
        let wrong = |name: &str, reason: String, nearest| WrongField {
            row: None,
            name: name.to_owned(),
            reason,
            nearest,
        };
        let mut found = Vec::new();
        for (name, value) in given {
            match self.named(name) {
                Err(nearest) => found.push(wrong(name, "there is no such field".to_owned(), nearest)),
                Ok(_) if value.is_null() => {}
                Ok(field) => {
                    if let Err((reason, nearest)) = kept_value(field, value) {
                        found.push(wrong(name, reason, nearest));
                    }
                }
            }
        }
        if is_new || !given.is_empty() {
            let after = self.kept(before, given);
            let is_missing = |field: &&CustomField| {
                field.required
                    && !after.contains_key(&field.name)
                    && found.iter().all(|it| it.name != field.name)
            };
            let missing: Vec<_> = self.0.iter().filter(is_missing).collect();
            found.extend(
                missing.into_iter().map(|it| wrong(&it.name, "a value is required".to_owned(), None)),
            );
        }
        found
    }

    /// The values as they are kept; what is wrong is left out.
    fn kept(&self, before: &Map<String, Value>, given: &Map<String, Value>) -> Map<String, Value> {
        let mut after = before.clone();
        for (name, value) in given {
            after.remove(name);
            if let Ok(field) = self.named(name)
                && let Ok(value) = kept_value(field, value)
            {
                after.insert(name.clone(), value);
            }
        }
        after
    }
}

/// A value as it is kept, or what is wrong with it, and what may have been meant.
fn kept_value(field: &CustomField, given: &Value) -> Result<Value, (String, Option<String>)> {
    let wrong = |reason: &str| Err((reason.to_owned(), None));
    Ok(match (field.kind, given) {
        (CustomFieldType::Text, Value::String(given)) => {
            Value::String(text::one_line("it", given, 1..=LONGEST).map_err(|reason| (reason, None))?)
        }
        (CustomFieldType::Text, _) => return wrong("must be a text"),
        (CustomFieldType::Number, Value::Number(_)) | (CustomFieldType::Boolean, Value::Bool(_)) => {
            given.clone()
        }
        (CustomFieldType::Number, _) => return wrong("must be a number"),
        (CustomFieldType::Boolean, _) => return wrong("must be true or false"),
        (CustomFieldType::Date, Value::String(day)) if is_day(day) => given.clone(),
        (CustomFieldType::Date, _) => return wrong("must be a day, such as \"2026-11-30\""),
        (CustomFieldType::Choice, Value::String(word)) if field.choices.contains(word) => given.clone(),
        (CustomFieldType::Choice, _) => {
            let known = field.choices.iter().map(String::as_str);
            let nearest = given.as_str().and_then(|word| suggest::nearest(word, known)).map(str::to_owned);
            return Err((format!("must be one of {}", field.choices.join(", ")), nearest));
        }
    })
}

/// Gives new users their values.
pub(in super::super) async fn put_on_users(
    work: &mut RealmTx<'_>,
    values: Vec<(Uuid, Map<String, Value>)>,
) -> Result<(), IamError> {
    let (ids, fields): (Vec<_>, Vec<_>) = values.into_iter().filter(|(_, fields)| !fields.is_empty()).unzip();
    if !ids.is_empty() {
        let fields: Vec<Value> = fields.into_iter().map(Value::Object).collect();
        store::put_on_users(&mut work.tx, &ids, &fields).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;

    fn field(name: &str, kind: CustomFieldType, required: bool) -> CustomField {
        let choices =
            if kind == CustomFieldType::Choice { vec!["eu".to_owned(), "us".to_owned()] } else { vec![] };
        CustomField {
            id: Uuid::nil(),
            applies_to: AppliesTo::Users,
            name: name.to_owned(),
            kind,
            choices,
            required,
            description: String::new(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn definitions() -> Definitions {
        Definitions(vec![
            field("team", CustomFieldType::Choice, true),
            field("level", CustomFieldType::Number, false),
            field("note", CustomFieldType::Text, false),
            field("since", CustomFieldType::Date, false),
            field("remote", CustomFieldType::Boolean, false),
        ])
    }

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn values_are_of_the_type_of_their_field() {
        let given = json!({ "team": "eu", "level": 3.5, "note": " a\u{a0}b ", "since": "2024-02-29", "remote": false });
        let kept = definitions().merged(&Map::new(), &map(&given), true).unwrap();
        let expected =
            json!({ "team": "eu", "level": 3.5, "note": "a b", "since": "2024-02-29", "remote": false });
        assert_eq!(Value::Object(kept), expected);
        for (name, value) in [
            ("team", json!("ue")),
            ("level", json!("3")),
            ("note", json!(3)),
            ("note", json!("a\nb")),
            ("note", json!("")),
            ("since", json!("2023-02-29")),
            ("since", json!("2023-2-9")),
            ("remote", json!("true")),
            ("tema", json!("eu")),
        ] {
            let mut given = map(&json!({ "team": "eu" }));
            given.insert(name.to_owned(), value.clone());
            let wrong = definitions().wrong(&Map::new(), &given, true);
            assert_eq!(wrong.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [name], "{value}");
        }
        let wrong =
            definitions().wrong(&map(&json!({ "team": "eu" })), &map(&json!({ "tema": "eu" })), false);
        assert_eq!(wrong[0].nearest.as_deref(), Some("team"));
    }

    #[test]
    fn null_takes_a_value_away_but_for_one_that_is_required() {
        let before = map(&json!({ "team": "eu", "level": 1 }));
        let after = definitions().merged(&before, &map(&json!({ "level": null })), false).unwrap();
        assert_eq!(Value::Object(after), json!({ "team": "eu" }));
        let wrong = definitions().wrong(&before, &map(&json!({ "team": null })), false);
        assert_eq!((wrong.len(), wrong[0].reason.as_str()), (1, "a value is required"));
        // Whose fields are left alone is asked for none.
        assert!(definitions().wrong(&Map::new(), &Map::new(), false).is_empty());
        assert_eq!(definitions().wrong(&Map::new(), &Map::new(), true).len(), 1);
    }
}
