//! Lists that are filtered by custom fields.

use super::super::error::IamError;
use super::super::realm::RealmTx;
use super::model::{AppliesTo, CustomField, CustomFieldType};
use super::values::Definitions;
use crate::kernel::filter::{Condition, FieldType, Operator};

/// What a list is asked of a custom field: its name, the operator, the value, as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedField {
    pub name: String,
    pub operator: Option<String>,
    pub value: String,
}

impl AskedField {
    /// Whether another compares the same field in the same way.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        let operator = |one: &Self| one.operator.clone().unwrap_or_else(|| Operator::Eq.as_str().to_owned());
        self.name == other.name && operator(self) == operator(other)
    }

    /// The name of the parameter.
    fn parameter(&self) -> String {
        let operator = self.operator.as_ref().map(|operator| format!("[{operator}]")).unwrap_or_default();
        format!("fields[{}]{operator}", self.name)
    }
}

/// The conditions that are asked for, by the types of the realm's fields.
pub(in super::super) async fn conditions(
    work: &mut RealmTx<'_>,
    applies_to: AppliesTo,
    asked: &[AskedField],
) -> Result<Vec<Condition>, IamError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let definitions = Definitions::of(work, applies_to).await?;
    asked.iter().map(|one| condition(&definitions, one)).collect()
}

fn condition(definitions: &Definitions, asked: &AskedField) -> Result<Condition, IamError> {
    let wrong = |reason: String, nearest| IamError::FieldFilter { name: asked.parameter(), reason, nearest };
    let field = definitions.named(&asked.name).map_err(|nearest| {
        wrong("there is no such custom field".to_owned(), nearest.map(|near| format!("fields[{near}]")))
    })?;
    let choices: Vec<&str> = field.choices.iter().map(String::as_str).collect();
    let (kind, operators) = compared(field, &choices);
    let given = (asked.operator.as_deref(), asked.value.as_str());
    Condition::parse((&field.name, kind), operators, given).map_err(|error| {
        // The nearest operator is of the field's name alone.
        let nearest = error.nearest.map(|near| match near.strip_prefix(&field.name) {
            Some(operator) if operator.starts_with('[') => format!("fields[{}]{operator}", field.name),
            _ => near,
        });
        wrong(error.reason, nearest)
    })
}

/// How the values of a field are compared.
fn compared<'a>(field: &CustomField, choices: &'a [&'a str]) -> (FieldType<'a>, &'static [Operator]) {
    use Operator::{Contains, Eq, Gt, In, Lt, Ne};
    match field.kind {
        CustomFieldType::Text => (FieldType::Text, &[Eq, Ne, In, Contains]),
        CustomFieldType::Number => (FieldType::Number, &[Eq, Ne, Lt, Gt, In]),
        CustomFieldType::Boolean => (FieldType::Flag, &[Eq, Ne]),
        CustomFieldType::Date => (FieldType::Day, &[Eq, Ne, Lt, Gt, In]),
        CustomFieldType::Choice => (FieldType::Word(choices), &[Eq, Ne, In]),
    }
}
