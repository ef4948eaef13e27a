//! The tenants that a file asks for.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::super::arguments::{self, Input, Limit};
use super::super::rows::{self, Cell, Fields, FromLine};
use super::super::text::InputError;
use super::profile::MostBytes;
use crate::features::placement::PlacementRequest;
use crate::features::tenants::{NewTenant, Profile, ProfileChange, UsageLimits};
use crate::kernel::label::Label;
use crate::kernel::slug::SlugError;
use crate::kernel::word::WordError;
use crate::kernel::{Labels, PlaceName, Slug};

/// One tenant, and the line that asks for it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) tenant: NewTenant,
    pub(super) wish: PlacementRequest,
}

/// Reads and checks every line.
pub(super) fn read(input: &Input) -> Result<Vec<Line>, InputError> {
    rows::read(input)
}

impl FromLine for Line {
    const WHAT: &'static str = "tenant";
    const FIELDS: &'static [(&'static str, Cell)] = &[
        ("slug", Cell::Words),
        ("name", Cell::Words),
        ("admin_email", Cell::Words),
        ("labels", Cell::Parsed(labels)),
        ("tier", Cell::Words),
        ("segment", Cell::Words),
        ("business_type", Cell::Words),
        ("modules", Cell::List),
        ("max_users", Cell::Parsed(most)),
        ("max_storage_bytes", Cell::Parsed(most_bytes)),
        ("max_requests_a_month", Cell::Parsed(most)),
        ("cluster", Cell::Words),
        ("store", Cell::Words),
    ];

    fn of(number: usize, mut fields: Fields) -> Result<Self, String> {
        let slug = fields.take::<String>("slug")?.unwrap_or_default();
        let slug: Slug = slug.parse().map_err(|error: SlugError| match Slug::suggest(&slug) {
            Some(near) => format!("{error}; did you mean {near}?"),
            None => error.to_string(),
        })?;
        let name = fields.take::<String>("name")?.map(|name| arguments::display_name(&name)).transpose()?;
        let given = fields.take::<Labels>("labels")?.unwrap_or_default();
        let labels = given.iter().map(|(key, value)| Label::new(key, value));
        let labels = labels.map(|label| label.map(|label| (label.key, label.value)));
        let labels = labels.collect::<Result<Labels, _>>().map_err(|error| error.to_string())?;
        let (admin_email, profile) = (fields.parse("admin_email")?, profile(&mut fields)?);
        let tenant = NewTenant { slug, name, admin_email, labels, profile };
        let mut place = |field| Ok::<_, String>(fields.parse::<PlaceName>(field)?.map(|it| it.to_string()));
        let wish =
            PlacementRequest { cluster: place("cluster")?, store: place("store")?, labels: Labels::new() };
        Ok(Self { number, tenant, wish })
    }

    fn key(&self) -> (String, String) {
        let slug = self.tenant.slug.to_string();
        (slug.clone(), format!("slug {slug}"))
    }
}

fn profile(fields: &mut Fields) -> Result<Profile, String> {
    let mut most = |field| {
        let given = fields.take::<i64>(field)?;
        if given.is_some_and(|most| most < 0) { Err(format!("{field} is less than 0")) } else { Ok(given) }
    };
    let limits = UsageLimits {
        max_users: most("max_users")?,
        max_storage_bytes: most("max_storage_bytes")?,
        max_requests_a_month: most("max_requests_a_month")?,
    };
    let of = Profile {
        tier: fields.parse("tier")?,
        segment: fields.parse("segment")?,
        business_type: fields.parse("business_type")?,
        modules: Vec::new(),
        limits,
    };
    let modules = fields.take::<Vec<String>>("modules")?.unwrap_or_default();
    let modules: Result<_, _> = modules.iter().map(|module| module.parse()).collect();
    let add_modules = modules.map_err(|error: WordError| error.to_string())?;
    let change = ProfileChange { add_modules, ..ProfileChange::default() };
    change.of(&of).map_err(|error| error.to_string())
}

/// A number, or nothing.
fn most(cell: &str) -> Result<Value, String> {
    limit(cell, Limit::number)
}

/// An amount of bytes, or nothing.
fn most_bytes(cell: &str) -> Result<Value, String> {
    limit(cell, MostBytes::number)
}

fn limit<T: FromStr<Err: Display>>(cell: &str, number: fn(T) -> Option<i64>) -> Result<Value, String> {
    match cell.trim() {
        "" => Ok(Value::Null),
        cell => cell.parse().map(|most| number(most).into()).map_err(|error: T::Err| error.to_string()),
    }
}

/// Labels with semicolons between them.
fn labels(cell: &str) -> Result<Value, String> {
    let mut labels = Map::new();
    for pair in cell.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let label: Label =
            pair.parse().map_err(|error: crate::kernel::label::LabelError| error.to_string())?;
        labels.insert(label.key, label.value.into());
    }
    Ok(Value::Object(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, Result<Line, String>)> {
        rows::parse(text)
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let from_csv = lines("slug,name,labels\nacme,Acme Ltd,plan=gold;region=eu\n").remove(0).1.unwrap();
        let from_json =
            lines(r#"{"slug":"acme","name":"Acme Ltd","labels":{"plan":"gold","region":"eu"}}"#).remove(0);
        assert_eq!(from_csv.tenant, from_json.1.unwrap().tenant);
        assert_eq!(from_csv.tenant.labels.len(), 2);
    }

    #[test]
    fn a_wrong_slug_says_what_is_near() {
        let wrong = lines("slug\nAcme\n");
        assert_eq!(wrong[0].0, 2);
        assert!(wrong[0].1.as_ref().unwrap_err().ends_with("did you mean acme?"));
    }

    #[test]
    fn a_long_word_is_not_repeated_whole() {
        let long = "a".repeat(200_000);
        for text in [
            format!("slug,labels\nacme,{long}\n"),
            format!("slug,labels\nacme,{long}={long}\n"),
            format!("slug,cluster\nacme,{long}\n"),
            format!("slug,admin_email\nacme,{long}\n"),
            format!("slug\n{long}\n"),
        ] {
            let error = lines(&text).remove(0).1.unwrap_err();
            assert!(error.len() < 600, "{} bytes", error.len());
        }
    }
}
