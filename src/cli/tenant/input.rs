//! The tenants that a file asks for: CSV with a header, or JSON lines. Every line is checked
//! before anything is made.

use serde::Deserialize;

use super::super::arguments::{self, Input};
use super::super::text::{self, InputError, Lines, Most};
use crate::features::placement::PlacementRequest;
use crate::features::tenants::NewTenant;
use crate::kernel::brief::brief;
use crate::kernel::label::Label;
use crate::kernel::slug::SlugError;
use crate::kernel::{Labels, PlaceName, Slug, suggest};

/// The fields of a line.
const FIELDS: [&str; 6] = ["slug", "name", "admin_email", "labels", "cluster", "store"];

/// One tenant, and the line that asks for it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) tenant: NewTenant,
    pub(super) wish: PlacementRequest,
}

/// Reads and checks every line.
pub(super) fn read(input: &Input) -> Result<Vec<Line>, InputError> {
    let (name, text) = text::read(input, Most::LINES)?;
    if text.trim().is_empty() {
        return Err(InputError::Blank { name, what: "tenant" });
    }
    let parsed = if text.trim_start().starts_with('{') { json_lines(&text) } else { csv_lines(&text) };
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (number, result) in parsed {
        match result {
            Ok((tenant, wish)) => lines.push(Line { number, tenant, wish }),
            Err(reason) => wrong.push(format!("  line {number}: {reason}")),
        }
    }
    let mut seen = std::collections::HashMap::new();
    for line in &lines {
        if let Some(first) = seen.insert(line.tenant.slug.clone(), line.number) {
            wrong.push(format!(
                "  line {}: slug {} is on line {first} already",
                line.number, line.tenant.slug
            ));
        }
    }
    if !wrong.is_empty() {
        let count = wrong.len();
        wrong.truncate(20);
        return Err(InputError::Lines { name, what: "tenant", count, shown: wrong });
    }
    if lines.is_empty() { Err(InputError::Empty { name, what: "tenant" }) } else { Ok(lines) }
}

type Parsed = Vec<(usize, Result<(NewTenant, PlacementRequest), String>)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    slug: String,
    name: Option<String>,
    admin_email: Option<String>,
    #[serde(default)]
    labels: Labels,
    cluster: Option<String>,
    store: Option<String>,
}

fn json_lines(text: &str) -> Parsed {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let parsed = serde_json::from_str::<JsonLine>(line).map_err(|error| error.to_string());
            let line = parsed.and_then(|it| {
                let wish = wish(it.cluster, it.store)?;
                let labels = it.labels.into_iter().collect();
                Ok((tenant(&it.slug, it.name, it.admin_email, labels)?, wish))
            });
            (index + 1, line.map_err(|reason| brief(&reason).into_owned()))
        })
        .collect()
}

fn csv_lines(text: &str) -> Parsed {
    let mut lines = Lines::of(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return vec![(1, Err(error.to_string()))],
    };
    if let Some(unknown) = header.iter().find(|field| !FIELDS.contains(field)) {
        let unknown = brief(unknown);
        let near = suggest::nearest(&unknown, FIELDS)
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        return vec![(1, Err(format!("unknown field {unknown:?}{near}")))];
    }
    let column = |name: &str| header.iter().position(|field| field == name);
    let Some(slug) = column("slug") else { return vec![(1, Err("the header has no field slug".to_owned()))] };
    let (name, email, labels) = (column("name"), column("admin_email"), column("labels"));
    reader
        .records()
        .map(|record| {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let number = lines.line(error.position());
                    return (number, Err("it does not have as many fields as the header".to_owned()));
                }
            };
            let number = lines.line(record.position());
            let field = |index: Option<usize>| {
                index.and_then(|index| record.get(index)).filter(|text| !text.is_empty()).map(str::to_owned)
            };
            let pairs: Result<Vec<(String, String)>, String> = field(labels)
                .unwrap_or_default()
                .split(';')
                .filter(|pair| !pair.trim().is_empty())
                .map(|pair| {
                    pair.trim()
                        .parse::<Label>()
                        .map(|label| (label.key, label.value))
                        .map_err(|e| e.to_string())
                })
                .collect();
            let slug = record.get(slug).unwrap_or_default();
            let line = pairs.and_then(|pairs| {
                let wish = wish(field(column("cluster")), field(column("store")))?;
                Ok((tenant(slug, field(name), field(email), pairs)?, wish))
            });
            (number, line.map_err(|reason| brief(&reason).into_owned()))
        })
        .collect()
}

fn wish(cluster: Option<String>, store: Option<String>) -> Result<PlacementRequest, String> {
    for name in [&cluster, &store].into_iter().flatten() {
        name.parse::<PlaceName>().map_err(|error| error.to_string())?;
    }
    Ok(PlacementRequest { cluster, store, labels: Labels::new() })
}

fn tenant(
    slug: &str,
    name: Option<String>,
    admin_email: Option<String>,
    labels: Vec<(String, String)>,
) -> Result<NewTenant, String> {
    let slug: Slug = slug.parse().map_err(|error: SlugError| match Slug::suggest(slug) {
        Some(near) => format!("{error}; did you mean {near}?"),
        None => error.to_string(),
    })?;
    let name = name.map(|name| arguments::display_name(&name)).transpose()?;
    let admin_email = admin_email.map(|text| text.parse()).transpose();
    let admin_email = admin_email.map_err(|error: crate::kernel::email::EmailError| error.to_string())?;
    let checked =
        labels.into_iter().map(|(key, value)| Label::new(&key, &value).map(|label| (label.key, label.value)));
    let labels = checked.collect::<Result<Labels, _>>().map_err(|error| error.to_string())?;
    Ok(NewTenant { slug, name, admin_email, labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let from_csv = csv_lines("slug,name,labels\nacme,Acme Ltd,plan=gold;region=eu\n");
        let from_json =
            json_lines(r#"{"slug":"acme","name":"Acme Ltd","labels":{"plan":"gold","region":"eu"}}"#);
        assert_eq!(from_csv[0].1, from_json[0].1);
        assert_eq!(from_csv[0].1.as_ref().unwrap().0.labels.len(), 2);
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong_and_what_is_near() {
        assert_eq!(
            csv_lines("slug,nmae\nacme,x\n")[0].1,
            Err("unknown field \"nmae\"; did you mean name?".to_owned())
        );
        let wrong = csv_lines("slug\nAcme\n");
        assert_eq!(wrong[0].0, 2);
        assert!(wrong[0].1.as_ref().unwrap_err().ends_with("did you mean acme?"));
        assert!(json_lines("{\"slug\":\"acme\",\"colour\":1}")[0].1.is_err());
    }

    #[test]
    fn a_wrong_line_of_a_file_from_windows_has_its_number() {
        let lines = csv_lines("slug,name\r\nacme,Acme\r\nbirch,Birch\r\nCedar,Cedar\r\ndove\r\n");
        let wrong: Vec<_> = lines.iter().filter(|it| it.1.is_err()).map(|it| it.0).collect();
        assert_eq!(wrong, [4, 5]);
    }

    #[test]
    fn a_long_word_is_not_repeated_whole() {
        let long = "a".repeat(200_000);
        for parsed in [
            csv_lines(&format!("slug,{long}\nacme,x\n")),
            csv_lines(&format!("slug,labels\nacme,{long}\n")),
            csv_lines(&format!("slug,labels\nacme,{long}={long}\n")),
            csv_lines(&format!("slug,cluster\nacme,{long}\n")),
            csv_lines(&format!("slug,admin_email\nacme,{long}\n")),
            csv_lines(&format!("slug\n{long}\n")),
            json_lines(&format!("{{\"slug\":\"acme\",\"{long}\":1}}")),
        ] {
            let error = parsed[0].1.as_ref().unwrap_err();
            assert!(error.len() < 600, "{} bytes", error.len());
        }
    }
}
