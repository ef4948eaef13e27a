//! The tenants that a file asks for.

use serde_json::{Map, Value};

use super::super::arguments::{self, Input};
use super::super::rows::{self, Cell, Fields, FromLine};
use super::super::text::InputError;
use crate::features::placement::PlacementRequest;
use crate::features::tenants::NewTenant;
use crate::kernel::label::Label;
use crate::kernel::slug::SlugError;
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
        let tenant = NewTenant { slug, name, admin_email: fields.parse("admin_email")?, labels };
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
