//! The same change of many tenants, some at a time: a row for each result as it comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::Args;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::super::output::{Column, Row};
use super::super::{CommandResult, Exit, Invocation};
use super::{Selected, TenantSelection};
use crate::app::App;
use crate::features::provisioning::{Change, Changed, Provisioning, ProvisioningError, Worker};
use crate::features::tenants::TenantState;
use crate::infra::saga::Interrupted;
use crate::kernel::{AnyFailure, Caller, ErrorKind, Event, Failure, OperationId, Progress, TenantId};

/// How many are changed at once, and when to give up.
#[derive(Debug, Clone, Args)]
pub(super) struct Crew {
    /// Change this many at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Begin no more once this many have failed
    #[arg(long, value_name = "N")]
    pub max_failures: Option<u32>,
}

/// Some of many failed.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {total} tenants could not be changed")]
struct SomeFailed {
    failed: u32,
    skipped: usize,
    total: usize,
}

impl Failure for SomeFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Partial
    }

    fn code(&self) -> &'static str {
        "some_not_changed"
    }

    fn hints(&self) -> Vec<String> {
        vec!["repeat the command: what is done is left as it is, what was half done is finished".to_owned()]
    }

    fn details(&self) -> serde_json::Value {
        serde_json::json!({ "failed": self.failed, "skipped": self.skipped, "total": self.total })
    }
}

/// What came of a change of one tenant.
#[derive(Debug, Serialize)]
pub(super) struct ChangedView {
    /// Its slug; what was typed, where there is no such tenant.
    slug: String,
    /// What came of it, `failed` or `skipped`.
    outcome: &'static str,
    /// Where in its life it is now.
    state: Option<TenantState>,
    /// Its id.
    id: Option<TenantId>,
    /// The operation.
    operation: Option<OperationId>,
    /// Why it failed: a stable code.
    code: Option<&'static str>,
    /// Why it failed, in words.
    error: Option<String>,
}

impl From<Changed> for ChangedView {
    fn from(changed: Changed) -> Self {
        Self {
            slug: changed.tenant.slug,
            outcome: changed.outcome.as_str(),
            state: Some(changed.tenant.state),
            id: Some(changed.tenant.id),
            operation: changed.operation,
            code: None,
            error: None,
        }
    }
}

impl ChangedView {
    fn without(slug: String, outcome: &'static str) -> Self {
        Self { slug, outcome, state: None, id: None, operation: None, code: None, error: None }
    }

    fn failed(slug: String, error: &ProvisioningError) -> Self {
        Self {
            operation: error.operation(),
            code: Some(error.code()),
            error: Some(with_a_way_on(error)),
            ..Self::without(slug, "failed")
        }
    }
}

/// Why it failed, and the first thing to do.
pub(super) fn with_a_way_on(error: &ProvisioningError) -> String {
    match error.hints().first() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

impl Row for ChangedView {
    const COLUMNS: &'static [Column] = &[
        Column::text("slug"),
        Column::text("outcome"),
        Column::text("state"),
        Column::text("id"),
        Column::text("operation"),
        Column::text("code"),
        Column::text("error"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.slug.clone(),
            self.outcome.to_owned(),
            self.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            self.id.map(|id| id.to_string()).unwrap_or_default(),
            self.operation.map(|id| id.to_string()).unwrap_or_default(),
            self.code.unwrap_or_default().to_owned(),
            self.error.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.slug.clone()
    }
}

/// Changes those that were chosen. One that was named fails as the command itself.
pub(super) async fn of_selected(
    selection: &TenantSelection,
    change: Change,
    crew: &Crew,
    on: &Invocation,
) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let progress = on.screen.progress();
    if let Some(name) = selection.one() {
        let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
        let changed = one(&provisioning, &worker, &caller, (name, &change), &progress, on).await;
        drop(progress);
        on.screen.list([ChangedView::from(changed?)])?;
        return Ok(Exit::Done);
    }
    let mut app = App::open(&settings, &caller, &progress).await?;
    drop(progress);
    let chosen = selection.tenants(&mut app, &caller).await?;
    let ready = app.begin_work().await?;
    of_many(chosen, change, crew, ready, on).await
}

async fn one(
    provisioning: &Provisioning,
    worker: &Worker,
    caller: &Caller,
    (name, change): (&crate::features::tenants::TenantRef, &Change),
    progress: &dyn Progress,
    on: &Invocation,
) -> Result<Changed, ProvisioningError> {
    if on.global.dry_run {
        return provisioning.look_at_change(worker, caller, name, change).await;
    }
    Box::pin(provisioning.change(worker, caller, name, change, progress, &on.interrupt)).await
}

/// Changes these, each by itself.
pub(super) async fn of_many(
    chosen: Vec<Selected>,
    change: Change,
    crew: &Crew,
    (provisioning, first): (Provisioning, Worker),
    on: &Invocation,
) -> CommandResult {
    let total = chosen.len();
    let progress = Arc::new(on.screen.progress());
    progress.event(Event::Total(total as u64));
    let jobs = usize::from(crew.jobs).min(total);
    let shared = Arc::new(Shared {
        left: Mutex::new(chosen.into()),
        failed: AtomicU32::new(0),
        max_failures: crew.max_failures.unwrap_or(u32::MAX),
        change,
        caller: on.caller(),
        dry_run: on.global.dry_run,
    });
    let mut first = Some(first);
    let (results, incoming) = mpsc::channel(jobs.max(1) * 2);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..jobs {
        let (shared, provisioning, results) = (Arc::clone(&shared), provisioning.clone(), results.clone());
        let (progress, stop) = (Arc::clone(&progress), on.interrupt.clone());
        let given = first.take();
        workers.spawn(async move {
            let worker = match given {
                Some(worker) => worker,
                None => provisioning.another_worker().await?,
            };
            shared.work(&provisioning, &worker, &*progress, &stop, &results).await;
            Ok::<(), ProvisioningError>(())
        });
    }
    drop(results);
    let skipped = tell(incoming, &shared, on).await?;
    let connected = workers.join_all().await.into_iter().collect::<Result<Vec<()>, _>>();
    drop(progress);
    if on.interrupt.is_cancelled() {
        return Err(ProvisioningError::from(Interrupted).into());
    }
    connected?;
    match shared.failed.load(Ordering::Relaxed) {
        0 => Ok(Exit::Done),
        failed => Err(SomeFailed { failed, skipped, total }.into()),
    }
}

/// Writes a row for each result as it comes, and then for each that nobody began; how many those
/// are.
async fn tell(
    mut incoming: mpsc::Receiver<ChangedView>,
    shared: &Shared,
    on: &Invocation,
) -> Result<usize, AnyFailure> {
    let mut list = on.screen.list_writer();
    while let Some(row) = incoming.recv().await {
        list.row(&row)?;
    }
    let left: Vec<Selected> = shared.left.lock().await.drain(..).collect();
    let skipped = left.len();
    for one in left {
        list.row(&ChangedView::without(one.slug, "skipped"))?;
    }
    list.finish()?;
    Ok(skipped)
}

/// What the workers share.
struct Shared {
    left: Mutex<VecDeque<Selected>>,
    failed: AtomicU32,
    max_failures: u32,
    change: Change,
    caller: Caller,
    dry_run: bool,
}

impl Shared {
    async fn work(
        &self,
        provisioning: &Provisioning,
        worker: &Worker,
        progress: &dyn Progress,
        stop: &CancellationToken,
        results: &mpsc::Sender<ChangedView>,
    ) {
        while !stop.is_cancelled() && self.failed.load(Ordering::Relaxed) < self.max_failures {
            let Some(Selected { tenant, slug }) = self.left.lock().await.pop_front() else { return };
            let changed = if self.dry_run {
                provisioning.look_at_change(worker, &self.caller, &tenant, &self.change).await
            } else {
                let change = provisioning.change(worker, &self.caller, &tenant, &self.change, progress, stop);
                Box::pin(change).await
            };
            progress.event(Event::Done { subject: slug.clone(), ok: changed.is_ok() });
            let row = changed.map_or_else(
                |error| {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    ChangedView::failed(slug, &error)
                },
                ChangedView::from,
            );
            if results.send(row).await.is_err() {
                return;
            }
        }
    }
}
