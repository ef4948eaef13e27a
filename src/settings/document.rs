//! Reads `nexus.toml`: walks what it holds, and checks every key and value as it goes.

use std::io::{self, Read};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Expected, SETTINGS_FILE, SettingsError};
use super::key::{Kind, SECTIONS};
use super::secret_ref::SecretRefError;
use super::trust::{self, Distrust};
use super::values::{self, Origin, Values};
use crate::kernel::suggest;

/// Most bytes of a settings file; more is a mistake.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file into `values`.
///
/// # Errors
/// A file that cannot be read, is not TOML, or holds an unknown key or a wrong value. No message
/// repeats what the file says in a place where a secret could stand.
pub fn read(path: &Path, values: &mut Values) -> Result<(), SettingsError> {
    parse(path, &text_of(path)?, values)
}

/// Reads what can be read of a file into `values`; all that is wrong with it.
pub fn examine(path: &Path, values: &mut Values) -> Vec<SettingsError> {
    let faults = text_of(path).and_then(|text| walk(path, &text, values));
    faults.unwrap_or_else(|fault| vec![fault])
}

/// The text of a settings file that nobody else can change: it may name programs to run (`cmd:`).
pub(super) fn text_of(path: &Path) -> Result<String, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { file: path.to_owned(), source };
    let not_settings = || SettingsError::NotSettings { file: path.to_owned() };
    let file = match trust::open(path).map_err(Distrust::into_io) {
        Ok(file) => file,
        Err(Ok(source)) if source.kind() == io::ErrorKind::InvalidInput => return Err(not_settings()),
        Err(Ok(source)) => return Err(unreadable(source)),
        Err(Err(reason)) => {
            return Err(SettingsError::Untrusted { what: SETTINGS_FILE, path: path.to_owned(), reason });
        }
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_BYTES { Err(not_settings()) } else { Ok(text) }
}

pub(super) fn parse(path: &Path, text: &str, values: &mut Values) -> Result<(), SettingsError> {
    walk(path, text, values)?.into_iter().next().map_or(Ok(()), Err)
}

/// Takes every value that is right; the faults of all others, in the order of the file's tables.
fn walk(path: &Path, text: &str, values: &mut Values) -> Result<Vec<SettingsError>, SettingsError> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
        file: path.to_owned(),
        line: lines.of(error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    })?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let mut faults = Vec::new();
    Walk { path, lines, folder: &folder }.table(&mut Vec::new(), table.get_ref(), values, &mut faults);
    Ok(faults)
}

/// Where each line of a text ends.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    fn of(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}

struct Walk<'a> {
    path: &'a Path,
    lines: Lines,
    folder: &'a Path,
}

impl Walk<'_> {
    fn table(
        &self,
        at: &mut Vec<String>,
        table: &DeTable<'_>,
        values: &mut Values,
        faults: &mut Vec<SettingsError>,
    ) {
        for (key, value) in table {
            let origin = Origin::File(self.path.to_owned(), self.lines.of(key.span().start));
            at.push(key.get_ref().to_string());
            if at.len() == 2 && at[0] == "context" && at[1].parse::<super::ContextName>().is_err() {
                let reason = super::context_name::ContextNameError;
                faults.push(SettingsError::ContextName { name: at[1].clone(), reason });
            } else if let Err(fault) = self.entry(at, value, origin, values, faults) {
                faults.push(fault);
            }
            at.pop();
        }
    }

    fn entry(
        &self,
        at: &mut Vec<String>,
        value: &Spanned<DeValue<'_>>,
        origin: Origin,
        values: &mut Values,
        faults: &mut Vec<SettingsError>,
    ) -> Result<(), SettingsError> {
        let path = at.join(".");
        if let DeValue::Table(inner) = value.get_ref() {
            if values::describe(&path).is_some() {
                let expected = Expected::Words("one value, not a table".to_owned());
                return Err(SettingsError::Value { key: path, shown: None, expected, origin });
            }
            if !children(at).is_empty() {
                self.table(at, inner, values, faults);
                return Ok(());
            }
        } else if let Some((_, key)) = values::describe(&path) {
            let Some(text) = scalar(value.get_ref(), key.kind) else {
                let expected = match key.kind {
                    Kind::Secret => Expected::Secret(SecretRefError::Literal),
                    _ => Expected::Words("a text in quotes".to_owned()),
                };
                return Err(SettingsError::Value { key: path, shown: None, expected, origin });
            };
            return values.set(path, key.kind, &text, origin, self.folder);
        }
        if path == "context" {
            return Err(SettingsError::ContextIsATable { origin });
        }
        if !children(at).is_empty() {
            let expected = Expected::Words("a table of keys, not one value".to_owned());
            return Err(SettingsError::Value { key: path, shown: None, expected, origin });
        }
        Err(unknown(at, path, origin))
    }
}

fn unknown(at: &[String], key: String, origin: Origin) -> SettingsError {
    let (name, parent) = at.split_last().map_or(("", at), |(name, parent)| (name.as_str(), parent));
    let siblings = children(parent);
    let nearest = suggest::nearest(name, siblings.iter().copied());
    let nearest = nearest.map(|near| [&parent.join("."), near].join(".").trim_start_matches('.').to_owned());
    let below_a_context = || {
        let of_contexts = children(&["context".to_owned(), "NAME".to_owned()]);
        (parent.is_empty() && of_contexts.contains(&name)).then(|| format!("context.NAME.{name}"))
    };
    let nearest = nearest.or_else(below_a_context);
    let known = siblings.iter().map(|sibling| (*sibling).to_owned()).collect();
    SettingsError::UnknownKey { key, origin, nearest, known }
}

/// The names that may stand in the table at this path.
fn children(at: &[String]) -> Vec<&'static str> {
    // Any name may stand for a context's; what stands below it does not depend on it.
    let generic = |(index, part): (usize, &String)| match index {
        1 if at[0] == "context" => "NAME".to_owned(),
        _ => part.clone(),
    };
    let prefix: Vec<_> = at.iter().enumerate().map(generic).collect();
    let mut names = Vec::new();
    for section in SECTIONS {
        for key in section.keys {
            let full: Vec<&str> =
                section.path.split('.').filter(|part| !part.is_empty()).chain([key.name]).collect();
            if full.len() > prefix.len() && prefix.iter().zip(&full).all(|(a, b)| a == b) {
                names.push(full[prefix.len()]);
            }
        }
    }
    names.dedup();
    names
}

/// A value as text, where its kind can take that sort of value.
fn scalar(value: &DeValue<'_>, kind: Kind) -> Option<String> {
    match (value, kind) {
        (DeValue::String(text), _) => Some(text.to_string()),
        (DeValue::Integer(number), Kind::Number(..)) if number.radix() == 10 => {
            Some(number.as_str().to_owned())
        }
        // Wrong for its key, which says so itself and may repeat it.
        (DeValue::Float(number), Kind::Number(..)) => Some(number.as_str().to_owned()),
        (DeValue::Boolean(word), Kind::Number(..) | Kind::Word(_)) => Some(word.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Values, String> {
        let mut values = Values::default();
        parse(Path::new("/etc/nexus/nexus.toml"), text, &mut values).map_err(|e| e.to_string())?;
        Ok(values)
    }

    #[test]
    fn a_value_knows_its_line_and_a_relative_path_its_folder() {
        let values =
            parsed("[log]\nlevel = \"debug\"\n\n[context.eu.control]\nca_file = \"ca.pem\"\n").unwrap();
        assert_eq!(values.get("log.level").unwrap().origin.to_string(), "/etc/nexus/nexus.toml:2");
        assert_eq!(values.get("context.eu.control.ca_file").unwrap().text, "/etc/nexus/ca.pem");
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands() {
        for text in ["contxt = 1", "[lgo]\n", "[log]\nlevle = \"x\"", "[context.a.controll]\nhost = \"h\""] {
            assert!(parsed(text).unwrap_err().contains("unknown"), "{text}");
        }
    }

    #[test]
    fn a_literal_secret_is_refused_and_not_repeated() {
        for text in [
            "[context.a.control]\npassword = \"hunter2\"",
            "[context.a.control]\npassword = 4711",
            "[context.a.control]\npassword = \"hunter2",
            "[context.a.control]\nhost = \"postgres://me:hunter2@db\"",
            "[context.a.store]\nendpoint = \"https://me:hunter2@s3\"",
        ] {
            let error = parsed(text).unwrap_err();
            assert!(!error.contains("hunter2") && !error.contains("4711"), "{error}");
        }
    }
}
