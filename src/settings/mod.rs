//! What a person set: `nexus.toml`, contexts, the environment, references to secrets.
//!
//! Imports only the kernel. Every key is described once, in its section's `KEYS`; the file, the
//! environment, `nexus config show` and `docs/configuration.md` all follow from that.
//!
//! Start reading at [`Settings`] below, then [`key`] and [`values`].

use std::path::{Path, PathBuf};

pub mod context_name;
pub mod control;
pub mod document;
pub mod edit;
pub mod environment;
pub mod error;
pub mod events;
pub mod home;
mod issuer;
pub mod key;
pub mod keys;
pub mod local;
pub mod log;
pub mod mail;
pub mod migrations;
pub mod outbound;
pub mod passwords;
pub mod private;
pub mod reload;
pub mod secret_ref;
pub mod secret_setting;
pub mod serve;
pub mod server;
pub mod sources;
pub mod store;
pub mod telemetry;
pub mod tenants;
pub mod tokens;
pub mod trust;
pub mod values;

pub use context_name::ContextName;
pub use error::SettingsError;
pub use events::{EventSettings, NatsSettings};
pub use home::Home;
pub use keys::KeySettings;
pub use local::LocalSettings;
pub use log::{LogFormat, LogSettings};
pub use mail::{MailLogin, MailServerSettings, MailSettings, SmtpTls};
pub use migrations::MigrationSettings;
pub use outbound::OutboundSettings;
pub use passwords::PasswordSettings;
pub use secret_ref::{SecretError, SecretRef};
pub use secret_setting::{SecretSetting, SecretSettingError};
pub use serve::{ISSUER, ServeSettings};
pub use server::{ServerSettings, Tls};
pub use sources::{Flags, Sources};
pub use store::{StoreDriver, StoreSettings};
pub use telemetry::TelemetrySettings;
pub use tenants::TenantSettings;
pub use tokens::{LostAnswer, TokenSettings};
pub use trust::Distrust;
pub use values::{Origin, Values};

/// Everything that one run of Nexus needs to know, for one context.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The installation that is worked on.
    pub context: ContextName,
    /// Where Nexus keeps what it keeps on this machine.
    pub home: Home,
    /// What the context consists of.
    pub target: Target,
    /// Where the master key comes from.
    pub keys: KeySettings,
    /// Limits of tenants.
    pub tenants: TenantSettings,
    /// Where the files of migrations are.
    pub migrations: MigrationSettings,
    /// What access tokens say of themselves.
    pub tokens: TokenSettings,
    /// How passwords are kept.
    pub passwords: PasswordSettings,
    /// Where the API is served, and to whom.
    pub serve: ServeSettings,
    /// The server that mail is handed to, and whom it is from.
    pub mail: MailSettings,
    /// Where requests may go whose addresses tenants choose.
    pub outbound: OutboundSettings,
    /// What carries events.
    pub events: EventSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// What a context consists of.
#[derive(Debug, Clone)]
pub enum Target {
    /// The embedded stack: a private PostgreSQL and an S3 endpoint on this machine.
    Local(LocalSettings),
    /// Servers that somebody else runs.
    Servers(Box<ServersSettings>),
}

/// Servers that somebody else runs.
#[derive(Debug, Clone)]
pub struct ServersSettings {
    /// Where the control database is.
    pub control: ServerSettings,
    /// Where tenants' databases are placed.
    pub cluster: ServerSettings,
    /// Where tenants' buckets are placed.
    pub store: StoreSettings,
}

/// What was read, before a context is chosen from it: enough for commands that list contexts or
/// mend a broken one.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// The context in use: the flag, else `NEXUS_CONTEXT`, else `default_context`, else `local`.
    pub context: ContextName,
    /// Who chose that context.
    pub context_origin: Origin,
    /// Every value that was set.
    pub values: Values,
    /// Things that are odd but not wrong, one sentence each.
    pub warnings: Vec<String>,
    home: Option<Home>,
}

impl Loaded {
    /// Finds and reads the file, lays the environment over it, and checks every key and value.
    ///
    /// # Errors
    /// A file that cannot be read, that is not TOML, or that holds an unknown key or a value
    /// that its key cannot take.
    pub fn read(sources: &Sources) -> Result<Self, SettingsError> {
        let mut values = Values::default();
        let file = sources.find_file()?;
        if let Some(path) = &file {
            document::read(path, &mut values)?;
        }
        let warnings = environment::lay_over(&sources.variables, &mut values)?;
        let (context, context_origin) = choose_context(sources, &values)?;
        Ok(Self { file, context, context_origin, values, warnings, home: sources.home.clone() })
    }

    /// Reads as much as can be read, and tells all that is wrong instead of the first fault alone.
    /// `None` where what is wrong leaves it unclear what was meant: only unknown keys and variables
    /// can be passed over.
    #[must_use]
    pub fn examine(sources: &Sources) -> (Option<Self>, Vec<SettingsError>) {
        let mut values = Values::default();
        let (file, mut faults) = match sources.find_file() {
            Ok(Some(file)) => {
                let faults = document::examine(&file, &mut values);
                (Some(file), faults)
            }
            Ok(None) => (None, Vec::new()),
            Err(fault) => (None, vec![fault]),
        };
        let mut warnings = Vec::new();
        for (name, text) in &sources.variables {
            let one = std::iter::once((name.clone(), text.clone())).collect();
            match environment::lay_over(&one, &mut values) {
                Ok(odd) => warnings.extend(odd),
                Err(fault) => faults.push(fault),
            }
        }
        let unknown = |fault: &SettingsError| {
            matches!(fault, SettingsError::UnknownKey { .. } | SettingsError::UnknownVariable { .. })
        };
        let clear = faults.iter().all(unknown);
        match choose_context(sources, &values) {
            Err(fault) => {
                faults.push(fault);
                (None, faults)
            }
            Ok(_) if !clear => (None, faults),
            Ok((context, context_origin)) => {
                let home = sources.home.clone();
                (Some(Self { file, context, context_origin, values, warnings, home }), faults)
            }
        }
    }

    /// The names of all contexts, sorted; `local` is always among them.
    #[must_use]
    pub fn contexts(&self) -> Vec<ContextName> {
        let mut names = self.values.contexts();
        names.push(ContextName::local());
        names.sort();
        names.dedup();
        names
    }

    /// What is logged; known before a context is.
    #[must_use]
    pub fn log(&self) -> LogSettings {
        LogSettings::read(&self.values.section("log"))
    }

    /// Where traces go; known before a context is.
    #[must_use]
    pub fn telemetry(&self) -> TelemetrySettings {
        TelemetrySettings::read(&self.values.section("telemetry"))
    }

    /// The settings of the chosen context.
    ///
    /// # Errors
    /// When the context is not described, or lacks a key it must have; when the embedded stack's
    /// folder is not trusted.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let home = self.home()?.clone();
        let section = |name: &str| self.values.section(&format!("context.{}.{name}", self.context));
        let target = if self.context.is_local() {
            trust::check(home.path()).map_err(|reason| SettingsError::untrusted_home(&home, reason))?;
            for name in ["control", "cluster", "store"] {
                if let Some(key) = section(name).first() {
                    return Err(SettingsError::LocalIsEmbedded { key });
                }
            }
            Target::Local(LocalSettings::read(&self.values.section("local")))
        } else {
            if !self.contexts().contains(&self.context) {
                return Err(self.unknown_context(&self.context));
            }
            let control = control::read(&section("control"))?;
            let cluster = server::read_cluster(&section("cluster"), &control)?;
            let store = StoreSettings::read(&section("store"))?;
            for file in [&control.ca_file, &cluster.ca_file].into_iter().flatten() {
                check_certificates(file)?;
            }
            Target::Servers(Box::new(ServersSettings { control, cluster, store }))
        };
        let mail = MailSettings::read(&section("mail"))?;
        if let Some(file) = mail.server.as_ref().and_then(|server| server.ca_file.as_ref()) {
            check_certificates(file)?;
        }
        let events = EventSettings::read(&section("events"))?;
        if let Some(file) = events.nats.as_ref().and_then(|nats| nats.ca_file.as_ref()) {
            check_certificates(file)?;
        }
        Ok(Settings {
            keys: KeySettings::read(&section("keys"), &home, &self.context),
            tenants: TenantSettings::read(&section("tenants")),
            migrations: MigrationSettings::read(&self.values, self.context.as_str(), self.file.as_deref()),
            tokens: TokenSettings::read(&section("tokens"), self.context.is_local()),
            passwords: PasswordSettings::read(&section("passwords")),
            serve: ServeSettings::read(&section("serve")),
            mail,
            outbound: OutboundSettings::read(&section("outbound"), self.context.is_local()),
            events,
            log: self.log(),
            context: self.context.clone(),
            home,
            target,
        })
    }

    /// Where Nexus keeps what it keeps on this machine.
    ///
    /// # Errors
    /// When neither `NEXUS_HOME` nor `HOME` is set.
    pub fn home(&self) -> Result<&Home, SettingsError> {
        self.home.as_ref().ok_or(SettingsError::NoHome)
    }

    /// The file that a change of the settings goes to: the one that was read, else a new one in
    /// the user's config folder.
    ///
    /// # Errors
    /// When there is no file and no folder for one.
    pub fn file_to_edit(&self, sources: &Sources) -> Result<PathBuf, SettingsError> {
        let new = || sources.user_folder.as_deref().map(|folder: &Path| folder.join(sources::FILE_NAME));
        self.file.clone().or_else(new).ok_or(SettingsError::NoHome)
    }

    /// That a context is not described.
    #[must_use]
    pub fn unknown_context(&self, name: &ContextName) -> SettingsError {
        let known = self.contexts().iter().map(ToString::to_string).collect();
        SettingsError::UnknownContext { name: name.to_string(), known, file: self.file.clone() }
    }
}

/// Whoever writes such a file says which server is the right one.
fn check_certificates(file: &Path) -> Result<(), SettingsError> {
    let untrusted =
        |reason| SettingsError::Untrusted { what: "certificate file", path: file.to_owned(), reason };
    trust::check(file).map_err(untrusted)
}

fn choose_context(sources: &Sources, values: &Values) -> Result<(ContextName, Origin), SettingsError> {
    let (text, origin) = if let Some(name) = &sources.flags.context {
        (name.clone(), Origin::Flag("--context"))
    } else if let Some(name) = sources.variable("NEXUS_CONTEXT") {
        (name.to_owned(), Origin::Environment("NEXUS_CONTEXT".to_owned()))
    } else if let Some(value) = values.get("default_context") {
        (value.text.clone(), value.origin.clone())
    } else {
        return Ok((ContextName::local(), Origin::Default));
    };
    let name = text.parse().map_err(|reason| SettingsError::ContextName { name: text, reason })?;
    Ok((name, origin))
}
