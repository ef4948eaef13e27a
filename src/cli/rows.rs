//! Things that a file asks for, one in each line: CSV with a header, or JSON lines. Every line is checked
//! before anything is made.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::arguments::Input;
use super::text::{self, InputError, Lines, Most};
use crate::kernel::brief::brief;
use crate::kernel::suggest;

/// How a field is written in a cell of CSV that is not empty.
#[derive(Clone, Copy)]
pub(super) enum Cell {
    /// A text; the spaces around it are none of it.
    Words,
    /// A text as it is, e.g. a password.
    Exact,
    /// Texts with semicolons between them.
    List,
    /// In a way of its own.
    Parsed(fn(&str) -> Result<Value, String>),
}

impl Cell {
    fn read(self, cell: &str) -> Result<Value, String> {
        let words = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(Value::from);
        match self {
            Self::Words => Ok(words(cell).unwrap_or_default()),
            Self::Exact => Ok(cell.into()),
            Self::List => Ok(cell.split(';').filter_map(words).collect()),
            Self::Parsed(parse) => parse(cell),
        }
    }
}

/// A thing that a line asks for.
pub(super) trait FromLine: Sized {
    /// What it is, for messages.
    const WHAT: &'static str;
    /// The fields of a line. None lacks the first.
    const FIELDS: &'static [(&'static str, Cell)];

    /// Of what a line says.
    fn of(number: usize, fields: Fields) -> Result<Self, String>;

    /// What no two lines may share, and how messages name it.
    fn key(&self) -> (String, String);
}

/// What a line says, by its fields.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Takes the value of a field out; `None` where the line says nothing of it.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        let value = self.0.remove(name).unwrap_or_default();
        // The parser's message could quote a password.
        serde_json::from_value(value).map_err(|_| format!("field {name} is of the wrong kind"))
    }

    /// Takes a text out and parses it.
    pub(super) fn parse<T>(&mut self, name: &str) -> Result<Option<T>, String>
    where
        T: std::str::FromStr<Err: fmt::Display>,
    {
        let text = self.take::<String>(name)?;
        text.map(|text| text.parse()).transpose().map_err(|error: T::Err| error.to_string())
    }
}

/// Reads and checks every line of a file.
pub(super) fn read<T: FromLine>(input: &Input) -> Result<Vec<T>, InputError> {
    let what = T::WHAT;
    let (name, text) = text::read(input, Most::LINES)?;
    if text.trim().is_empty() {
        return Err(InputError::Blank { name, what });
    }
    let (mut things, mut wrong, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
    for (number, parsed) in parse::<T>(&text) {
        match parsed {
            Ok(thing) => {
                let (key, shown) = thing.key();
                if let Some(first) = seen.insert(key, number) {
                    wrong.push(format!("  line {number}: {shown} is on line {first} already"));
                }
                things.push(thing);
            }
            Err(reason) => wrong.push(format!("  line {number}: {reason}")),
        }
    }
    if !wrong.is_empty() {
        let count = wrong.len();
        wrong.truncate(20);
        return Err(InputError::Lines { name, what, count, shown: wrong });
    }
    if things.is_empty() { Err(InputError::Empty { name, what }) } else { Ok(things) }
}

/// Each line with its number, and what it asks for or what is wrong with it.
pub(super) fn parse<T: FromLine>(text: &str) -> Vec<(usize, Result<T, String>)> {
    let lines = match text.trim_start().chars().next() {
        Some('{') => json_lines(text, T::FIELDS),
        Some('[') => {
            let reason = "this is a JSON array, and JSON lines are expected: jq -c '.[]' converts it";
            vec![(1, Err(reason.to_owned()))]
        }
        _ => csv_lines(text, T::FIELDS).unwrap_or_else(|reason| vec![(1, Err(reason))]),
    };
    let thing = |(number, line): (usize, Result<Fields, String>)| {
        let thing = line.and_then(|fields| T::of(number, fields));
        (number, thing.map_err(|reason| brief(&reason).into_owned()))
    };
    lines.into_iter().map(thing).collect()
}

type Known = &'static [(&'static str, Cell)];
type Said = Vec<(usize, Result<Fields, String>)>;

fn near(unknown: &str, known: Known) -> String {
    let near = suggest::nearest(unknown, known.iter().map(|(name, _)| *name));
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

fn json_lines(text: &str, known: Known) -> Said {
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    filled.map(|(index, line)| (index + 1, json_line(line, known))).collect()
}

fn json_line(line: &str, known: Known) -> Result<Fields, String> {
    let object: Object = serde_json::from_str(line).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "it is not a JSON object".to_owned(),
        _ => format!("invalid JSON at column {}", error.column()),
    })?;
    let mut fields = Map::new();
    for (name, value) in object.0 {
        if !known.iter().any(|(field, _)| *field == name) {
            // Not repeated: what nobody knows could be a password.
            return Err(format!("a field is unknown{}", near(&brief(&name), known)));
        }
        if fields.contains_key(&name) {
            return Err(format!("field {name} is named twice"));
        }
        fields.insert(name, value);
    }
    match known.first().filter(|(first, _)| !fields.contains_key(*first)) {
        Some((first, _)) => Err(format!("it has no field {first}")),
        None => Ok(Fields(fields)),
    }
}

/// A JSON object with its fields as they stand there, one that is named twice included.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

fn csv_lines(text: &str, known: Known) -> Result<Said, String> {
    let mut lines = Lines::of(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut cells = Vec::new();
    for name in &header {
        let Some(field) = known.iter().find(|(field, _)| *field == name) else {
            let unknown = brief(name);
            return Err(format!("unknown field {unknown:?}{}", near(&unknown, known)));
        };
        cells.push(field);
    }
    if let Some((first, _)) = known.first().filter(|(first, _)| !header.iter().any(|name| name == *first)) {
        return Err(format!("the header has no field {first}"));
    }
    let record = |record: Result<csv::StringRecord, csv::Error>| match record {
        Ok(record) => (lines.line(record.position()), csv_line(&cells, &record)),
        Err(error) => {
            let number = lines.line(error.position());
            (number, Err("it does not have as many fields as the header".to_owned()))
        }
    };
    Ok(reader.records().map(record).collect())
}

/// What a record says. Of a field that the header names twice the first cell counts.
fn csv_line(cells: &[&(&'static str, Cell)], record: &csv::StringRecord) -> Result<Fields, String> {
    let mut fields = Map::new();
    for ((name, cell), text) in cells.iter().zip(record).filter(|(_, text)| !text.is_empty()) {
        if !fields.contains_key(*name) {
            fields.insert((*name).to_owned(), cell.read(text)?);
        }
    }
    Ok(Fields(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thing with a name that no two share, and a secret.
    #[derive(Debug, PartialEq)]
    struct Thing(String, Option<Vec<String>>, Option<String>);

    impl FromLine for Thing {
        const WHAT: &'static str = "thing";
        const FIELDS: &'static [(&'static str, Cell)] =
            &[("name", Cell::Words), ("parts", Cell::List), ("password", Cell::Exact)];

        fn of(_: usize, mut fields: Fields) -> Result<Self, String> {
            let name = fields.take::<String>("name")?.unwrap_or_default();
            if name.len() > 20 {
                return Err(format!("{name} is too long"));
            }
            Ok(Self(name, fields.take("parts")?, fields.take("password")?))
        }

        fn key(&self) -> (String, String) {
            (self.0.clone(), format!("thing {}", self.0))
        }
    }

    fn parsed(text: &str) -> Vec<(usize, Result<Thing, String>)> {
        parse(text)
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = parsed("name,parts,password\n a , x;; y , s \nb,,\n");
        let json = "{\"name\":\"a\",\"parts\":[\"x\",\"y\"],\"password\":\" s \"}\n{\"name\":\"b\"}";
        assert_eq!(csv[0].1, parsed(json)[0].1);
        assert_eq!(csv[1].1, Ok(Thing("b".to_owned(), None, None)));
        assert_eq!(parsed(json)[1], (2, Ok(Thing("b".to_owned(), None, None))));
    }

    #[test]
    fn a_wrong_line_has_its_number_and_says_what_is_wrong_and_repeats_no_password() {
        for (text, expected) in [
            ("name,part\na,x\n", (1, "unknown field \"part\"; did you mean parts?")),
            ("parts\nx\n", (1, "the header has no field name")),
            ("name,password\na,hunter2,x\n", (2, "it does not have as many fields as the header")),
            ("name,parts\r\na,x\r\n\r\nb\r\n", (4, "it does not have as many fields as the header")),
            ("{\"name\":\"a\",\"hunter2\":1}", (1, "a field is unknown")),
            ("{\"name\":\"a\",\"part\":1}", (1, "a field is unknown; did you mean parts?")),
            ("{\"name\":\"a\",\"name\":\"b\"}", (1, "field name is named twice")),
            ("{\"password\":\"hunter2\"}", (1, "it has no field name")),
            ("{\"name\":\"a\",\"password\":[\"hunter2\"]}", (1, "field password is of the wrong kind")),
            ("{\"name\":\"a\"}\n\n\"hunter2\"", (3, "it is not a JSON object")),
            ("{\"name\":\"a\"}\n{hunter2", (2, "invalid JSON at column 2")),
            (
                "[{\"name\":\"a\"}]",
                (1, "this is a JSON array, and JSON lines are expected: jq -c '.[]' converts it"),
            ),
        ] {
            let wrong = parsed(text).into_iter().find_map(|(number, it)| Some((number, it.err()?)));
            assert_eq!(wrong, Some((expected.0, expected.1.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_long_word_is_not_repeated_whole() {
        let long = "a".repeat(200_000);
        for text in [
            format!("name,{long}\na,x\n"),
            format!("name\n{long}\n"),
            format!("{{\"name\":\"{long}\"}}"),
            format!("{{\"name\":\"a\",\"{long}\":1}}"),
        ] {
            let error = parsed(&text).remove(0).1.unwrap_err();
            assert!(error.len() < 200, "{} bytes", error.len());
        }
    }
}
