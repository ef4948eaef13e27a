//! `[context.NAME.migrations]` and `NEXUS_MIGRATIONS_…`: where the files of sets are on this machine.

use std::path::{Path, PathBuf};

use super::key::{ANY, Default, Key, Kind};
use super::values::{Origin, Values};

pub(super) const KEYS: &[Key] = &[Key {
    name: ANY,
    kind: Kind::Path,
    default: Default::Words("the folder that the set was registered with"),
    help: "The folder of the files of the set of that name, on this machine.",
}];

/// What variables are called that name a set's folder, before the set's name in capitals.
pub(super) const VARIABLE: &str = "NEXUS_MIGRATIONS_";

/// Where the files of sets are on this machine.
#[derive(Debug, Clone, Default)]
pub struct MigrationSettings {
    values: Values,
    context: String,
    folder: Option<PathBuf>,
}

impl MigrationSettings {
    pub(super) fn read(values: &Values, context: &str, file: Option<&Path>) -> Self {
        let folder = file.and_then(Path::parent).map(|it| std::path::absolute(it).unwrap_or(it.to_owned()));
        Self { values: values.clone(), context: context.to_owned(), folder }
    }

    /// The folder of a set, and who says so: the variable, else the file.
    #[must_use]
    pub fn of(&self, set: &str) -> Option<(PathBuf, &Origin)> {
        let capitals = capitals(set);
        let context = format!("context.{}.migrations", self.context);
        let paths =
            [format!("migrations.{capitals}"), format!("{context}.{capitals}"), format!("{context}.{set}")];
        let value = paths.iter().find_map(|path| self.values.get(path))?;
        Some((PathBuf::from(&value.text), &value.origin))
    }

    /// The folder of the settings file, if there is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

/// The variable that names a set's folder.
#[must_use]
pub fn variable_of(set: &str) -> String {
    format!("{VARIABLE}{}", capitals(set))
}

fn capitals(set: &str) -> String {
    set.to_ascii_uppercase().replace('-', "_")
}

/// The place of a variable's value among the values, if it names a set's folder.
pub(super) fn path_of(variable: &str) -> Option<String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
    };
    if let Some(name) = variable.strip_prefix(VARIABLE) {
        return is_name(name).then(|| format!("migrations.{name}"));
    }
    let (context, name) = variable.strip_prefix("NEXUS_CONTEXT_")?.split_once("_MIGRATIONS_")?;
    let context: super::ContextName = context.to_ascii_lowercase().replace('_', "-").parse().ok()?;
    is_name(name).then(|| format!("context.{context}.migrations.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_goes_before_the_file() {
        let mut values = Values::default();
        let set = |values: &mut Values, path: &str, text: &str| {
            let origin = Origin::Default;
            values.set(path.to_owned(), Kind::Path, text, origin, Path::new("/srv")).unwrap();
        };
        set(&mut values, "context.eu.migrations.shop-eu", "db");
        let read =
            |values: &Values| MigrationSettings::read(values, "eu", Some(Path::new("/srv/nexus.toml")));
        assert_eq!(read(&values).of("shop-eu").unwrap().0, Path::new("/srv/db"));
        assert!(read(&values).of("shop").is_none());
        set(&mut values, &path_of("NEXUS_CONTEXT_EU_MIGRATIONS_SHOP_EU").unwrap(), "/a");
        assert_eq!(read(&values).of("shop-eu").unwrap().0, Path::new("/a"));
        set(&mut values, &path_of("NEXUS_MIGRATIONS_SHOP_EU").unwrap(), "/b");
        assert_eq!(read(&values).of("shop-eu").unwrap().0, Path::new("/b"));
        assert_eq!(read(&values).folder(), Some(Path::new("/srv")));
        assert_eq!(variable_of("shop-eu"), "NEXUS_MIGRATIONS_SHOP_EU");
        assert!(path_of("NEXUS_MIGRATIONS_").is_none() && path_of("NEXUS_CONTEXT_EU_STORE_X").is_none());
    }
}
