//! What a change of the settings means to a server that runs.

use super::serve::RELOADED;
use super::{Loaded, Values};

/// Whole paths of keys whose values are no longer what they were.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Taken over at once.
    pub applied: Vec<String>,
    /// Known only to a server that is started anew.
    pub needs_restart: Vec<String>,
}

/// What differs between what was read before and what was read now, other contexts apart. `fixed` are keys
/// of the section `serve` that the command line has set, whatever the file says.
#[must_use]
pub fn change(old: &Loaded, new: &Loaded, fixed: &[&str]) -> Change {
    let (mut change, context) = (Change::default(), format!("context.{}.", old.context));
    for path in differing(&old.values, &new.values) {
        let own = path.strip_prefix(&context);
        let Some(rest) = own.or_else(|| (!path.starts_with("context.")).then_some(&*path)) else { continue };
        match rest.strip_prefix("serve.") {
            Some(name) if fixed.contains(&name) => {}
            // TLS cannot begin or end on a port that is open.
            Some("tls_cert" | "tls_key") if [old, new].iter().any(|one| one.values.get(&path).is_none()) => {
                change.needs_restart.push(path);
            }
            Some(name) if RELOADED.contains(&name) => change.applied.push(path),
            _ => change.needs_restart.push(path),
        }
    }
    change
}

fn differing(old: &Values, new: &Values) -> Vec<String> {
    let mut paths: Vec<String> = old.paths().chain(new.paths()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    let text = |values: &Values, path: &str| values.get(path).map(|value| value.text.clone());
    paths.retain(|path| text(old, path) != text(new, path));
    paths
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::serve::KEYS;
    use super::super::{ContextName, Origin, document};
    use super::*;

    fn loaded(text: &str) -> Loaded {
        let mut values = Values::default();
        document::parse(Path::new("/etc/nexus/nexus.toml"), text, &mut values).unwrap();
        let context: ContextName = "eu".parse().unwrap();
        let (file, warnings, home) = (None, Vec::new(), None);
        Loaded { file, context, context_origin: Origin::Default, values, warnings, home }
    }

    #[test]
    fn what_cannot_change_while_it_runs_is_named() {
        let old = loaded("[context.eu.serve]\nbind = \"127.0.0.1:1\"\ntimeout_seconds = 3\nsessions = 4");
        let new = loaded(
            "[log]\nlevel = \"info\"\n[context.us.serve]\nsessions = 9\n[context.eu.control]\nhost = \"h\"\n\
             [context.eu.serve]\nbind = \"127.0.0.1:2\"\nsessions = 4\ncors_origins = \"https://a.example\"",
        );
        let expected = Change {
            applied: ["context.eu.serve.cors_origins", "context.eu.serve.timeout_seconds"]
                .map(str::to_owned)
                .to_vec(),
            needs_restart: ["context.eu.control.host", "context.eu.serve.bind", "log.level"]
                .map(str::to_owned)
                .to_vec(),
        };
        assert_eq!(change(&old, &new, &[]), expected);
        assert_eq!(change(&old, &new, &["bind"]).needs_restart.len(), 2);
        assert_eq!(change(&old, &old, &[]), Change::default());
    }

    #[test]
    fn every_key_that_is_taken_over_is_one() {
        assert!(RELOADED.iter().all(|name| KEYS.iter().any(|key| key.name == *name)));
    }
}
