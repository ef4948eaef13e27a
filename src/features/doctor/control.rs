//! The control database, and what it knows of the rest.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::input::DoctorInput;
use super::model::{CHECKS, Group};
use super::objects::StoreSubject;
use super::server::{self, ServerSubject};
use super::store::{self, ServerFacts, Stoppers, TemplateRow};
use super::{stoppers, work};
use crate::features::installation::{self, InstallationError};
use crate::features::local::PgVersion;
use crate::features::placement::compare_age;
use crate::features::placement::{DEFAULT, Placement, read_cluster_names, read_store_names};
use crate::features::secrets::{Secrets, recorded_master};
use crate::features::{record, tokens};
use crate::infra::cluster::{self, ClusterError};
use crate::infra::crypto::{MasterKey, MasterKeyId};
use crate::infra::db::{CONTROL, DbError, PgConnection, REALM};
use crate::kernel::hint::{FsckAction, LocalAction, PlatformAction};
use crate::kernel::{ErrorKind, Failure, Finding, Hint, Subject};

/// What sets up an installation, or brings it to this program's version.
const SET_UP: PlatformAction = PlatformAction::SetUp;
/// What is said to have not been looked at where the list of them could not be read.
const SERVERS: &str = "registered servers";
const STORES: &str = "registered stores";

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
    /// The installation, where it is of this program's version.
    pub(super) installation: Option<Uuid>,
    /// Whether its tables are of another version than this program's.
    other_version: bool,
    /// Registered servers, beside the default one.
    pub(super) clusters: Vec<ServerSubject>,
    /// Most sessions on the default server.
    pub(super) default_budget: Option<i64>,
    /// Registered stores, beside the default one.
    pub(super) stores: Vec<StoreSubject>,
    /// Templates at the newest version.
    pub(super) templates: Vec<TemplateRow>,
}

impl Seen {
    /// What was read. An older or newer control database may lack a table or a column: what can be
    /// read is read. Whatever else keeps it from being read is said.
    fn take<T>(&mut self, read: Result<T, impl Failure>, place: (Group, &str), subject: &str) -> Option<T> {
        let error = match read {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        if !self.other_version {
            let finding = Finding::unchecked(place, subject, &error.to_string());
            let subject = Subject { object: subject.to_owned(), ..Subject::default() };
            self.findings.push(Finding { subject, ..finding });
        }
        None
    }
}

/// Everything in a group that was not looked at.
pub(super) fn skip(group: Group, but: &[&str], subject: &str, why: &str, fix: Option<&Hint>) -> Vec<Finding> {
    let names = CHECKS.iter().filter(|(it, _)| *it == group).flat_map(|(_, names)| *names);
    let left = names.filter(|name| !but.contains(name));
    left.map(|name| {
        let finding = Finding::skipped(group, name, subject, why);
        Finding { fix: fix.cloned().into_iter().collect(), ..finding }
    })
    .collect()
}

/// A server's word, and the moments between which it came.
pub(super) struct Answer {
    pub(super) facts: ServerFacts,
    pub(super) stoppers: Stoppers,
    /// By installation, the youngest change that the server has seen.
    pub(super) world: Vec<(Uuid, i64)>,
    pub(super) times: (OffsetDateTime, OffsetDateTime, OffsetDateTime),
}

/// Connects to a server and asks it about itself.
pub(super) async fn ask(
    subject: &ServerSubject,
    control: Option<&str>,
    patience: Duration,
) -> Result<(PgConnection, Answer), Finding> {
    let asking = async {
        let mut connection = subject.address.connect("nexus:doctor").await?;
        store::read_only(&mut connection).await?;
        let before = OffsetDateTime::now_utc();
        let facts = store::server(&mut connection, control).await?;
        let times = (before, facts.now, OffsetDateTime::now_utc());
        let stoppers = store::stoppers(&mut connection).await?;
        let world = cluster::high_waters(&mut connection).await.map_err(|error| match error {
            ClusterError::Db(error) => error,
            other => DbError::Unexpected(sqlx::Error::Configuration(other.into())),
        })?;
        Ok::<_, DbError>((connection, Answer { facts, stoppers, world, times }))
    };
    match tokio::time::timeout(patience, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        // 3D000: there is no such database.
        Ok(Err(error)) if error.state() == Some("3D000") => {
            Err(server::failed(subject, "reachable", &error).fix(SET_UP).kind(ErrorKind::Unavailable))
        }
        Ok(Err(error)) => Err(subject.unreachable(&error)),
        Err(_) => Err(subject.silent(patience.as_secs())),
    }
}

/// Looks at the control database and reads what it knows of the rest.
pub(super) async fn examine(
    input: &DoctorInput,
    key: Option<Arc<dyn MasterKey>>,
    patience: Duration,
) -> Seen {
    let address = match &input.control {
        Ok(address) => address.clone(),
        Err(why) => return unseen(skip(Group::Control, &[], "control database", why, None), why, input),
    };
    let embedded = input.stack.is_some();
    let database = address.database.clone();
    let subject =
        ServerSubject { group: Group::Control, name: database.clone(), address, embedded, budget: None };
    let (mut connection, answer) = match ask(&subject, Some(&database), patience).await {
        Ok(answer) => answer,
        Err(finding) => {
            let why = "the control database cannot be reached";
            let new = finding.fix == [SET_UP.into()];
            let mut findings = vec![finding];
            findings.extend(skip(Group::Control, &["reachable"], &subject.name, why, None));
            return Seen { new, ..unseen(findings, why, input) };
        }
    };
    let mut seen = Seen { version: Some(server::version_of(&answer.facts)), ..Seen::default() };
    seen.findings = server::common(&subject, &answer.facts);
    seen.findings.push(server::closed(&subject, &answer.facts));
    seen.findings.extend(stoppers::examine(&subject, &answer.stoppers));
    let reading = read(&mut seen, &subject, input, key, &mut connection);
    if tokio::time::timeout(patience, reading).await.is_err() {
        let found = format!("its tables did not answer within {} s", patience.as_secs());
        seen.findings.push(
            Finding::problem((Group::Control, "migrations"), ErrorKind::Unavailable, &subject.name, found)
                .fix(subject.psql("select pid, state, query_start from pg_stat_activity")),
        );
    }
    seen
}

fn unseen(mut findings: Vec<Finding>, why: &str, input: &DoctorInput) -> Seen {
    let fix = input.stack.is_some().then(|| Hint::from(LocalAction::Start));
    for finding in findings.iter_mut().filter(|finding| finding.is_skipped()) {
        finding.fix = fix.clone().into_iter().collect();
    }
    for group in [Group::Tenants, Group::Audit] {
        findings.extend(skip(group, &[], "control database", why, fix.as_ref()));
    }
    Seen { findings, ..Seen::default() }
}

async fn read(
    seen: &mut Seen,
    subject: &ServerSubject,
    input: &DoctorInput,
    key: Option<Arc<dyn MasterKey>>,
    control: &mut PgConnection,
) {
    let opened = installation::open(control, &subject.address, None).await;
    seen.findings.push(migrations(subject, &opened));
    let other = |it: &_| matches!(it, InstallationError::Behind { .. } | InstallationError::Ahead { .. });
    seen.other_version = opened.as_ref().is_err_and(other);
    if let Err(InstallationError::NotInitialised { .. }) = opened {
        seen.new = true;
        let why = "the control database is not set up";
        for group in [Group::Tenants, Group::Audit] {
            seen.findings.extend(skip(group, &[], "control database", why, Some(&SET_UP.into())));
        }
        return;
    }
    seen.read = true;
    seen.installation = opened.ok().map(|it| it.id);
    let read = recorded_master(control).await;
    seen.recorded = seen.take(read, (Group::Key, "recorded"), "master key").flatten();
    seen.findings.extend(work::operations(control).await);
    let read = store::dead_jobs(control).await;
    let dead = seen.take(read, (Group::Tenants, "jobs"), "jobs");
    seen.findings.extend(dead.map(work::jobs));
    let read = store::stuck_jobs(control).await;
    let stuck = seen.take(read, (Group::Tenants, "jobs"), "running jobs");
    seen.findings.extend(stuck.map(work::stuck_jobs).unwrap_or_default());
    let read = store::late_schedules(control).await;
    let late = seen.take(read, (Group::Tenants, "schedules"), "schedules");
    seen.findings.extend(late.as_deref().map(work::schedules));
    seen.findings.push(work::trash(control).await);
    seen.findings.push(work::audit(control).await);
    let read = store::templates(control, REALM.newest()).await;
    seen.templates = seen.take(read, (Group::Cluster, "template"), "templates").unwrap_or_default();
    let other_key =
        key.as_ref().zip(seen.recorded.as_ref()).is_some_and(|(key, recorded)| key.id() != recorded);
    let comparable = !seen.other_version && !other_key;
    seen.findings.push(record(subject, key.as_ref().filter(|_| comparable), control).await);
    registered(seen, input, key, control).await;
}

/// Whether the rows that decide who gets whose credentials are as Nexus wrote them.
async fn record(
    subject: &ServerSubject,
    key: Option<&Arc<dyn MasterKey>>,
    control: &mut PgConnection,
) -> Finding {
    const NAME: &str = "record";
    let Some(key) = key else {
        return Finding::skipped(
            Group::Control,
            NAME,
            &subject.name,
            "needs this version's tables and their key",
        );
    };
    let secrets = Secrets::new(Arc::clone(key));
    let looked = async {
        let rows = record::examine(control, secrets.record_key(), secrets.master_id()).await;
        let rows = rows.map_err(|error| error.to_string())?;
        let keys = tokens::examine(control, &secrets).await.map_err(|error| error.to_string())?;
        let rows = rows.into_iter().map(|flaw| format!("{}: {}", flaw.object, flaw.what));
        Ok::<Vec<String>, String>(
            rows.chain(keys.into_iter().map(|flaw| format!("{}: {}", flaw.object, flaw.detail))).collect(),
        )
    };
    match looked.await {
        Err(why) => Finding::unchecked((Group::Control, NAME), &subject.name, &why),
        Ok(flaws) if flaws.is_empty() => {
            Finding::ok(Group::Control, NAME, &subject.name, "tenants, keys and revocations are as written")
        }
        Ok(flaws) => {
            let more = flaws.len().saturating_sub(3);
            let first = flaws.into_iter().take(3).collect::<Vec<_>>().join("; ");
            let found = if more > 0 { format!("{first}; and {more} more") } else { first };
            Finding::problem((Group::Control, NAME), ErrorKind::Integrity, &subject.name, found)
                .fix(FsckAction::Inspect)
        }
    }
}

/// Whether a server has seen younger changes than the control database knows. What it has seen was
/// read before, or is read again here.
pub(super) async fn age(
    input: &DoctorInput,
    seen: &Seen,
    worlds: &[(String, Vec<(Uuid, i64)>)],
    patience: Duration,
) -> Finding {
    const PLACE: (Group, &str) = (Group::Control, "age");
    let subject = "control database";
    let (Ok(address), Some(id)) = (&input.control, seen.installation) else {
        return Finding::skipped(PLACE.0, PLACE.1, subject, "the control database was not read");
    };
    let looking = async {
        let mut control = address.connect("nexus:doctor").await?;
        if let Err(older) = record::age(&mut control).await?.require_current() {
            return Ok(Some(older));
        }
        for (name, seen) in worlds {
            let world = seen.iter().filter(|(of, _)| *of == id).map(|(_, fence)| *fence).max().unwrap_or(0);
            if let Some(older) = compare_age(&mut control, name, world, 0).await? {
                return Ok(Some(older));
            }
        }
        Ok::<_, DbError>(None)
    };
    match tokio::time::timeout(patience, looking).await {
        Ok(Ok(None)) => Finding::ok(PLACE.0, PLACE.1, subject, "no server has seen a later change"),
        Ok(Ok(Some(older))) => {
            Finding::problem(PLACE, ErrorKind::Integrity, subject, older.to_string()).fix(FsckAction::Inspect)
        }
        Ok(Err(error)) => Finding::unchecked(PLACE, subject, &error.to_string()),
        Err(_) => Finding::unchecked(PLACE, subject, "no answer"),
    }
}

fn migrations(
    subject: &ServerSubject,
    opened: &Result<installation::Installation, InstallationError>,
) -> Finding {
    match opened {
        Ok(_) => {
            let found = format!("current, at {}", CONTROL.newest());
            Finding::ok(subject.group, "migrations", &subject.name, found)
        }
        Err(error) => {
            let finding = server::failed(subject, "migrations", error);
            match error {
                InstallationError::Ahead { .. } => {
                    finding.fix(Hint::new("use the newer nexus that made it so", PlatformAction::ShowVersion))
                }
                InstallationError::NotInitialised { .. } | InstallationError::Behind { .. } => {
                    finding.fix(SET_UP)
                }
                _ => finding,
            }
        }
    }
}

/// Servers and stores that are rows. They can be asked only with their sealed credentials.
async fn registered(
    seen: &mut Seen,
    input: &DoctorInput,
    key: Option<Arc<dyn MasterKey>>,
    control: &mut PgConnection,
) {
    let (Ok(cluster), Ok(store), Some(key)) = (&input.cluster, &input.store, key) else {
        let (clusters, stores) = (read_cluster_names(control).await, read_store_names(control).await);
        let place = |group| (group, "reachable");
        let clusters = seen.take(clusters, place(Group::Cluster), SERVERS).unwrap_or_default();
        let stores = seen.take(stores, place(Group::Store), STORES).unwrap_or_default();
        for (group, names) in [(Group::Cluster, clusters), (Group::Store, stores)] {
            for name in names.iter().filter(|name| *name != DEFAULT) {
                let why = "its credentials cannot be opened: see key, and settings.secrets";
                seen.findings.push(Finding::skipped(group, "reachable", name, why));
            }
        }
        return;
    };
    let placement = Placement::new(cluster.clone(), Arc::clone(store), Secrets::new(key));
    let clusters = placement.read_clusters(control).await;
    for view in seen.take(clusters, (Group::Cluster, "reachable"), SERVERS).unwrap_or_default() {
        let budget = view.connections.map(i64::from);
        if view.name == DEFAULT {
            seen.default_budget = budget;
            continue;
        }
        let group = Group::Cluster;
        match placement.cluster(control, &view.name).await {
            Ok(it) => seen.clusters.push(ServerSubject {
                group,
                name: view.name,
                address: it.admin,
                embedded: false,
                budget,
            }),
            Err(error) => seen.findings.push(Finding::failure((group, "reachable"), view.name, &error)),
        }
    }
    let stores = placement.read_stores(control).await;
    for view in seen.take(stores, (Group::Store, "reachable"), STORES).unwrap_or_default() {
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
