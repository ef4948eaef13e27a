//! The control database, and what it knows of the rest.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::model::{CHECKS, Finding, Group};
use super::objects::StoreSubject;
use super::patient::Patient;
use super::server::{self, Subject};
use super::store::{self, ServerFacts, TemplateRow};
use super::work;
use crate::features::installation::{self, InstallationError};
use crate::features::local::PgVersion;
use crate::features::placement::{DEFAULT, Placement, cluster_names, store_names};
use crate::features::secrets::{Secrets, recorded_master};
use crate::infra::crypto::{MasterKey, MasterKeyId};
use crate::infra::db::{CONTROL, DbError, PgConnection, REALM};
use crate::kernel::ErrorKind;

/// What sets up an installation, or brings it to this program's version.
const SET_UP: &str = "nexus init";

/// What was seen of the control database.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) findings: Vec<Finding>,
    pub(super) version: Option<PgVersion>,
    pub(super) recorded: Option<MasterKeyId>,
    /// Whether it could be read.
    pub(super) read: bool,
    /// Whether its server answers, and nothing was ever set up there.
    pub(super) new: bool,
    /// Registered servers, beside the default one.
    pub(super) clusters: Vec<Subject>,
    /// Most sessions on the default server.
    pub(super) default_budget: Option<i64>,
    /// Registered stores, beside the default one.
    pub(super) stores: Vec<StoreSubject>,
    /// Templates at the newest version.
    pub(super) templates: Vec<TemplateRow>,
}

/// Everything in a group that was not looked at.
pub(super) fn skip(group: Group, but: &[&str], subject: &str, why: &str, mend: Option<&str>) -> Vec<Finding> {
    let left = CHECKS.iter().filter(|check| check.group == group && !but.contains(&check.name));
    left.map(|check| {
        let finding = Finding::skipped(group, check.name, subject, why);
        Finding { mend: mend.map(str::to_owned), ..finding }
    })
    .collect()
}

/// A server's word, and the moments between which it came.
pub(super) struct Answer {
    pub(super) facts: ServerFacts,
    pub(super) times: (OffsetDateTime, OffsetDateTime, OffsetDateTime),
}

/// Connects to a server and asks it about itself.
pub(super) async fn ask(
    subject: &Subject,
    control: Option<&str>,
    patience: Duration,
) -> Result<(PgConnection, Answer), Finding> {
    let asking = async {
        let mut connection = subject.address.connect("nexus:doctor").await?;
        store::read_only(&mut connection).await?;
        let before = OffsetDateTime::now_utc();
        let facts = store::server(&mut connection, control).await?;
        let times = (before, facts.now, OffsetDateTime::now_utc());
        Ok::<_, DbError>((connection, Answer { facts, times }))
    };
    match tokio::time::timeout(patience, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        // 3D000: there is no such database.
        Ok(Err(error)) if error.state() == Some("3D000") => {
            Err(server::failed(subject, "reachable", &error).mend(SET_UP).kind(ErrorKind::Unavailable))
        }
        Ok(Err(error)) => Err(subject.unreachable(&error)),
        Err(_) => Err(subject.silent(patience.as_secs())),
    }
}

/// Looks at the control database and reads what it knows of the rest.
pub(super) async fn examine(patient: &Patient, key: Option<Arc<dyn MasterKey>>, patience: Duration) -> Seen {
    let address = match &patient.control {
        Ok(address) => address.clone(),
        Err(why) => return unseen(skip(Group::Control, &[], "control database", why, None), why, patient),
    };
    let embedded = patient.stack.is_some();
    let database = address.database.clone();
    let subject = Subject { group: Group::Control, name: database.clone(), address, embedded, budget: None };
    let (mut connection, answer) = match ask(&subject, Some(&database), patience).await {
        Ok(answer) => answer,
        Err(finding) => {
            let why = "the control database cannot be reached";
            let new = finding.mend.as_deref() == Some(SET_UP);
            let mut findings = vec![finding];
            findings.extend(skip(Group::Control, &["reachable"], &subject.name, why, None));
            return Seen { new, ..unseen(findings, why, patient) };
        }
    };
    let mut seen = Seen { version: Some(server::version_of(&answer.facts)), ..Seen::default() };
    seen.findings = server::common(&subject, &answer.facts);
    seen.findings.push(server::closed(&subject, &answer.facts));
    let reading = read(&mut seen, &subject, patient, key, &mut connection);
    if tokio::time::timeout(patience, reading).await.is_err() {
        let found = format!("its tables gave no answer in {} s", patience.as_secs());
        seen.findings.push(
            Finding::problem((Group::Control, "migrations"), ErrorKind::Unavailable, &subject.name, found)
                .mend(subject.psql("select pid, state, query_start from pg_stat_activity")),
        );
    }
    seen
}

fn unseen(mut findings: Vec<Finding>, why: &str, patient: &Patient) -> Seen {
    let mend = patient.stack.is_some().then_some("nexus local up");
    for finding in findings.iter_mut().filter(|finding| finding.kind.is_none()) {
        finding.mend = mend.map(str::to_owned);
    }
    for group in [Group::Tenants, Group::Audit] {
        findings.extend(skip(group, &[], "control database", why, mend));
    }
    Seen { findings, ..Seen::default() }
}

async fn read(
    seen: &mut Seen,
    subject: &Subject,
    patient: &Patient,
    key: Option<Arc<dyn MasterKey>>,
    control: &mut PgConnection,
) {
    let opened = installation::open(control, &subject.address).await;
    seen.findings.push(migrations(subject, control, &opened).await);
    if let Err(InstallationError::NotInitialised { .. }) = opened {
        seen.new = true;
        let why = "the control database is not set up";
        for group in [Group::Tenants, Group::Audit] {
            seen.findings.extend(skip(group, &[], "control database", why, Some(SET_UP)));
        }
        return;
    }
    seen.read = true;
    // An older or newer control database may lack a table: what can be read is read.
    seen.recorded = recorded_master(control).await.ok().flatten();
    seen.findings.extend(work::operations(control).await);
    seen.findings.push(work::trash(control).await);
    seen.findings.push(work::audit(control).await);
    seen.templates = store::templates(control, REALM.newest()).await.unwrap_or_default();
    registered(seen, patient, key, control).await;
}

async fn migrations(
    subject: &Subject,
    control: &mut PgConnection,
    opened: &Result<installation::Installation, InstallationError>,
) -> Finding {
    match opened {
        Ok(_) => {
            let version = store::applied(control).await.ok().flatten().unwrap_or_else(|| CONTROL.newest());
            Finding::ok(subject.group, "migrations", &subject.name, format!("current, at {version}"))
        }
        Err(error) => {
            let finding = server::failed(subject, "migrations", error);
            match error {
                InstallationError::Ahead { .. } => {
                    finding.mend("nexus version  # use the newer nexus that made it so")
                }
                InstallationError::NotInitialised { .. } | InstallationError::Behind { .. } => {
                    finding.mend(SET_UP)
                }
                _ => finding,
            }
        }
    }
}

/// Servers and stores that are rows. They can be asked only with their sealed credentials.
async fn registered(
    seen: &mut Seen,
    patient: &Patient,
    key: Option<Arc<dyn MasterKey>>,
    control: &mut PgConnection,
) {
    let (Ok(cluster), Ok(store), Some(key)) = (&patient.cluster, &patient.store, key) else {
        let clusters = cluster_names(control).await.unwrap_or_default();
        let stores = store_names(control).await.unwrap_or_default();
        for (group, names) in [(Group::Cluster, clusters), (Group::Store, stores)] {
            for name in names.iter().filter(|name| *name != DEFAULT) {
                let why = "its credentials cannot be opened: see key, and settings.secrets";
                seen.findings.push(Finding::skipped(group, "reachable", name, why));
            }
        }
        return;
    };
    let placement = Placement::new(cluster.clone(), Arc::clone(store), Secrets::new(key));
    for view in placement.clusters(control).await.unwrap_or_default() {
        let budget = view.connections.map(i64::from);
        if view.name == DEFAULT {
            seen.default_budget = budget;
            continue;
        }
        let group = Group::Cluster;
        match placement.cluster(control, &view.name).await {
            Ok(it) => seen.clusters.push(Subject {
                group,
                name: view.name,
                address: it.admin,
                embedded: false,
                budget,
            }),
            Err(error) => seen.findings.push(Finding::failure((group, "reachable"), view.name, &error)),
        }
    }
    for view in placement.stores(control).await.unwrap_or_default() {
        if view.name == DEFAULT {
            continue;
        }
        match placement.store(control, &view.name).await {
            Ok(it) => seen.stores.push(StoreSubject {
                name: it.name,
                driver: it.driver,
                shared_key: it.shared_key,
                embedded: false,
            }),
            Err(error) => {
                seen.findings.push(Finding::failure((Group::Store, "reachable"), view.name, &error));
            }
        }
    }
}
