//! One server: its tenants are asked, some at a time, each in a session of the administrator in
//! which nothing of the tenant's own runs.

use std::collections::{BTreeMap, HashMap};

use super::super::asking::{Scope, sessions};
use super::super::error::FleetError;
use super::compare::{
    Registered, about, as_registered, differences, digest, histories_digest, made_by_sets, standing, told,
};
use super::model::{ERROR, Finding, VerifyRequest};
use super::store::{self, SeenRow};
use super::template::{Expected, Versions, expected};
use crate::features::migrations::{BUILT_IN, Set};
use crate::features::placement::Cluster;
use crate::features::tenants::Tenant;
use crate::infra::cluster::{self, ClusterError, Parts, Written};
use crate::infra::db::{self, DbError, HistoryState, PgConnection, Slots};
use crate::kernel::text::counted;
use crate::kernel::{Severity, TenantId};

/// A server whose tenants are asked.
pub(super) struct Server<'a> {
    sets: &'a [Set],
    request: &'a VerifyRequest,
    cluster: Cluster,
    expected: Expected,
    /// By tenant and set, what the registry has; of sets that are not part of Nexus.
    versions: HashMap<(TenantId, String), Registered>,
    seen: HashMap<TenantId, SeenRow>,
    /// The id of each database on the server, and what becomes another text when its row is written.
    databases: HashMap<String, (i64, String)>,
    /// How many are asked at a time.
    pub(super) jobs: usize,
    /// The sessions that are held on it.
    pub(super) slots: Option<Slots>,
}

/// Why a schema was not compared.
const OTHER_FILES: &str = "its sets have other files than the template: only its histories were compared";

/// What the histories in a tenant hold, by their names.
type Histories = BTreeMap<String, HistoryState>;

/// What a tenant answers.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is counted by itself")]
pub(super) struct Answer {
    pub(super) findings: Vec<Finding>,
    /// It did not answer.
    pub(super) silent: bool,
    /// It is closed or gone by now.
    pub(super) closed: bool,
    /// It is behind, and true.
    pub(super) pending: bool,
    /// Its schema was not compared: it has other files than the template.
    pub(super) uncompared: bool,
    /// Its schema, where it was read in full.
    pub(super) seen: Option<SeenRow>,
}

impl Answer {
    /// Whether anything is not as it should be.
    pub(super) fn differs(&self) -> bool {
        self.findings.iter().any(Finding::is_fault)
    }

    /// The same of a tenant whose row says that it is in use: that it takes no sessions is a fault then.
    pub(super) fn of_living(self, tenant: &Tenant) -> Self {
        if !self.closed {
            return self;
        }
        let detail =
            format!("the tenant is {}, but its database is missing or closed", tenant.state.as_str());
        let object = format!("database {}", tenant.resources.database_name);
        let finding = Finding::of(tenant, "database_closed", ERROR, object, detail);
        Self { findings: vec![finding], closed: false, ..self }
    }
}

impl<'a> Server<'a> {
    /// Holds sessions on a server and finds out how schemas should be there.
    pub(super) async fn prepare(
        reach: Scope<'_>,
        control: &mut PgConnection,
        (sets, request): (&'a [Set], &'a VerifyRequest),
        (name, tenants): (&str, &[Tenant]),
    ) -> Result<Self, FleetError> {
        let (slots, jobs) = sessions(reach, control, name, request.jobs).await?;
        let cluster = reach.placement.cluster(control, name).await?;
        let mut admin = cluster.admin.connect("nexus:verify").await?;
        let databases = cluster::database_ids(&mut admin).await?.into_iter().collect();
        let expected = expected(reach, control, (&cluster, &mut admin)).await?;
        let _ = admin.close().await;
        let mut server = Self {
            sets,
            request,
            cluster,
            expected,
            versions: HashMap::new(),
            seen: HashMap::new(),
            databases,
            jobs,
            slots,
        };
        server.recall(control, tenants).await?;
        Ok(server)
    }

    /// Reads what the registry has of these tenants.
    pub(super) async fn recall(
        &mut self,
        control: &mut PgConnection,
        tenants: &[Tenant],
    ) -> Result<(), FleetError> {
        let ids: Vec<TenantId> = tenants.iter().map(|tenant| tenant.id).collect();
        let versions = store::versions(control, &ids).await?;
        self.versions = versions
            .into_iter()
            .map(|(id, set, version, files)| ((id, set), Registered { version, files }))
            .collect();
        if !self.request.full {
            let seen = store::seen(control, &ids, &self.expected.recipe).await?;
            self.seen = seen.into_iter().map(|row| (row.tenant_id.into(), row)).collect();
        }
        Ok(())
    }

    /// Remembers schemas that were read in full.
    pub(super) async fn remember(
        &self,
        control: &mut PgConnection,
        rows: &[SeenRow],
    ) -> Result<(), FleetError> {
        Ok(store::save_seen(control, rows, &self.expected.recipe).await?)
    }

    /// Asks one tenant.
    pub(super) async fn ask(&self, tenant: &Tenant) -> Answer {
        let asked = self.try_ask(tenant).await;
        match asked {
            Ok(answer) => answer,
            // It was deleted or closed at this moment.
            Err(ClusterError::Db(error)) if matches!(error.state(), Some("3D000" | "55000")) => {
                let detail = "its database takes no sessions";
                let finding = Finding::of(tenant, "not_asked", Severity::Notice, "its database", detail);
                Answer { findings: vec![finding], closed: true, ..Answer::default() }
            }
            Err(error) => {
                let detail = error.to_string();
                let finding = Finding::of(tenant, "unreachable", Severity::Unchecked, "its database", detail);
                Answer { findings: vec![finding], silent: true, ..Answer::default() }
            }
        }
    }

    async fn try_ask(&self, tenant: &Tenant) -> Result<Answer, ClusterError> {
        let place = self.cluster.admin.database(&tenant.resources.database_name);
        let mut session = place.connect_reading("nexus:verify").await?;
        let answer = self.look(&mut session, tenant).await;
        let _ = session.close().await;
        answer
    }

    fn registry(&self, tenant: &Tenant, set: &str) -> Option<Registered> {
        if set == BUILT_IN {
            return tenant.schema_version.map(|version| Registered { version, files: 0 });
        }
        self.versions.get(&(tenant.id, set.to_owned())).copied()
    }

    async fn look(&self, session: &mut PgConnection, tenant: &Tenant) -> Result<Answer, ClusterError> {
        let (database, row) =
            self.databases.get(&tenant.resources.database_name).cloned().unwrap_or_default();
        let all: Vec<&str> = self.sets.iter().map(|set| set.history.as_str()).collect();
        let seen = self.seen.get(&tenant.id);
        let written = cluster::written(session, database, &all, seen.map(SeenRow::written)).await?;
        let as_seen = |seen: &&SeenRow| {
            !written.schema.is_empty()
                && seen.counters == written.schema
                && seen.catalogue.rsplit_once('/').is_some_and(|(_, then)| then == row)
        };
        let known = seen.filter(as_seen);
        let histories = self.histories(session, tenant, known).await?;
        let mut answer = Answer::default();
        let (versions, pending) = self.standing(tenant, &histories, &mut answer);
        let seen = match known {
            Some(row) => SeenRow { written: written.anywhere, ..row.clone() },
            None => self.catalogue(session, tenant, (written, &row), &mut answer).await?,
        };
        let seen = SeenRow { histories: histories_digest(&histories), ..seen };
        if tenant.adopted {
            self.compare_ours(session, tenant, (&versions, seen), &mut answer).await?;
        } else if versions == self.expected.versions {
            self.compare(session, tenant, seen, &mut answer).await?;
        } else {
            answer.uncompared = true;
            self.note(tenant, OTHER_FILES, &mut answer);
        }
        answer.pending = pending > 0 && !answer.differs();
        Ok(answer)
    }

    /// What the histories hold. They are not read again where nothing was written since they held
    /// what they should.
    async fn histories(
        &self,
        session: &mut PgConnection,
        tenant: &Tenant,
        known: Option<&SeenRow>,
    ) -> Result<Histories, ClusterError> {
        let as_registered =
            |set: &Set| (set.history.clone(), as_registered(set, self.registry(tenant, &set.name)));
        let registered: Histories = self.sets.iter().map(as_registered).collect();
        if known.is_some_and(|row| row.histories == histories_digest(&registered)) {
            return Ok(registered);
        }
        let names = self.sets.iter().map(|set| set.history.as_str());
        let (others, likely): (Vec<&str>, Vec<&str>) =
            names.partition(|name| registered.get(*name) == Some(&HistoryState::Absent));
        Ok(db::histories(session, &likely, &others).await?)
    }

    /// Compares every history; the versions that they come to, and how many files are not there yet.
    fn standing(&self, tenant: &Tenant, histories: &Histories, answer: &mut Answer) -> (Versions, usize) {
        let (mut versions, mut pending) = (Versions::new(), 0);
        for set in self.sets {
            let absent = HistoryState::Absent;
            let history = histories.get(&set.history).unwrap_or(&absent);
            let standing = standing(tenant, set, history, self.registry(tenant, &set.name));
            answer.findings.extend(standing.findings);
            versions.extend(standing.version.map(|version| (set.name.clone(), (version, standing.files))));
            if standing.pending > 0 && self.request.differences {
                let detail = format!("{} pending", counted(standing.pending, "migration"));
                let object = format!("table {}", set.history);
                let finding = Finding::of(tenant, "pending", Severity::Notice, object, detail);
                answer.findings.push(finding.in_set(&set.name));
            }
            pending += standing.pending;
        }
        (versions, pending)
    }

    fn note(&self, tenant: &Tenant, why: &str, answer: &mut Answer) {
        if self.request.differences {
            answer.findings.push(Finding::of(tenant, "not_compared", Severity::Notice, "its schema", why));
        }
    }

    /// What the catalogue is now, with the schema's digest where it is the same as when that was read;
    /// and indexes that are no good.
    async fn catalogue(
        &self,
        session: &mut PgConnection,
        tenant: &Tenant,
        (written, row): (Written, &str),
        answer: &mut Answer,
    ) -> Result<SeenRow, ClusterError> {
        let seen = self.seen.get(&tenant.id);
        // Where the server counts and counted on, something was written.
        let is_counted =
            !written.schema.is_empty() && seen.is_none_or(|row| written.goes_on_from(&row.counters));
        let catalogue = cluster::catalogue(session, !is_counted).await?;
        let rows = format!("{}/{row}", catalogue.rows);
        for index in &catalogue.invalid {
            let (object, detail) =
                (format!("index {index}"), "it is invalid: a concurrent build of it failed");
            answer.findings.push(Finding::of(tenant, "index_invalid", ERROR, object, detail));
        }
        let known = seen.filter(|seen| !is_counted && seen.catalogue == rows);
        // What is wrong with an index must be found again.
        let written = if catalogue.invalid.is_empty() { written } else { Written::default() };
        Ok(SeenRow {
            tenant_id: tenant.id.uuid(),
            counters: written.schema,
            written: written.anywhere,
            histories: String::new(),
            digest: known.map(|row| row.digest.clone()).unwrap_or_default(),
            catalogue: rows,
        })
    }

    /// Compares the schema with the template's.
    async fn compare(
        &self,
        session: &mut PgConnection,
        tenant: &Tenant,
        mut seen: SeenRow,
        answer: &mut Answer,
    ) -> Result<(), ClusterError> {
        let parts = parts(tenant);
        if seen.digest.is_empty() {
            seen.digest = cluster::schema_digest(session, parts).await?;
        }
        let digest = seen.digest.clone();
        if self.seen.get(&tenant.id).is_none_or(|row| *row != seen) {
            answer.seen = Some(seen);
        }
        if digest == self.expected.digest {
            return Ok(());
        }
        let lines = cluster::schema_lines(session, parts).await?;
        let found = differences(&self.expected.lines, &lines);
        answer.findings.extend(told(tenant, found, self.request.differences));
        Ok(())
    }

    /// Of a database that was there before Nexus, compares what the sets made with the template's:
    /// the rest is its owner's affair.
    async fn compare_ours(
        &self,
        session: &mut PgConnection,
        tenant: &Tenant,
        (versions, mut seen): (&Versions, SeenRow),
        answer: &mut Answer,
    ) -> Result<(), ClusterError> {
        let wholly = *versions == self.expected.versions;
        if versions.get(BUILT_IN) != self.expected.versions.get(BUILT_IN) {
            answer.uncompared = true;
            self.note(tenant, OTHER_FILES, answer);
            return Ok(());
        }
        let why = if wholly {
            "its database existed before Nexus: only what the sets created was compared"
        } else {
            "its database existed before Nexus, and its sets have other files than the template: only schema nexus was compared"
        };
        self.note(tenant, why, answer);
        let expected = made_by_sets(&self.expected.lines, wholly);
        if seen.digest != digest(&expected) {
            let found = about(&expected, cluster::schema_lines(session, parts(tenant)).await?);
            seen.digest = digest(&found);
            let found = differences(&expected, &found);
            if !found.is_empty() {
                answer.findings.extend(told(tenant, found, self.request.differences));
            }
        }
        if self.seen.get(&tenant.id).is_none_or(|row| *row != seen) {
            answer.seen = Some(seen);
        }
        Ok(())
    }
}

fn parts(tenant: &Tenant) -> Parts<'_> {
    let names = &tenant.resources;
    Parts {
        owner: &names.owner_role,
        app: &names.app_role,
        database: &names.database_name,
        adopted: tenant.adopted,
    }
}

/// Whether a failure means that a whole server cannot be asked.
pub(super) fn is_of_server(error: &FleetError) -> bool {
    use crate::features::placement::PlacementError;
    let (FleetError::Db(db)
    | FleetError::Cluster(ClusterError::Db(db))
    | FleetError::Placement(PlacementError::Db(db))) = error
    else {
        return false;
    };
    matches!(db, DbError::Unreachable { .. } | DbError::LoginRefused { .. })
}
