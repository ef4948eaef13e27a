//! One tenant: what its own histories say, and the files that it lacks, in a session that may do
//! nothing but what the owner of its database may.

use super::files::{Direction, RunFile, RunSet};
use super::session::{Acting, Look, look};
use super::store::Claimed;
use crate::features::fleet::model::{Settings, Versions};
use crate::features::fleet::runs::{AppliedView, NoticeView};
use crate::features::fleet::tenant_failure::{Retry, TenantFailure};
use crate::features::migrations::{LINE_ENDS_HINT, differs_in_line_ends};
use crate::infra::db::{
    HistoryFault, HistoryRows, Notices, PgConnection, hearing, invalid_indexes, repeatable,
};
use crate::infra::failpoint;
use crate::kernel::Hint;
use crate::kernel::hint::{MigrateAction, SetAction};
use crate::kernel::{Event, Progress};
use std::time::{Duration, Instant};

/// What one attempt came to.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) before: Option<Versions>,
    pub(super) after: Option<Versions>,
    /// How many files each of its histories holds.
    pub(super) files: Option<Versions>,
    /// What was applied or taken back, in order.
    pub(super) applied: Vec<AppliedView>,
    /// What PostgreSQL said meanwhile: the first of it.
    pub(super) notices: Vec<NoticeView>,
    /// How much of that there was.
    pub(super) notices_count: usize,
    pub(super) failure: Option<TenantFailure>,
}

/// Most that is kept of what PostgreSQL said in one tenant.
const NOTICES: usize = 20;

impl Attempt {
    /// Keeps what PostgreSQL said while a file ran.
    fn heard(&mut self, set: &RunSet, file: &RunFile, said: Notices) {
        self.notices_count += said.count;
        let left = NOTICES.saturating_sub(self.notices.len());
        self.notices.extend(said.first.into_iter().take(left).map(|notice| NoticeView {
            set: set.planned.name.clone(),
            file: file.name(),
            level: notice.level,
            text: notice.text,
        }));
    }
}

/// What a tenant's histories hold, in the order of the run's sets.
type Histories = Vec<HistoryRows>;

/// Brings one tenant where the run leads, once.
pub(super) async fn attempt(
    acting: Acting<'_>,
    tenant: &Claimed,
    sets: &[RunSet],
    settings: Settings,
    progress: &dyn Progress,
) -> Attempt {
    let mut attempt = Attempt::default();
    let looked = Box::pin(look(acting, tenant, sets)).await;
    let Look { mut session, mut histories } = match looked {
        Ok(look) => look,
        Err(failure) => return Attempt { failure: Some(failure), ..attempt },
    };
    attempt.before = Some(newest(sets, &histories));
    attempt.applied = unrecorded(tenant, sets, &histories);
    let work = Work {
        session: &mut session,
        sets,
        times: (settings.lock_timeout(), settings.statement_timeout()),
        owner: &tenant.owner_role,
        slug: &tenant.slug,
        progress,
    };
    let worked = match &tenant.to_revert {
        Some(list) => work.back(&list.0, &mut histories, &mut attempt).await,
        None => work.forward(&mut histories, &mut attempt).await,
    };
    attempt.failure = worked.err();
    attempt.after = Some(newest(sets, &histories));
    attempt.files = Some(counts(sets, &histories));
    let _ = session.close().await;
    attempt
}

/// What a process applied that died before it could say so: it is this run's work all the same.
fn unrecorded(tenant: &Claimed, sets: &[RunSet], histories: &Histories) -> Vec<AppliedView> {
    let mut found = Vec::new();
    if tenant.attempts < 2 || tenant.to_revert.is_some() {
        return found;
    }
    for (set, history) in sets.iter().zip(histories) {
        let name = &set.planned.name;
        let before = tenant.before.as_ref().and_then(|it| it.0.get(name)).copied().unwrap_or(0);
        let known = |version| tenant.applied.0.iter().any(|it| it.set == *name && it.version == version);
        for row in history.whole().filter(|row| row.version > before) {
            if !known(row.version) && set.files.iter().any(|file| file.version == row.version) {
                found.push(AppliedView { set: name.clone(), version: row.version, milliseconds: 0 });
            }
        }
    }
    found
}

fn newest(sets: &[RunSet], histories: &Histories) -> Versions {
    let of =
        |(set, history): (&RunSet, &HistoryRows)| (set.planned.name.clone(), history.newest().unwrap_or(0));
    sets.iter().zip(histories).map(of).collect()
}

fn counts(sets: &[RunSet], histories: &Histories) -> Versions {
    let of = |(set, history): (&RunSet, &HistoryRows)| (set.planned.name.clone(), history.count());
    sets.iter().zip(histories).map(of).collect()
}

struct Work<'a> {
    session: &'a mut PgConnection,
    sets: &'a [RunSet],
    /// How long a lock is waited for, and how long a statement may take.
    times: (Duration, Duration),
    owner: &'a str,
    slug: &'a str,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Applies what is missing. Nothing is begun before all histories are found to be in order.
    async fn forward(
        mut self,
        histories: &mut Histories,
        attempt: &mut Attempt,
    ) -> Result<(), TenantFailure> {
        for (set, history) in self.sets.iter().zip(&*histories) {
            check(set, history)?;
            for row in history.iter().filter(|row| !row.success) {
                self.cut_short(set, row.version).await?;
            }
        }
        let missing = self.sets.iter().zip(&*histories);
        let mut left: usize = missing
            .map(|(set, history)| set.files.iter().filter(|file| !history.has(file.version)).count())
            .sum();
        for (set, history) in self.sets.iter().zip(histories) {
            for file in &set.files {
                if history.has(file.version) {
                    continue;
                }
                let name = || format!("fleet.apply.{}", file.version);
                failpoint::pass(|| format!("{}.before", name())).await;
                let began = Instant::now();
                left = left.saturating_sub(1);
                let script = file.script(Direction::Up, self.times, (self.owner, left > 0));
                let (applied, said) = match history.get(file.version) {
                    None => hearing(set.history.apply(self.session, script)).await,
                    Some(_) => hearing(set.history.finish(self.session, script)).await,
                };
                attempt.heard(set, file, said);
                applied.map_err(|error| TenantFailure::of_script(error, &file.name(), &file.up))?;
                failpoint::pass(|| format!("{}.after", name())).await;
                history.insert(file.version, file.checksum.clone());
                attempt.applied.push(view(set, file, began));
            }
        }
        Ok(())
    }

    /// A file that runs outside a transaction was cut short: it can be repeated as it is, or a
    /// person must look. What it left is named either way.
    async fn cut_short(&mut self, set: &RunSet, version: i64) -> Result<(), TenantFailure> {
        let Some(file) = set.files.iter().find(|file| file.version == version) else { return Ok(()) };
        let invalid = invalid_indexes(self.session).await.map_err(TenantFailure::of_db)?;
        if file.script_runs_in_transaction() || !repeatable(&file.up) {
            return Err(half_applied(set, file, &invalid));
        }
        if !invalid.is_empty() {
            let (slug, names) = (self.slug, invalid.join(", "));
            let note =
                format!("{slug}: {} was interrupted and left invalid: {names}; repeating it", file.name());
            self.progress.event(Event::Note(note));
        }
        Ok(())
    }

    /// Takes back what another run applied, the last first.
    async fn back(
        self,
        list: &[AppliedView],
        histories: &mut Histories,
        attempt: &mut Attempt,
    ) -> Result<(), TenantFailure> {
        for (item, left) in list.iter().rev().zip((0..list.len()).rev()) {
            let Some(index) = self.sets.iter().position(|set| set.planned.name == item.set) else { continue };
            let set = &self.sets[index];
            let Some(file) = set.files.iter().find(|file| file.version == item.version) else { continue };
            // Somebody took it back already.
            let Some(row) = histories[index].get(item.version) else { continue };
            if row.checksum != file.checksum {
                return Err(changed(set, file, &row.checksum));
            }
            failpoint::pass(|| format!("fleet.revert.{}.before", file.version)).await;
            let began = Instant::now();
            let script = file.script(Direction::Down, self.times, (self.owner, left > 0));
            let (reverted, said) = hearing(set.history.revert(self.session, script)).await;
            attempt.heard(set, file, said);
            reverted.map_err(|error| {
                TenantFailure::of_script(error, &format!("{}.down", file.name()), file.text(Direction::Down))
            })?;
            histories[index].remove(item.version);
            attempt.applied.push(view(set, file, began));
        }
        Ok(())
    }
}

fn view(set: &RunSet, file: &RunFile, began: Instant) -> AppliedView {
    let milliseconds = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    AppliedView { set: set.planned.name.clone(), version: file.version, milliseconds }
}

/// Whether a history is one that the run's files can go on from.
fn check(set: &RunSet, history: &HistoryRows) -> Result<(), TenantFailure> {
    let name = &set.planned.name;
    for (row, fault) in history.faults(set.files.iter().map(|file| (file.version, &*file.checksum))) {
        let Some(file) = set.files.iter().find(|file| file.version == row.version) else {
            // What is newer than all that may run was left out on purpose.
            if row.version > set.planned.version && row.success && set.planned.cut {
                continue;
            }
            return Err(TenantFailure::fixed(
                "version_unknown",
                format!("version {} of set {name} was applied, and the set has no such file", row.version),
                Hint::new(
                    format!("use the files that it came from, or say so in {}", set.history.name()),
                    SetAction::Show(name.clone()),
                ),
            ));
        };
        if fault == HistoryFault::Changed {
            return Err(changed(set, file, &row.checksum));
        }
    }
    Ok(())
}

fn changed(set: &RunSet, file: &RunFile, applied: &[u8]) -> TenantFailure {
    let name = &set.planned.name;
    if differs_in_line_ends(&file.up, applied) {
        let message =
            format!("{} of set {name} has different line endings than when it was applied", file.name());
        return TenantFailure::fixed("file_changed", message, LINE_ENDS_HINT);
    }
    TenantFailure::fixed(
        "file_changed",
        format!("{} of set {name} has changed since it was applied", file.name()),
        Hint::new(
            "put the file back as it was, and write what it should do now as a new one",
            MigrateAction::NewFile(Some(name.clone())),
        ),
    )
}

fn half_applied(set: &RunSet, file: &RunFile, invalid: &[String]) -> TenantFailure {
    let named = if invalid.is_empty() { String::new() } else { format!("; invalid: {}", invalid.join(", ")) };
    let table = set.history.name();
    TenantFailure::fixed(
        "half_applied",
        format!(
            "{} of set {} was interrupted outside a transaction, and cannot be repeated as it is{named}",
            file.name(),
            set.planned.name
        ),
        format!(
            "see what of it is done and finish it by hand, then: update {table} set success = true where \
             version = {0}; or undo it, then: delete from {table} where version = {0}",
            file.version
        ),
    )
}

impl TenantFailure {
    /// Whether it went away while nobody looked, and how soon it may be tried again.
    pub(super) fn may_be_retried(&self) -> bool {
        self.retry != Retry::No
    }
}
