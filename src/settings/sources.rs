//! Where settings come from: flags, the environment, and the places where a file is looked for.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use super::error::SettingsError;
use super::home::Home;
use super::telemetry;
use super::values::Origin;

/// The settings file's name, wherever it lies.
pub const FILE_NAME: &str = "nexus.toml";

/// What the command line says about settings.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config FILE`
    pub config: Option<PathBuf>,
    /// `--context NAME`
    pub context: Option<String>,
}

/// Everything that settings are made from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What the command line says.
    pub flags: Flags,
    /// The environment's variables that are set to something: `NEXUS_…`, and those of OpenTelemetry that stand
    /// for a key; of one that is a secret a reference to it.
    pub variables: BTreeMap<String, String>,
    /// The user's config folder: `$XDG_CONFIG_HOME/nexus`, else `~/.config/nexus`.
    pub user_folder: Option<PathBuf>,
    /// The folder that Nexus keeps things under.
    pub home: Option<Home>,
}

impl Sources {
    /// Of this process.
    #[must_use]
    pub fn from_process(flags: Flags) -> Self {
        let variables = env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            if value.is_empty() {
                return None;
            }
            match telemetry::VARIABLES.iter().find(|(known, ..)| *known == name) {
                // What refers to the variable is kept, not the secret.
                Some((.., true)) => Some((name.clone(), format!("env:{name}"))),
                Some(_) => Some((name, value)),
                None => name.starts_with("NEXUS_").then_some((name, value)),
            }
        });
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
        Self {
            flags,
            variables: variables.collect(),
            user_folder: config.map(|folder| folder.join("nexus")),
            home: Home::from_env(),
        }
    }

    /// A variable that is set to something.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The settings file: the one that is named, else the first there is of the working
    /// directory's, the user's, the home's and `/etc/nexus`'s.
    ///
    /// # Errors
    /// A named file that is not there.
    pub fn find_file(&self) -> Result<Option<PathBuf>, SettingsError> {
        let named = match (&self.flags.config, self.variable("NEXUS_CONFIG")) {
            (Some(file), _) => Some((file.clone(), Origin::Flag("--config"))),
            (None, Some(file)) => Some((PathBuf::from(file), Origin::Environment("NEXUS_CONFIG".to_owned()))),
            (None, None) => None,
        };
        if let Some((file, origin)) = named {
            return if file.exists() { Ok(Some(file)) } else { Err(SettingsError::NoFile { file, origin }) };
        }
        let here = PathBuf::from(FILE_NAME);
        if here.exists() {
            return Ok(Some(std::path::absolute(&here).unwrap_or(here)));
        }
        let home = self.home.as_ref().map(|home| home.path().to_owned());
        let folders = [self.user_folder.clone(), home, Some(PathBuf::from("/etc/nexus"))];
        Ok(folders.into_iter().flatten().map(|folder| folder.join(FILE_NAME)).find(|file| file.exists()))
    }
}
