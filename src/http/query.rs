//! The query of a request, as strict as its body.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use super::Api;
use super::body::reason;
use super::error::RequestError;
use super::list::PageParams;
use super::problem::Problem;
use crate::features::iam::custom_fields::AskedField;
use crate::kernel::filter::{self, Condition, FieldType, FilterField, Operator};
use crate::kernel::suggest;

/// The query of a list: which part, and what it is filtered and sorted by.
pub(super) struct ListQuery<T> {
    pub(super) part: PageParams,
    pub(super) filter: T,
}

impl<T: DeserializeOwned> FromRequestParts<Api> for ListQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let (mut part, mut filter) = (String::new(), String::new());
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let half = if PageParams::NAMES.contains(&&*name) { &mut part } else { &mut filter };
            let mut writer = form_urlencoded::Serializer::for_suffix(std::mem::take(half), 0);
            *half = writer.append_pair(&name, &value).finish();
        }
        Ok(Self { part: read(&part, &[])?, filter: read(&filter, &PageParams::NAMES)? })
    }
}

/// What a list is filtered by, beside fields that are compared.
pub(super) trait Filtered: DeserializeOwned {
    /// The fields that are compared.
    const FIELDS: &'static [FilterField];
    /// Whether rows have custom fields.
    const CUSTOM: bool = false;
}

/// The query of a list whose fields are compared: `state=active`, `created_at[gt]=…`.
pub(super) struct FilteredQuery<T> {
    pub(super) part: PageParams,
    pub(super) filter: T,
    /// In the order in which they were asked for; none twice.
    pub(super) conditions: Vec<Condition>,
    /// What is asked of custom fields; which there are, the realm knows.
    pub(super) fields: Vec<AskedField>,
}

impl<T: Filtered> FromRequestParts<Api> for FilteredQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let mut rest = form_urlencoded::Serializer::new(String::new());
        let (mut conditions, mut seen) = (Vec::new(), BTreeSet::new());
        let mut part = form_urlencoded::Serializer::new(String::new());
        let mut fields = Vec::new();
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if let Some(asked) = asked_field(&name, &value).filter(|_| T::CUSTOM) {
                if fields.len() >= MOST_FIELDS || fields.iter().any(|it: &AskedField| it.is_alike(&asked)) {
                    let reason = format!("it may be given once, and others {MOST_FIELDS} times in all");
                    return Err(RequestError::query(&name, reason).into());
                }
                fields.push(asked);
                continue;
            }
            let (field, operator) = filter::parts(&name);
            if let Some(known) = T::FIELDS.iter().find(|known| known.name == field) {
                let condition = Condition::parse((field, known.kind), known.operators, (operator, &value));
                let condition = condition.map_err(|error| RequestError::filter(&name, error))?;
                if !seen.insert((known.name, condition.operator.as_str())) {
                    return Err(RequestError::query(&name, "it is given twice").into());
                }
                conditions.push(condition);
            } else if let Some(operator) = operator {
                let near = suggest::nearest(field, T::FIELDS.iter().map(|known| known.name));
                let nearest = near.map(|near| format!("{near}[{operator}]"));
                let reason = "the list is not filtered by it".to_owned();
                return Err(RequestError::Query { name: name.into_owned(), reason, nearest }.into());
            } else if PageParams::NAMES.contains(&&*name) {
                part.append_pair(&name, &value);
            } else {
                rest.append_pair(&name, &value);
            }
        }
        let others: Vec<&str> =
            PageParams::NAMES.into_iter().chain(T::FIELDS.iter().map(|known| known.name)).collect();
        Ok(Self {
            part: read(&part.finish(), &[])?,
            filter: read(&rest.finish(), &others)?,
            conditions,
            fields,
        })
    }
}

/// Most conditions on custom fields at once.
const MOST_FIELDS: usize = 20;

/// What is asked of a custom field: `fields[team]`, `fields[team][in]`.
fn asked_field(parameter: &str, value: &str) -> Option<AskedField> {
    let rest = parameter.strip_prefix("fields[")?.strip_suffix(']')?;
    let (name, operator) = match rest.split_once("][") {
        Some((name, operator)) => (name, Some(operator.to_owned())),
        None => (rest, None),
    };
    Some(AskedField { name: name.to_owned(), operator, value: value.to_owned() })
}

/// The parameters of the fields that a list is filtered by.
pub(super) struct Conditions<T>(PhantomData<T>);

impl<T: Filtered> IntoParams for Conditions<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let each = |field: &'static FilterField| field.operators.iter().map(|it| parameter(field, *it));
        T::FIELDS.iter().flat_map(each).chain(T::CUSTOM.then(custom_parameter)).collect()
    }
}

fn custom_parameter() -> Parameter {
    let text = "Values of custom fields: `fields[team]=eu`. Other comparisons are written behind it, as the type of the \
                field allows: `fields[level][gt]=3`, `fields[team][in]=eu,us`, and `ne`, `lt`, `contains`";
    let schema = ObjectBuilder::new()
        .additional_properties(Some(Schema::from(ObjectBuilder::new().schema_type(Type::String))));
    let parameter = ParameterBuilder::new().name("fields").parameter_in(ParameterIn::Query);
    let parameter = parameter.style(Some(ParameterStyle::DeepObject)).explode(Some(true));
    parameter.required(Required::False).description(Some(text)).schema(Some(schema)).build()
}

fn parameter(field: &FilterField, operator: Operator) -> Parameter {
    let name = match operator {
        Operator::Eq => field.name.to_owned(),
        other => format!("{}[{}]", field.name, other.as_str()),
    };
    let before_or_less = |time: &str, number: &str| {
        let word = if matches!(field.kind, FieldType::Time | FieldType::Day) { time } else { number };
        format!("`{}` is {word}", field.name)
    };
    let text = match operator {
        Operator::Eq => field.about.to_owned(),
        Operator::Ne => format!("`{}` is not this", field.name),
        Operator::Lt => before_or_less("before this", "less than this"),
        Operator::Gt => before_or_less("after this", "more than this"),
        Operator::In => format!("`{}` is one of these, separated by commas", field.name),
        Operator::Contains => format!("`{}` contains this; upper and lower case are equal", field.name),
    };
    let one = !matches!(operator, Operator::In | Operator::Contains);
    let schema = ObjectBuilder::new().schema_type(match field.kind {
        FieldType::Flag => Type::Boolean,
        FieldType::Number if one => Type::Number,
        _ => Type::String,
    });
    let schema = match field.kind {
        FieldType::Time if one => schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
        FieldType::Day if one => schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
        _ => schema,
    };
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
    let parameter = parameter.required(Required::False).description(Some(text)).schema(Some(schema));
    match field.kind {
        FieldType::Word(words) if operator == Operator::In => parameter
            .example(Some(words.iter().take(2).copied().collect::<Vec<_>>().join(",").into()))
            .build(),
        _ => parameter.build(),
    }
}

/// The query of what is no list.
pub(super) struct InQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        Ok(Self(read(parts.uri.query().unwrap_or_default(), &[])?))
    }
}

/// Reads parameters; `others` are names beside those of the type that an unknown one may have been meant for.
fn read<T: DeserializeOwned>(text: &str, others: &[&str]) -> Result<T, RequestError> {
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let (reason, nearest) = reason(&error.inner().to_string());
        let name = error.path().to_string();
        let nearest = nearest.or_else(|| suggest::nearest(&name, others.iter().copied()).map(str::to_owned));
        RequestError::Query { name, reason, nearest }
    })
}
