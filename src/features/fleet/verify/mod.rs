//! Asking every tenant whether its database is what its histories and the template say.
//!
//! A session that asks is the administrator's, so nothing of the tenant's own may run in it: the
//! search path is PostgreSQL's own, the transaction is read-only, only the catalogue is read, and
//! histories once they are known to be plain tables.

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;

use super::asking::{Scope, skip_reason};
use super::error::FleetError;
use crate::features::access::{self, About, rights};
use crate::features::migrations;
use crate::features::tenants::{self, Tenant, TenantState};
use crate::infra::db::PgConnection;
use crate::kernel::hint::{PlaceAction, PlaceKind};
use crate::kernel::text::counted;
use crate::kernel::{Caller, Event, Location, Progress, Severity, Subject, Verdict};

mod compare;
mod model;
mod server;
mod store;
mod template;

pub use model::{Comparison, Finding, Verified, VerifyRequest};
use server::{Answer, Server, is_of_server};

/// A server with its tenants.
type Group<'a> = (Server<'a>, Vec<Tenant>);

/// Asks tenants. What differs is asked a second time before it is told, so that a change under way
/// at this moment is no drift.
///
/// # Errors
/// When the control database does not answer, a named tenant is not there, or it was stopped.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn verify(
    reach: Scope<'_>,
    control: &mut PgConnection,
    caller: &Caller,
    request: &VerifyRequest,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Verified, FleetError> {
    let caller = &access::authorize(control, caller, &rights::MIGRATION_VERIFY, About::Platform).await?;
    let sets = migrations::sets(control, &request.sources, &[]).await?;
    for file in sets.iter().flat_map(|set| &set.misnamed).filter(|it| it.flaw.looks_meant()) {
        progress.event(Event::Note(file.to_string()));
    }
    let rows = request.wanted.tenants(control, caller).await?;
    let mut report = Verified::default();
    let mut placed: BTreeMap<String, Vec<Tenant>> = BTreeMap::new();
    for tenant in rows {
        if let Some(reason) = skip_reason(tenant.state) {
            // Who fills a pool has many of them, which no customer has.
            if tenant.state != TenantState::Pooled {
                report.left_out += 1;
                let finding = Finding::of(&tenant, "not_asked", Severity::Notice, "its database", reason);
                report.report.findings.push(finding);
            }
        } else {
            placed.entry(tenant.cluster.clone()).or_default().push(tenant);
        }
    }
    progress.event(Event::Total(placed.values().map(|tenants| tenants.len() as u64).sum()));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (name, tenants) in placed {
        match Server::prepare(reach, control, (&sets, request), (&name, &tenants)).await {
            Ok(server) => groups.push((server, tenants)),
            Err(error) if is_of_server(&error) => report.unreachable(&name, tenants.len(), &error),
            Err(error) => return Err(error),
        }
    }
    let answers = ask_all(&groups, progress, stop).await;
    let answers = confirm(control, &mut groups, answers, stop).await?;
    for (server, _) in &mut groups {
        if let Some(slots) = server.slots.take() {
            slots.give_back(control).await?;
        }
    }
    if stop.is_cancelled() {
        return Err(FleetError::Stopped);
    }
    for (at, (server, _)) in groups.iter().enumerate() {
        let seen: Vec<_> =
            answers.iter().filter(|(of, _)| of.0 == at).filter_map(|(_, it)| it.seen.clone()).collect();
        if !seen.is_empty() {
            server.remember(control, &seen).await?;
        }
    }
    for (_, answer) in answers {
        report.take(answer);
    }
    report.sort();
    Ok(report)
}

/// Which server of the groups, and which of its tenants.
type At = (usize, usize);

async fn ask_all(
    groups: &[Group<'_>],
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Vec<(At, Answer)> {
    let streams: Vec<BoxStream<'_, (At, Answer)>> = groups
        .iter()
        .enumerate()
        .map(|(group, (server, tenants))| {
            let asking = tenants.iter().enumerate().map(move |(index, tenant)| async move {
                let answer = if stop.is_cancelled() { Answer::default() } else { server.ask(tenant).await };
                let ok = !answer.silent && !answer.differs();
                progress.event(Event::Done { subject: tenant.slug.clone(), ok });
                ((group, index), answer)
            });
            stream::iter(asking).buffer_unordered(server.jobs).boxed()
        })
        .collect();
    stream::select_all(streams).collect().await
}

/// Asks those a second time that seemed to differ, did not answer, or take no sessions, with the
/// registry as it is now. A second look that sees nothing takes nothing back.
async fn confirm(
    control: &mut PgConnection,
    groups: &mut [Group<'_>],
    answers: Vec<(At, Answer)>,
    stop: &CancellationToken,
) -> Result<Vec<(At, Answer)>, FleetError> {
    let (retry, mut sure): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, it)| it.differs() || it.silent || it.closed);
    let mut retry: HashMap<At, Answer> = retry.into_iter().collect();
    for (group, (server, tenants)) in groups.iter_mut().enumerate() {
        let mut rows = Vec::new();
        for (index, tenant) in tenants.iter().enumerate() {
            if !retry.contains_key(&(group, index)) {
                continue;
            }
            match tenants::by_id(control, tenant.id).await? {
                Some(row) => rows.push((index, row)),
                None => drop(retry.remove(&(group, index))),
            }
        }
        if rows.is_empty() || stop.is_cancelled() {
            continue;
        }
        let now: Vec<Tenant> = rows.iter().map(|(_, row)| row.clone()).collect();
        server.recall(control, &now).await?;
        let server = &*server;
        let asking = rows.iter().map(|(index, tenant)| async move {
            let answer = match skip_reason(tenant.state) {
                None => server.ask(tenant).await.of_living(tenant),
                Some(_) => Answer { closed: true, ..Answer::default() },
            };
            ((group, *index), answer)
        });
        let asked = stream::iter(asking).buffer_unordered(server.jobs).collect::<Vec<_>>().await;
        for (at, second) in asked {
            let first = retry.remove(&at).unwrap_or_default();
            sure.push((at, if second.silent && first.differs() { first } else { second }));
        }
    }
    sure.extend(retry);
    Ok(sure)
}

impl Verified {
    fn unreachable(&mut self, cluster: &str, tenants: usize, error: &FleetError) {
        self.unchecked += tenants;
        let place = Location::Cluster(cluster.to_owned());
        self.report.findings.push(Finding {
            code: "cluster_unreachable".into(),
            severity: Severity::Unchecked,
            subject: Subject { object: place.to_string(), place, ..Subject::default() },
            detail: format!("it holds {}: {error}", counted(tenants, "tenant")),
            fix: vec![PlaceAction::Check(PlaceKind::Cluster, Some(cluster.to_owned())).into()],
            extra: Comparison::default(),
        });
    }

    fn take(&mut self, answer: Answer) {
        if answer.silent {
            self.unchecked += 1;
        } else if answer.closed {
            self.left_out += 1;
        } else {
            self.asked += 1;
            self.drifted += usize::from(answer.differs());
            self.pending += usize::from(answer.pending);
            self.uncompared += usize::from(answer.uncompared);
            self.ahead += usize::from(answer.uncompared && !answer.pending && !answer.differs());
        }
        self.report.findings.extend(answer.findings);
    }

    /// How it ends.
    ///
    /// # Errors
    /// [`FleetError::Drift`]; [`FleetError::Unchecked`]; [`FleetError::NotCompared`] where tenants have every
    /// file and the template has not.
    pub fn verdict(&self) -> Result<(), FleetError> {
        let (drifted, asked, unchecked) = (self.drifted, self.asked, self.unchecked);
        match self.report.verdict() {
            Verdict::Well if self.ahead > 0 => {
                Err(FleetError::NotCompared { uncompared: self.ahead, total: asked })
            }
            Verdict::Well => Ok(()),
            Verdict::Unchecked { .. } => Err(FleetError::Unchecked { unchecked, total: asked + unchecked }),
            Verdict::Faulty { .. } => Err(FleetError::Drift { drifted, asked, unchecked }),
        }
    }
}
