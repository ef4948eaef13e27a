//! What is looked at, and in which order: everything at once, but for servers and stores that are
//! known from the control database alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::control::{self, Seen, skip};
use super::input::DoctorInput;
use super::model::{CHECKS, Group, Only, checks};
use super::objects::{self, StoreSubject};
use super::server::{self, ServerSubject};
use super::store::{ServerFacts, TemplateRow};
use super::{events, keys, machine, programs, settings, stack, stoppers};
use crate::features::access::{self, About, AccessError, rights};
use crate::features::placement::DEFAULT;
use crate::infra::crypto::MasterKey;
use crate::infra::db::Host;
use crate::kernel::hint::{LocalAction, PlatformAction};
use crate::kernel::{Caller, ErrorKind, Finding, Report};

/// How long one server, store or program is waited for. What comes one after another (secrets, the
/// control database, registered servers) stays within ten seconds together.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Looks at everything that is wanted. Never stops at a problem. Where the platform's realm cannot be
/// asked, only who holds its credentials may look.
///
/// # Errors
/// Without `doctor:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn examine(input: DoctorInput, caller: &Caller, only: &Only) -> Result<Report, AccessError> {
    match (caller, &input.control) {
        (Caller::User { .. }, Ok(server)) => {
            let mut control = server.connect("nexus:doctor").await?;
            access::authorize(&mut control, caller, &rights::DOCTOR_READ, About::Platform).await?;
        }
        _ => drop(access::authorize_machine(caller, &rights::DOCTOR_READ)?),
    }
    let input = Arc::new(input);
    let (key, key_finding) = key(&input).await;
    let (control, default_cluster, default_store, local, tools, here, carried) = tokio::join!(
        control_if_wanted(&input, key.clone(), only),
        default_cluster(&input, only),
        default_store(&input, only),
        local(&input, only),
        tools(only),
        here(&input, only),
        events_if_wanted(&input, only),
    );
    let (clusters, stores) = tokio::join!(
        join_all(control.clusters.iter().map(cluster)),
        join_all(control.stores.iter().cloned().map(|store| objects::examine(store, CHECK_TIMEOUT))),
    );

    let mut findings = settings::examine(&input);
    let not_made = control.new.then(|| keys::not_made(&input)).flatten();
    findings.push(not_made.unwrap_or(key_finding));
    findings.push(keys::same(key.as_ref().map(|key| key.id()), control.recorded.as_ref()));
    let mut newest = control.version;
    let mut worlds = Vec::new();
    for (name, seen) in default_cluster
        .into_iter()
        .chain(control.clusters.iter().map(|subject| subject.name.clone()).zip(clusters))
    {
        findings.extend(seen.findings);
        worlds.push((format!("cluster {name}"), seen.world));
        let Some(facts) = seen.facts else { continue };
        newest = newest.max(Some(server::version_of(&facts)));
        findings.push(template(&name, &input, &control, &facts));
    }
    findings.extend(default_store.into_iter().flatten().chain(stores.into_iter().flatten()));
    findings.extend(programs::judge(&tools, newest));
    if only.group(Group::Control) {
        findings.push(control::age(&input, &control, &worlds, CHECK_TIMEOUT).await);
    }
    findings.extend(control.findings);
    findings.extend(local);
    findings.extend(here);
    findings.extend(carried);
    Ok(sorted(findings, only).into())
}

/// By group and check, as `CHECKS` has them; within a check as they were found. One server after the
/// other, each with all its checks.
fn sorted(mut findings: Vec<Finding>, only: &Only) -> Vec<Finding> {
    findings.retain(|finding| only.wants(finding));
    findings.sort_by_cached_key(|finding| {
        let (code, place) = (&finding.code, &finding.subject.place);
        let group = CHECKS.iter().position(|(group, _)| code.split('.').next() == Some(group.as_str()));
        let name = place.cluster().or_else(|| place.store());
        (group, name.as_deref() != Some(DEFAULT), name, checks().position(|check| *code == check))
    });
    findings
}

async fn key(input: &Arc<DoctorInput>) -> (Option<Arc<dyn MasterKey>>, Finding) {
    let own = Arc::clone(input);
    let looking = tokio::task::spawn_blocking(move || keys::examine(&own));
    match tokio::time::timeout(CHECK_TIMEOUT, looking).await {
        Ok(Ok(answer)) => answer,
        _ => (None, slow(Group::Key, "file", "master key")),
    }
}

/// What did not come to an end.
fn slow(group: Group, name: &str, subject: &str) -> Finding {
    let found = format!("no answer in {} s", CHECK_TIMEOUT.as_secs());
    Finding::problem((group, name), ErrorKind::Unavailable, subject, found)
        .fix("dmesg | tail  # a disk or a file system that hangs")
}

async fn control_if_wanted(input: &DoctorInput, key: Option<Arc<dyn MasterKey>>, only: &Only) -> Seen {
    let wanted = [
        Group::Control,
        Group::Key,
        Group::Cluster,
        Group::Store,
        Group::Tenants,
        Group::Audit,
        Group::Programs,
    ];
    if wanted.iter().any(|group| only.group(*group)) {
        return control::examine(input, key, CHECK_TIMEOUT).await;
    }
    Seen::default()
}

async fn events_if_wanted(input: &DoctorInput, only: &Only) -> Vec<Finding> {
    match &input.settings {
        Ok(settings) if only.group(Group::Events) => {
            events::examine(settings.events.nats.as_ref(), CHECK_TIMEOUT).await
        }
        _ => Vec::new(),
    }
}

/// A server of tenants' databases, as it was seen.
struct SeenCluster {
    findings: Vec<Finding>,
    facts: Option<ServerFacts>,
    world: Vec<(uuid::Uuid, i64)>,
}

async fn default_cluster(input: &DoctorInput, only: &Only) -> Option<(String, SeenCluster)> {
    // What it has seen tells the age of the control database.
    if ![Group::Cluster, Group::Programs, Group::Control].iter().any(|group| only.group(*group)) {
        return None;
    }
    let embedded = input.stack.is_some();
    let seen = match &input.cluster {
        Ok(it) => {
            let (group, address) = (Group::Cluster, it.admin.clone());
            cluster(&ServerSubject { group, name: DEFAULT.to_owned(), address, embedded, budget: None }).await
        }
        Err(why) => {
            let findings =
                skip(Group::Cluster, &[], DEFAULT, why, embedded.then(|| LocalAction::Start.into()).as_ref());
            SeenCluster { findings, facts: None, world: Vec::new() }
        }
    };
    Some((DEFAULT.to_owned(), seen))
}

async fn cluster(subject: &ServerSubject) -> SeenCluster {
    match control::ask(subject, None, CHECK_TIMEOUT).await {
        Err(finding) => {
            let mut findings = vec![finding];
            findings.extend(skip(
                Group::Cluster,
                &["reachable"],
                &subject.name,
                "it cannot be reached",
                None,
            ));
            SeenCluster { findings, facts: None, world: Vec::new() }
        }
        Ok((_, answer)) => {
            let facts = answer.facts;
            let mut findings = server::common(subject, &facts);
            findings.push(server::passwords(subject, &facts));
            findings.push(server::closed(subject, &facts));
            findings.push(server::skew((Group::Cluster, &subject.name), answer.times, 0.0));
            findings.push(disk(subject, &facts));
            findings.extend(stoppers::examine(subject, &answer.stoppers));
            SeenCluster { findings, facts: Some(facts), world: answer.world }
        }
    }
}

/// Free space where a server keeps its data, where that is on this machine.
fn disk(subject: &ServerSubject, facts: &ServerFacts) -> Finding {
    let here = match &subject.address.host {
        Host::Socket(_) => true,
        Host::Tcp(host) => server::is_here(host),
    };
    match facts.data_directory.as_deref().map(Path::new).filter(|folder| here && folder.is_absolute()) {
        Some(folder) => machine::disk(Group::Cluster, "disk", folder, &subject.name),
        None => Finding::skipped(Group::Cluster, "disk", &subject.name, "cannot be known from this machine"),
    }
}

/// Whether new tenants can be cloned at once.
fn template(name: &str, input: &DoctorInput, control: &Seen, facts: &ServerFacts) -> Finding {
    const CHECK: &str = "template";
    if !control.read {
        return Finding::skipped(Group::Cluster, CHECK, name, "the control database was not read");
    }
    let ready = |row: &&TemplateRow| row.cluster == name && row.ready;
    let Some(row) = control.templates.iter().find(ready) else {
        let found = "none at the newest version: the next create builds it first";
        let finding = Finding::warning(Group::Cluster, CHECK, name, found);
        return if name == DEFAULT { finding.fix(PlatformAction::SetUp) } else { finding };
    };
    if facts.templates.contains(&row.database_name) {
        return Finding::ok(Group::Cluster, CHECK, name, format!("{} is current", row.database_name));
    }
    let found = format!("{} no longer exists, or is not closed: no tenant can be created", row.database_name);
    // The next create builds another.
    let sql = format!("delete from control.templates where database_name = '{}'", row.database_name);
    let finding = Finding::problem((Group::Cluster, CHECK), ErrorKind::Integrity, name, found);
    match &input.control {
        Ok(it) => {
            let embedded = input.stack.is_some();
            finding.fix(server::statements(it, embedded, &it.database, &[&sql]))
        }
        Err(_) => finding,
    }
}

async fn default_store(input: &DoctorInput, only: &Only) -> Option<Vec<Finding>> {
    if !only.group(Group::Store) {
        return None;
    }
    let embedded = input.stack.is_some();
    Some(match &input.store {
        Ok(driver) => {
            let (name, driver) = (DEFAULT.to_owned(), Arc::clone(driver));
            objects::examine(StoreSubject { name, driver, shared_key: false, embedded }, CHECK_TIMEOUT).await
        }
        Err(why) => {
            skip(Group::Store, &[], DEFAULT, why, embedded.then(|| LocalAction::Start.into()).as_ref())
        }
    })
}

async fn local(input: &DoctorInput, only: &Only) -> Vec<Finding> {
    if !only.group(Group::Local) {
        return Vec::new();
    }
    let looking = tokio::time::timeout(CHECK_TIMEOUT, stack::examine(input)).await;
    looking.unwrap_or_else(|_| vec![slow(Group::Local, "state", "the embedded stack")])
}

async fn tools(only: &Only) -> Vec<programs::Program> {
    if !only.group(Group::Programs) {
        return Vec::new();
    }
    tokio::time::timeout(CHECK_TIMEOUT, programs::look()).await.unwrap_or_default()
}

async fn here(input: &DoctorInput, only: &Only) -> Vec<Finding> {
    if !only.group(Group::Machine) {
        return Vec::new();
    }
    let home = input.sources.home.as_ref().map(|home| home.path().to_owned());
    let looking = tokio::task::spawn_blocking(move || machine::examine(home.as_deref()));
    match tokio::time::timeout(CHECK_TIMEOUT, looking).await {
        Ok(Ok(findings)) => findings,
        _ => vec![slow(Group::Machine, "disk", "disks")],
    }
}
