//! `nexus schema`: what commands write with `-o json`, and the API answers, as JSON Schema (2020-12).

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::output::{Column, Row, Screen};
use super::{CommandResult, Exit};
use crate::http;
use crate::kernel::{AnyFailure, Failure, suggest};

/// Where the page has its types, and where a schema has those that it refers to.
const IN_PAGE: &str = "#/components/schemas/";
const IN_SCHEMA: &str = "#/$defs/";

/// Arguments of `nexus schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  nexus schema                      the names
  nexus schema User                 what `nexus -o json user show` writes; `user list` writes an array of it
  nexus schema --openapi            the page of the API (OpenAPI 3.1), as `nexus serve` has it")]
pub struct SchemaArgs {
    /// The type, e.g. User
    #[arg(conflicts_with = "openapi")]
    pub name: Option<String>,
    /// Print the page of the API: everything that can be called
    #[arg(long)]
    pub openapi: bool,
}

/// No type is called so.
#[derive(Debug, thiserror::Error, Failure)]
#[error("no schema {name:?}")]
#[failure(NotFound, "schema_not_found")]
#[hint(if let Some(nearest) = nearest, "did you mean {nearest}?")]
#[hint(if nearest.is_none(), "nexus schema lists the names")]
pub struct NoSchema {
    name: String,
    nearest: Option<String>,
}

/// A type.
#[derive(Debug, Serialize)]
struct SchemaRow {
    name: String,
    description: String,
}

impl Row for SchemaRow {
    const COLUMNS: &'static [Column] = &[Column::text("name"), Column::sentences("description")];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.description.clone()]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}

/// Prints the names, one schema, or the page.
///
/// # Errors
/// When there is no such type, or standard output takes no more.
pub fn run(args: &SchemaArgs, screen: &Screen) -> CommandResult {
    let page = serde_json::to_value(http::openapi()).unwrap_or_default();
    if args.openapi {
        return print(screen, &page);
    }
    let types: BTreeMap<String, Value> = page["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if let Some(name) = &args.name {
        return print(screen, &schema(name, &types)?);
    }
    let rows = types.iter().map(|(name, schema)| SchemaRow {
        name: name.clone(),
        description: schema["description"].as_str().unwrap_or_default().to_owned(),
    });
    screen.list(rows)?;
    Ok(Exit::Done)
}

fn print(screen: &Screen, value: &Value) -> CommandResult {
    screen.raw(format!("{value:#}\n").as_bytes())?;
    Ok(Exit::Done)
}

/// A document of its own: the type, and those that it refers to.
fn schema(name: &str, types: &BTreeMap<String, Value>) -> Result<Value, AnyFailure> {
    let Some(found) = types.get(name) else {
        let nearest = suggest::nearest(name, types.keys().map(String::as_str)).map(str::to_owned);
        return Err(NoSchema { name: name.to_owned(), nearest }.into());
    };
    let (mut needed, mut open) = (BTreeSet::new(), vec![found]);
    while let Some(value) = open.pop() {
        for name in references(value) {
            if let Some(inner) = types.get(name)
                && needed.insert(name)
            {
                open.push(inner);
            }
        }
    }
    let inner: Map<String, Value> =
        needed.into_iter().map(|name| (name.to_owned(), moved(&types[name]))).collect();
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    document.insert("title".to_owned(), json!(name));
    document.extend(moved(found).as_object().cloned().unwrap_or_default());
    if !inner.is_empty() {
        document.insert("$defs".to_owned(), Value::Object(inner));
    }
    Ok(Value::Object(document))
}

/// The types that a value refers to.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(IN_PAGE));
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// A value whose references lead to where a schema has its types.
fn moved(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), moved(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(moved).collect(),
        Value::String(text) => match text.strip_prefix(IN_PAGE) {
            Some(name) => format!("{IN_SCHEMA}{name}").into(),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}
