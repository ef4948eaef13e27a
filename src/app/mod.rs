//! Puts the parts together for one context: addresses, keys, services. No rule, no output.
//!
//! Start reading at [`App::open`].

mod addresses;
pub mod doctor;
mod keys;
mod objects;
mod realm;
mod tokens;

use std::sync::Arc;

use crate::features::fleet::{Fleet, Scope};
use crate::features::installation::{self, InstallationError, NewOperator, Setup, SetupOutcome};
use crate::features::local::LocalStack;
use crate::features::placement::Placement;
use crate::features::provisioning::{Provisioning, Worker};
use crate::features::secrets::Secrets;
use crate::infra::db::PgConnection;
use crate::kernel::{AnyFailure, Caller, Progress};
use crate::settings::{Settings, Target};

use addresses::Addresses;
pub use addresses::stack;
pub use objects::ObjectServer;

/// How long a person who completes a word waits for a server.
const COMPLETION_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(300);

/// A context that is set up and answers.
pub struct App {
    /// Makes tenants, takes them away, opens their credentials.
    pub provisioning: Provisioning,
    /// A connection to the control database.
    pub control: PgConnection,
}

impl App {
    /// Opens the context for a command that changes something or hands out credentials.
    ///
    /// # Errors
    /// As [`App::open_to_read`]; when the control database was restored from a backup and lacks what
    /// was changed or revoked since.
    pub async fn open(
        settings: &Settings,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<Self, AnyFailure> {
        let app = Self::open_to_read(settings, caller, progress).await?;
        app.provisioning.installation.age.require_current()?;
        Ok(app)
    }

    /// Opens the context, however old its control database is. The embedded stack is started, and set
    /// up, where it is not.
    ///
    /// # Errors
    /// When a server does not answer, the context is not set up, or the master key is not there.
    pub async fn open_to_read(
        settings: &Settings,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<Self, AnyFailure> {
        let addresses = Addresses::of(settings, progress).await?;
        match Self::attach(settings, &addresses).await {
            Err(failure) if matches!(settings.target, Target::Local(_)) && is_not_set_up(&failure) => {
                Self::set_up(settings, &addresses, caller, None, progress).await?;
                Self::attach(settings, &addresses).await
            }
            other => other,
        }
    }

    /// Opens the context for changing tenants. Both connections are made at the same time.
    pub async fn open_to_work(
        settings: &Settings,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<(Provisioning, Worker), AnyFailure> {
        let addresses = Addresses::of(settings, progress).await?;
        // On another thread: half of a login is the hashing of its password. A server that is not
        // Nexus's alone may have a budget of sessions, which must be asked first.
        let ahead = match &settings.target {
            Target::Local(_) => Some(addresses.cluster.get().await?.admin.clone()),
            Target::Servers(_) => None,
        };
        let admin = tokio::spawn(async move {
            match ahead {
                Some(server) => server.connect("nexus").await.ok(),
                None => None,
            }
        });
        let attached = Self::attach(settings, &addresses).await;
        let admin = admin.await.ok().flatten();
        let app = match attached {
            Ok(app) => app,
            Err(_) => Self::open(settings, caller, progress).await?,
        };
        app.provisioning.installation.age.require_current()?;
        let worker = app.provisioning.worker(app.control, admin).await?;
        Ok((app.provisioning, worker))
    }

    /// Goes on to change tenants.
    pub async fn begin_work(self) -> Result<(Provisioning, Worker), AnyFailure> {
        let worker = self.provisioning.worker(self.control, None).await?;
        Ok((self.provisioning, worker))
    }

    async fn attach(settings: &Settings, addresses: &Addresses) -> Result<Self, AnyFailure> {
        let connected = addresses.control.connect("nexus").await;
        let mut control = connected.map_err(|error| match error.state() {
            // 3D000: there is no such database.
            Some("3D000") => {
                AnyFailure::from(InstallationError::NotInitialised { server: addresses.control.display() })
            }
            _ => error.into(),
        })?;
        // Whether the context is set up is said before that its key is not there.
        let secrets = keys::master(&settings.keys).await.map(Secrets::new);
        let key = secrets.as_ref().ok().map(Secrets::record_key);
        let installation = installation::open(&mut control, &addresses.control, key).await?;
        let secrets = secrets?;
        let installation = installation.with_keys(&secrets);
        let placement =
            Placement::new(addresses.cluster.clone(), Arc::clone(&addresses.store), secrets.clone());
        let provisioning = Provisioning {
            control: addresses.control.clone(),
            placement,
            secrets,
            installation,
            invitation_ttl_hours: i64::try_from(settings.tenants.invitation_ttl.as_secs() / 3600)
                .unwrap_or(i64::MAX),
            retention_days: settings.tenants.retention_days,
            batch: None,
        };
        Ok(Self { provisioning, control })
    }

    /// Sets the context up: control database, keys, first operator, template.
    ///
    /// # Errors
    /// When it is set up already and current, or something that is needed refuses.
    pub async fn init(
        settings: &Settings,
        caller: &Caller,
        operator: Option<NewOperator>,
        progress: &dyn Progress,
    ) -> Result<SetupOutcome, AnyFailure> {
        let addresses = Addresses::of(settings, progress).await?;
        Self::set_up(settings, &addresses, caller, operator, progress).await
    }

    async fn set_up(
        settings: &Settings,
        addresses: &Addresses,
        caller: &Caller,
        operator: Option<NewOperator>,
        progress: &dyn Progress,
    ) -> Result<SetupOutcome, AnyFailure> {
        let secrets = Secrets::new(keys::master_or_new(&settings.keys, addresses, progress).await?);
        let cluster = addresses.cluster.get().await?;
        // Its token is not needed yet; who sets up learns now that it cannot be read.
        addresses.store.ready().await?;
        let setup = Setup { control: &addresses.control, cluster, secrets: &secrets, operator };
        Ok(setup.run(caller, progress).await?)
    }

    /// A connection to the control database if one is to be had at once; nothing is started.
    pub async fn open_for_completion(settings: &Settings) -> Option<CompletionSession> {
        let addresses = Addresses::if_running(settings).await?;
        let connecting = addresses.control.connect("nexus:completion");
        tokio::time::timeout(COMPLETION_TIMEOUT, connecting).await.ok()?.ok()
    }

    /// What migrates tenants.
    #[must_use]
    pub fn fleet(&self) -> Fleet {
        Fleet {
            control: self.provisioning.control.clone(),
            placement: self.provisioning.placement.clone(),
            installation: self.provisioning.installation,
        }
    }
}

/// A connection to the control database that was to be had at once.
pub type CompletionSession = PgConnection;

/// A part of an installation, and whether it is there.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Missing {
    pub what: &'static str,
    /// `there`, `missing` or `unreachable`.
    pub state: &'static str,
}

impl App {
    /// What [`App::init`] would find and make. Makes and starts nothing.
    pub async fn missing(settings: &Settings) -> Vec<Missing> {
        let key = match keys::master(&settings.keys).await {
            Ok(_) => "there",
            Err(_) => "missing",
        };
        let database = match Addresses::if_running(settings).await {
            None => "missing",
            Some(addresses) => match Self::attach(settings, &addresses).await {
                Ok(_) => "there",
                Err(failure) if is_not_set_up(&failure) || failure.code() == "master_key_missing" => {
                    "missing"
                }
                Err(_) => "unreachable",
            },
        };
        vec![
            Missing { what: "master key", state: key },
            Missing { what: "control database", state: database },
        ]
    }
}

/// What work inside tenants' databases stands on.
#[must_use]
pub fn reach(provisioning: &Provisioning) -> Scope<'_> {
    let Provisioning { placement, secrets, installation, .. } = provisioning;
    Scope { placement, secrets, installation }
}

/// The embedded stack of these settings.
///
/// # Errors
/// When the context is not `local`.
pub fn local_stack(settings: &Settings) -> Result<LocalStack, AnyFailure> {
    match &settings.target {
        Target::Local(local) => Ok(stack(settings, local)),
        Target::Servers(_) => Err(addresses::NotLocal(settings.context.to_string()).into()),
    }
}

fn is_not_set_up(failure: &AnyFailure) -> bool {
    matches!(failure.code(), "not_initialised" | "control_behind")
}
