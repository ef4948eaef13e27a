//! Lays `NEXUS_…` variables over the file: any key can be set there.
//!
//! A variable that looks like a key's and is none is an error: a slip in it would silently leave
//! the file's value in force. Any other unknown `NEXUS_…` variable may belong to other software
//! and only warns, and only where it is near to one of ours.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::SettingsError;
use super::key::{Kind, PLAIN_VARIABLES, SECTIONS, variable};
use super::migrations;
use super::telemetry;
use super::values::{Origin, Values};
use crate::kernel::suggest;

/// The beginnings of variables that stand for keys.
const FAMILIES: [&str; 4] = ["NEXUS_CONTEXT_", "NEXUS_LOCAL_", "NEXUS_LOG_", "NEXUS_TELEMETRY_"];

/// Takes the values of all variables that stand for keys; returns warnings about odd ones.
///
/// # Errors
/// A variable that looks like a key's and is none, or a value that its key cannot take.
pub fn lay_over(
    variables: &BTreeMap<String, String>,
    values: &mut Values,
) -> Result<Vec<String>, SettingsError> {
    let here = std::env::current_dir().unwrap_or_default();
    let mut warnings = Vec::new();
    if let Some(folder) = variables.get("NEXUS_PG_BIN") {
        let origin = Origin::Environment("NEXUS_PG_BIN".to_owned());
        values.set("local.postgres_bin".to_owned(), Kind::Path, folder, origin, &here)?;
    }
    for (name, path, is_secret) in telemetry::VARIABLES {
        if let Some(text) = variables.get(name) {
            let kind = if is_secret { Kind::Secret } else { Kind::Url };
            set(values, path.to_owned(), kind, name, text, &here)?;
        }
    }
    for (name, text) in variables {
        if let Some(path) = migrations::path_of(name) {
            set(values, path, Kind::Path, name, text, &here)?;
            continue;
        }
        if PLAIN_VARIABLES.iter().any(|(plain, _)| plain == name) {
            continue;
        }
        match key_of(name) {
            Some((path, kind)) => set(values, path, kind, name, text, &here)?,
            None if FAMILIES.iter().any(|family| name.starts_with(family)) => {
                return Err(SettingsError::UnknownVariable { name: name.clone(), nearest: nearest(name) });
            }
            None => warnings
                .extend(nearest(name).map(|near| format!("unknown variable {name}; did you mean {near}?"))),
        }
    }
    Ok(warnings)
}

/// Of a `NEXUS_…` variable that means nothing: the nearest that means something, if one is near.
/// `None` for a variable that does mean something.
#[must_use]
pub fn meaningless(name: &str) -> Option<Option<String>> {
    let plain = PLAIN_VARIABLES.iter().any(|(plain, _)| *plain == name);
    let known = plain || key_of(name).is_some() || migrations::path_of(name).is_some();
    (!known).then(|| nearest(name))
}

fn set(
    values: &mut Values,
    path: String,
    kind: Kind,
    name: &str,
    text: &str,
    here: &Path,
) -> Result<(), SettingsError> {
    values.set(path, kind, text, Origin::Environment(name.to_owned()), here)
}

/// The key that a variable stands for: its whole path and kind.
fn key_of(name: &str) -> Option<(String, Kind)> {
    for section in SECTIONS {
        for key in section.keys {
            let generic = section.full_path(key);
            let Some((before, after)) = generic.split_once("NAME") else {
                if variable(&generic) == name {
                    return Some((generic, key.kind));
                }
                continue;
            };
            let suffix = after.to_ascii_uppercase().replace('.', "_");
            let context = name.strip_prefix(&variable(before)).and_then(|rest| rest.strip_suffix(&suffix));
            let context = context.map(|text| text.to_ascii_lowercase().replace('_', "-"));
            if let Some(context) = context.and_then(|text| text.parse::<super::ContextName>().ok()) {
                return Some((format!("{before}{context}{after}"), key.kind));
            }
        }
    }
    None
}

/// The nearest variable that means something.
fn nearest(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('_').collect();
    let ours = PLAIN_VARIABLES.iter().filter(|(plain, _)| plain.starts_with("NEXUS_"));
    let mut known: Vec<String> = ours.map(|(plain, _)| (*plain).to_owned()).collect();
    for section in SECTIONS {
        for key in section.keys {
            let generic = variable(&section.full_path(key));
            if generic.contains("_NAME_") {
                // The context's name is taken from the variable itself, one part or two.
                for parts_of_name in 1..=2 {
                    if let Some(own) = parts.get(2..2 + parts_of_name) {
                        known.push(generic.replacen("NAME", &own.join("_"), 1));
                    }
                }
            } else {
                known.push(generic);
            }
        }
    }
    let tail = |text: &str| text.strip_prefix("NEXUS_").unwrap_or(text).to_owned();
    let tails: Vec<String> = known.iter().map(|text| tail(text)).collect();
    suggest::nearest(&tail(name), tails.iter().map(String::as_str)).map(|near| format!("NEXUS_{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(pairs: &[(&str, &str)]) -> Result<(Values, Vec<String>), String> {
        let mut values = Values::default();
        let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let warnings = lay_over(&variables, &mut values).map_err(|e| e.to_string())?;
        Ok((values, warnings))
    }

    #[test]
    fn any_key_can_be_set() {
        let pairs = [
            ("NEXUS_LOG_FORMAT", "json"),
            ("NEXUS_CONTEXT_EU_WEST_CONTROL_CA_FILE", "/ca.pem"),
            ("NEXUS_CONTEXT_PROD_TENANTS_CONNECTION_LIMIT", "7"),
        ];
        let (values, warnings) = laid(&pairs).unwrap();
        assert_eq!(values.get("log.format").unwrap().text, "json");
        assert_eq!(values.get("context.eu-west.control.ca_file").unwrap().text, "/ca.pem");
        assert_eq!(values.get("context.prod.tenants.connection_limit").unwrap().text, "7");
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_secret_in_the_place_of_another_value_is_not_repeated() {
        for name in ["NEXUS_LOCAL_S3_PORT", "NEXUS_LOG_FORMAT", "NEXUS_CONTEXT_PROD_CONTROL_TLS"] {
            let error = laid(&[(name, "Hunter2Sec")]).err().unwrap();
            assert!(error.contains(name) && !error.contains("Hunter2Sec"), "{error}");
        }
        assert!(laid(&[("NEXUS_LOCAL_S3_PORT", "70000")]).err().unwrap().contains("70000"));
    }

    #[test]
    fn a_slip_in_a_keys_variable_is_an_error_that_names_the_right_one() {
        assert_eq!(nearest("NEXUS_CONTEXT_PROD_CONTROL_HOTS").unwrap(), "NEXUS_CONTEXT_PROD_CONTROL_HOST");
        assert!(laid(&[("NEXUS_CONTEXT_PROD_CONTROL_HOTS", "x")]).is_err());
        assert!(laid(&[("NEXUS_LOG_FROMAT", "json")]).is_err());
    }

    #[test]
    fn other_softwares_variables_are_let_be_and_near_ones_warn() {
        assert!(laid(&[("NEXUS_USER", "me"), ("NEXUS_3_URL", "http://x")]).unwrap().1.is_empty());
        assert_eq!(laid(&[("NEXUS_HOEM", "/x")]).unwrap().1.len(), 1);
    }

    #[test]
    fn the_collector_can_be_named_by_the_standard_variable_and_by_our_own_over_it() {
        let standard = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let (values, warnings) = laid(&[standard]).unwrap();
        let endpoint = values.get("telemetry.endpoint").unwrap();
        assert_eq!(endpoint.text, "http://collector:4318");
        assert_eq!(endpoint.origin.to_string(), "env OTEL_EXPORTER_OTLP_ENDPOINT");
        assert!(warnings.is_empty());
        let (values, _) = laid(&[standard, ("NEXUS_TELEMETRY_ENDPOINT", "http://own:4318")]).unwrap();
        assert_eq!(values.get("telemetry.endpoint").unwrap().text, "http://own:4318");
        assert!(laid(&[("NEXUS_TELEMETRY_ENDPIONT", "http://own:4318")]).is_err());
    }

    #[test]
    fn a_secret_is_a_reference_here_too() {
        let error = laid(&[("NEXUS_CONTEXT_PROD_CONTROL_PASSWORD", "hunter2")]).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
