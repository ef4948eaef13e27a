//! Finds out what an installation consists of, for the doctor: as far as that can be told without
//! starting anything, and with the reason wherever it cannot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::addresses::{self, Addresses};
use crate::features::doctor::{self, DoctorInput, Only, Part, TriedSecret};
use crate::features::placement::Cluster;
use crate::infra::crypto::{LocalMasterKey, MasterKey};
use crate::infra::db::ServerAddress;
use crate::infra::objects::ObjectStore;
use crate::kernel::{AnyFailure, Caller, Failure, Report, SecretString};
use crate::settings::{
    Loaded, SecretRef, SecretSetting, ServerSettings, ServersSettings, Settings, Sources, Target,
};

/// How long a program may take to tell a secret.
const SECRET_PROGRAM_TIMEOUT: Duration = Duration::from_secs(3);
/// Why nothing is known of a context that is not clear.
const UNCLEAR: &str = "the settings are not valid";

/// A program that tells a secret took too long.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{0} did not answer within 3 s")]
#[failure(Unavailable, "secret_command_failed")]
struct Slow(String);

/// Examines the installation that these sources describe. Starts nothing, changes nothing.
///
/// # Errors
/// Where the caller may not.
pub async fn examine(sources: Sources, caller: &Caller, only: &Only) -> Result<Report, AnyFailure> {
    Ok(Box::pin(doctor::examine(input(sources).await, caller, only)).await?)
}

async fn input(sources: Sources) -> DoctorInput {
    let (loaded, faults) = Loaded::examine(&sources);
    let file = loaded.as_ref().map_or_else(
        || sources.find_file().ok().flatten().or_else(|| sources.flags.config.clone()),
        |loaded| loaded.file.clone(),
    );
    let settings = loaded.as_ref().map_or(Err(None), |loaded| loaded.settings().map_err(Some));
    let mut input = DoctorInput {
        sources,
        file,
        loaded,
        faults,
        settings,
        secrets: Vec::new(),
        stack: None,
        control: Err(UNCLEAR.to_owned()),
        cluster: Err(UNCLEAR.to_owned()),
        store: Err(UNCLEAR.to_owned()),
        key: None,
    };
    let Ok(settings) = input.settings.as_ref().map(Settings::clone) else { return input };
    match &settings.target {
        Target::Local(local) => {
            let stack = addresses::stack(&settings, local);
            let running = stack.running().map_err(|error| error.to_string());
            let running =
                running.and_then(|it| it.ok_or_else(|| "the embedded stack is not running".to_owned()));
            let found = running.map(|running| Addresses::of_stack(&settings, running));
            input.stack = Some(stack);
            input.take(found).await;
            input.secrets = tried(wanted(&settings, None)).await;
        }
        Target::Servers(servers) => {
            input.secrets = tried(wanted(&settings, Some(servers))).await;
            input.control = server(&input.secrets, &servers.control);
            let admin = server(&input.secrets, &servers.cluster);
            input.cluster = admin.map(|admin| addresses::cluster(&settings, admin));
            input.store = store(&input.secrets, servers);
        }
    }
    input.key = key(&input.secrets, &settings);
    input
}

impl DoctorInput {
    async fn take(&mut self, found: Part<Addresses>) {
        let (control, cluster, store): (Part<ServerAddress>, Part<Cluster>, Part<Arc<dyn ObjectStore>>) =
            match found {
                Ok(it) => {
                    let cluster = it.cluster.get().await.cloned().map_err(|error| error.to_string());
                    (Ok(it.control), cluster, Ok(it.store))
                }
                Err(why) => (Err(why.clone()), Err(why.clone()), Err(why)),
            };
        (self.control, self.cluster, self.store) = (control, cluster, store);
    }
}

/// The secrets that the context refers to, by the key that does. The master key, where it is a file,
/// is looked at in its own way.
fn wanted(settings: &Settings, servers: Option<&ServersSettings>) -> BTreeMap<String, SecretRef> {
    let servers = servers.into_iter().flat_map(|servers| {
        let control = servers.control.password.as_ref();
        let same = |it: &&SecretSetting| control.is_some_and(|control| control.reference == it.reference);
        let own = servers.cluster.password.as_ref().filter(|it| !same(it));
        [control, own, Some(&servers.store.admin_token)]
    });
    let master = Some(&settings.keys.master).filter(|it| !matches!(it.reference, SecretRef::File(_)));
    let all = servers.chain([master]).flatten();
    all.map(|setting| (setting.key.clone(), setting.reference.clone())).collect()
}

async fn tried(wanted: BTreeMap<String, SecretRef>) -> Vec<TriedSecret> {
    let tries = wanted.into_iter().map(async |(key, reference)| {
        let result = match tokio::time::timeout(SECRET_PROGRAM_TIMEOUT, reference.resolve()).await {
            Ok(result) => result.map_err(AnyFailure::from),
            Err(_) => Err(Slow(reference.to_string()).into()),
        };
        TriedSecret { key, reference, result }
    });
    futures_util::future::join_all(tries).await
}

fn secret(secrets: &[TriedSecret], reference: &SecretRef) -> Part<SecretString> {
    let tried = secrets.iter().find(|tried| tried.reference == *reference);
    match tried.map(|tried| (&tried.result, &tried.key)) {
        Some((Ok(secret), _)) => Ok(secret.clone()),
        Some((Err(_), key)) => Err(format!("{key} cannot be read")),
        None => Err(format!("{reference} was not checked")),
    }
}

fn server(secrets: &[TriedSecret], settings: &ServerSettings) -> Part<ServerAddress> {
    let password = match &settings.password {
        Some(setting) => secret(secrets, &setting.reference)?,
        None => SecretString::from(""),
    };
    Ok(addresses::address(settings, password))
}

fn store(secrets: &[TriedSecret], servers: &ServersSettings) -> Part<Arc<dyn ObjectStore>> {
    let token = secret(secrets, &servers.store.admin_token.reference)?;
    Ok(addresses::store(&servers.store, token))
}

/// The master key, where it is no file.
fn key(secrets: &[TriedSecret], settings: &Settings) -> Option<Result<Arc<dyn MasterKey>, AnyFailure>> {
    let reference = &settings.keys.master.reference;
    if matches!(reference, SecretRef::File(_)) {
        return None;
    }
    let text = secret(secrets, reference).ok()?;
    Some(match LocalMasterKey::from_text(&text, &reference.to_string()) {
        Ok(key) => Ok(Arc::new(key)),
        Err(error) => Err(error.into()),
    })
}
