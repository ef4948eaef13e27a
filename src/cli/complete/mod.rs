//! Completion of what is typed: the grammar, and the names of things that exist.
//!
//! A shell's script calls `nexus` with `NEXUS_COMPLETE` set and the words so far. Whatever goes
//! wrong on the way to a name, the answer is to offer none: a person is typing.

mod line;
mod shells;

use std::ffi::OsStr;
use std::time::Duration;

use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

pub(super) use self::shells::{Bash, Powershell, Quoting};
use super::usage;
use crate::app::{App, CompletionSession, scheduled};
use crate::features::events::EventType;
use crate::features::iam::model::{UserFilter, UserSort};
use crate::features::iam::{IamError, Realm, custom_fields, groups, permissions, roles, users};
use crate::features::jobs::{self, JobFilter};
use crate::features::messages;
use crate::features::migrations;
use crate::features::placement::{self, PlacementError};
use crate::features::provisioning::{OperationFilter, OperationView};
use crate::features::tenants::{self, TenantRef};
use crate::features::webhooks;
use crate::kernel::{Caller, Page, Total};
use crate::settings::{Flags, Loaded, Sources};

/// The variable that asks for completion. It names the shell.
pub const VARIABLE: &str = "NEXUS_COMPLETE";
/// How long names may take to come; later than this nobody waits for them.
const LIMIT: Duration = Duration::from_millis(400);
/// Most names that are offered.
pub const MOST: usize = 200;

/// Answers a shell that asks for completion; whether one did.
#[must_use]
pub fn answer() -> bool {
    let Some(shell) = std::env::var_os(VARIABLE) else { return false };
    shells::read_line(&shell.to_string_lossy());
    let here = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(super::grammar).var(VARIABLE).shells(shells::SHELLS);
    asked.try_complete(std::env::args_os(), here.as_deref()).unwrap_or(true)
}

/// Completes the names of contexts.
#[must_use]
pub fn contexts() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = loaded().map(|loaded| loaded.contexts()).unwrap_or_default();
        candidates(typed, names.iter().map(ToString::to_string))
    })
}

/// Completes the slugs of tenants.
#[must_use]
pub fn tenants() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let (Some(prefix), Some(loaded)) = (typed.to_str(), loaded()) else { return Vec::new() };
        candidates(typed, waiting(tenant_slugs(&loaded, prefix)))
    })
}

/// Completes the names of servers for tenants.
#[must_use]
pub fn clusters() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let Some(loaded) = loaded() else { return Vec::new() };
        candidates(typed, waiting(places(&loaded, placement::cluster_names)))
    })
}

/// Completes the names of object stores.
#[must_use]
pub fn stores() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let Some(loaded) = loaded() else { return Vec::new() };
        candidates(typed, waiting(places(&loaded, placement::store_names)))
    })
}

/// Completes the names of roles in the realm that the command is for.
#[must_use]
pub fn roles() -> ArgValueCompleter {
    in_realm(async |realm, _| {
        let roles = roles::list(realm, &Caller::System).await?;
        Ok(roles.into_iter().map(|role| role.name).collect())
    })
}

/// Completes the names of groups in the realm that the command is for.
#[must_use]
pub fn groups() -> ArgValueCompleter {
    in_realm(async |realm, _| {
        let groups = groups::list(realm, &Caller::System).await?;
        Ok(groups.into_iter().map(|group| group.name).collect())
    })
}

/// Completes the names of custom fields in the realm that the command is for, of what `--of` names.
#[must_use]
pub fn custom_fields() -> ArgValueCompleter {
    in_realm(async |realm, _| {
        let of = usage::flag_value(shells::words(), "--of");
        let mut all = custom_fields::list(realm, &Caller::System).await?;
        all.retain(|field| of.as_ref().is_none_or(|of| of == field.applies_to.as_str()));
        Ok(all.into_iter().map(|field| field.name).collect())
    })
}

/// Completes permissions of the realm that the command is for.
#[must_use]
pub fn permissions() -> ArgValueCompleter {
    in_realm(async |realm, _| {
        let all = permissions::list(realm, &Caller::System).await?;
        Ok(all.into_iter().map(|permission| permission.name).collect())
    })
}

/// Completes the e-mail addresses of users of the realm that the command is for.
#[must_use]
pub fn users() -> ArgValueCompleter {
    in_realm(async |realm, prefix| {
        let filter = UserFilter { search: Some(prefix), ..UserFilter::default() };
        let page = Page { page: 1, limit: u32::try_from(MOST).unwrap_or(u32::MAX) };
        let sort = (UserSort::Email, false);
        let (found, _) = users::list(realm, &Caller::System, &filter, sort, (page, Total::Exact)).await?;
        Ok(found.into_iter().map(|user| user.email).collect())
    })
}

/// Completes what tenants can be selected by.
#[must_use]
pub fn selectors() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let text = typed.to_string_lossy();
        let before = text.rfind(',').map_or("", |comma| &text[..=comma]);
        let keys = tenants::SELECTOR_KEYS.iter().map(|key| format!("{before}{key}="));
        candidates(typed, keys.chain([format!("{before}label.")]))
    })
}

/// Names in the realm that `--tenant` names, or the platform's.
fn in_realm(
    names: impl AsyncFn(&mut Realm, String) -> Result<Vec<String>, IamError> + Send + Sync + 'static,
) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let (Some(prefix), Some(loaded)) = (typed.to_str(), loaded()) else { return Vec::new() };
        let words = shells::words();
        let tenant = usage::flag_value(words, "--tenant").or_else(|| usage::flag_value(words, "-t"));
        let Ok(tenant) = tenant.map(|text| text.parse::<TenantRef>()).transpose() else { return Vec::new() };
        let found = async {
            let Ok(settings) = loaded.settings() else { return Vec::new() };
            let Some(mut realm) = App::open_realm_for_completion(&settings, tenant.as_ref()).await else {
                return Vec::new();
            };
            names(&mut realm, prefix.to_owned()).await.unwrap_or_default()
        };
        candidates(typed, waiting(found))
    })
}

/// The names of places of a kind.
async fn places(
    loaded: &Loaded,
    names: impl AsyncFnOnce(&mut CompletionSession, &Caller) -> Result<Vec<String>, PlacementError>,
) -> Vec<String> {
    let Ok(settings) = loaded.settings() else { return Vec::new() };
    let Some(mut control) = App::open_for_completion(&settings).await else { return Vec::new() };
    names(&mut control, &Caller::System).await.unwrap_or_default()
}

/// Completes the names of sets of migrations.
#[must_use]
pub fn migration_sets() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let Some(loaded) = loaded() else { return Vec::new() };
        candidates(typed, waiting(set_names(&loaded)))
    })
}

/// Completes the ids of operations that are not done.
#[must_use]
pub fn operations() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let (Some(prefix), Some(loaded)) = (typed.to_str(), loaded()) else { return Vec::new() };
        candidates(typed, waiting(operation_ids(&loaded, prefix)))
    })
}

/// Completes the ids of jobs.
#[must_use]
pub fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let (Some(prefix), Some(loaded)) = (typed.to_str(), loaded()) else { return Vec::new() };
        candidates(typed, waiting(job_ids(&loaded, prefix)))
    })
}

/// Completes the kinds of jobs.
#[must_use]
pub fn job_kinds() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        candidates(
            typed,
            [
                &messages::SEND,
                &messages::NOTIFY,
                &webhooks::DELIVER,
                &scheduled::FILL_POOLS,
                &scheduled::PURGE_DUE,
            ]
            .map(|kind| kind.name.to_owned()),
        )
    })
}

/// Completes the ids of the webhooks of the tenant that the command is for.
#[must_use]
pub fn webhooks() -> ArgValueCompleter {
    in_realm(async |realm, prefix| {
        let found = webhooks::list(realm, &Caller::System).await.unwrap_or_default();
        Ok(found.into_iter().map(|it| it.id.to_string()).filter(|id| id.starts_with(&prefix)).collect())
    })
}

/// Completes the types of events that Nexus publishes.
#[must_use]
pub fn event_types() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        candidates(typed, EventType::all().iter().map(|known| known.name.to_owned()))
    })
}

/// The slugs that begin with `prefix`, at most [`MOST`]. Starts nothing that is not running.
async fn tenant_slugs(loaded: &Loaded, prefix: &str) -> Vec<String> {
    let Ok(settings) = loaded.settings() else { return Vec::new() };
    let Some(mut control) = App::open_for_completion(&settings).await else { return Vec::new() };
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    tenants::slugs(&mut control, &Caller::System, prefix, most).await.unwrap_or_default()
}

/// The names of the sets of migrations.
async fn set_names(loaded: &Loaded) -> Vec<String> {
    let Ok(settings) = loaded.settings() else { return Vec::new() };
    let Some(mut control) = App::open_for_completion(&settings).await else { return Vec::new() };
    migrations::set_names(&mut control, &Caller::System).await.unwrap_or_default()
}

/// The ids of unfinished operations that begin with `prefix`, at most [`MOST`].
async fn operation_ids(loaded: &Loaded, prefix: &str) -> Vec<String> {
    let Ok(settings) = loaded.settings() else { return Vec::new() };
    let Some(mut control) = App::open_for_completion(&settings).await else { return Vec::new() };
    let filter = OperationFilter { open: true, ..OperationFilter::default() };
    let page = Page { page: 1, limit: 10_000 };
    let found = OperationView::list(&mut control, &Caller::System, &filter, page).await.unwrap_or_default();
    found.into_iter().map(|view| view.id.to_string()).filter(|id| id.starts_with(prefix)).collect()
}

/// The ids of the newest jobs that begin with `prefix`, at most [`MOST`].
async fn job_ids(loaded: &Loaded, prefix: &str) -> Vec<String> {
    let Ok(settings) = loaded.settings() else { return Vec::new() };
    let Some(mut control) = App::open_for_completion(&settings).await else { return Vec::new() };
    let (filter, page) = (JobFilter::default(), Page { page: 1, limit: 10_000 });
    let found = jobs::list(&mut control, &Caller::System, &filter, page).await.unwrap_or_default();
    found.into_iter().map(|job| job.id.to_string()).filter(|id| id.starts_with(prefix)).collect()
}

/// Waits for names on this thread, and not for long.
fn waiting(names: impl Future<Output = Vec<String>>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let names = runtime.block_on(async { tokio::time::timeout(LIMIT, names).await });
    runtime.shutdown_background();
    names.unwrap_or_default()
}

fn candidates(typed: &OsStr, names: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fits = |name: &String| name.starts_with(&*typed);
    names.into_iter().filter(fits).take(MOST).map(CompletionCandidate::new).collect()
}

/// The settings that the command being typed would have, `--context` and `--config` included.
fn loaded() -> Option<Loaded> {
    let words = shells::words();
    let flags = Flags {
        config: usage::flag_value(words, "--config").map(Into::into),
        context: usage::flag_value(words, "--context"),
    };
    Loaded::read(&Sources::from_process(flags)).ok()
}
