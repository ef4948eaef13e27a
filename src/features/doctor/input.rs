//! The installation that is examined, as far as it could be found out.

use std::path::PathBuf;
use std::sync::Arc;

use crate::features::local::LocalStack;
use crate::features::placement::Cluster;
use crate::infra::crypto::MasterKey;
use crate::infra::db::ServerAddress;
use crate::infra::objects::ObjectStore;
use crate::kernel::{AnyFailure, SecretString};
use crate::settings::{Loaded, SecretRef, Settings, SettingsError, Sources};

/// A part, or why it could not be found out.
pub type Part<T> = Result<T, String>;

/// A secret that the settings refer to, and what came of looking for it.
pub struct TriedSecret {
    /// The key that refers to it, e.g. `context.prod.control.password`.
    pub key: String,
    /// The reference: where the secret lies.
    pub reference: SecretRef,
    pub result: Result<SecretString, AnyFailure>,
}

/// The installation that is examined.
pub struct DoctorInput {
    /// What the settings are made from.
    pub sources: Sources,
    /// The settings file that was found.
    pub file: Option<PathBuf>,
    /// What is set; `None` where what is wrong leaves it unclear.
    pub loaded: Option<Loaded>,
    /// All that is wrong with the file and the environment.
    pub faults: Vec<SettingsError>,
    /// The context's settings, or why there are none.
    pub settings: Result<Settings, Option<SettingsError>>,
    /// The secrets of the context.
    pub secrets: Vec<TriedSecret>,
    /// The embedded stack, where the context is that.
    pub stack: Option<LocalStack>,
    pub control: Part<ServerAddress>,
    /// The server that the settings name for tenants' databases.
    pub cluster: Part<Cluster>,
    /// The store that the settings name.
    pub store: Part<Arc<dyn ObjectStore>>,
    /// The master key, where it is not a file: what came of the reference.
    pub key: Option<Result<Arc<dyn MasterKey>, AnyFailure>>,
}
