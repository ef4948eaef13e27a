//! Plans and runs as they are written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::output::{Column, Row, Thing, time_text};
use crate::features::fleet::{
    Planned, PlannedFile, PlannedSet, PlannedTenant, RunTenantView, RunView, SkippedTenant, TenantState,
    WayBack,
};
use crate::kernel::ids::RunId;
use crate::kernel::text::counted;

/// A set in a plan, and where the tenants stand that lack something of it.
#[derive(Debug, Serialize)]
pub(super) struct PlannedSetView<'a> {
    #[serde(flatten)]
    set: &'a PlannedSet,
    /// How many tenants are at which version.
    tenants: BTreeMap<i64, u64>,
}

/// A wave of a plan.
#[derive(Debug, Serialize)]
pub(super) struct WaveView<'a> {
    name: &'a str,
    tenants: usize,
}

/// A plan.
#[derive(Debug, Serialize)]
pub(super) struct PlanView<'a> {
    /// `pending` or `nothing_to_do`.
    outcome: &'static str,
    sets: Vec<PlannedSetView<'a>>,
    files: Vec<&'a PlannedFile>,
    waves: Vec<WaveView<'a>>,
    tenants: &'a [PlannedTenant],
    skipped: &'a [SkippedTenant],
}

impl<'a> PlanView<'a> {
    pub(super) fn of(planned: &'a Planned) -> Self {
        let at = |set: &PlannedSet| {
            let mut tenants = BTreeMap::new();
            for tenant in &planned.tenants {
                *tenants.entry(tenant.before.get(&set.name).copied().unwrap_or(0)).or_insert(0) += 1;
            }
            tenants
        };
        let size = |wave: usize| planned.tenants.iter().filter(|tenant| tenant.wave == wave).count();
        let plan = &planned.plan;
        Self {
            outcome: if planned.is_empty() { "nothing_to_do" } else { "pending" },
            sets: plan.sets.iter().map(|set| PlannedSetView { set, tenants: at(set) }).collect(),
            files: plan.files.iter().filter(|file| file.pending).collect(),
            waves: plan
                .waves
                .iter()
                .enumerate()
                .map(|(index, name)| WaveView { name, tenants: size(index) })
                .collect(),
            tenants: &planned.tenants,
            skipped: &planned.skipped,
        }
    }
}

impl Thing for PlanView<'_> {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let join = |texts: Vec<String>| texts.join("; ");
        let at = |set: &PlannedSetView<'_>| {
            let counts = set.tenants.iter().map(|(version, count)| format!("{count} at {version}"));
            format!("{} to {}: {}", set.set.name, set.set.version, counts.collect::<Vec<_>>().join(", "))
        };
        let file = |file: &&PlannedFile| {
            format!("{} {}_{}", file.set, file.version, file.description.replace(' ', "_"))
        };
        vec![
            ("outcome", self.outcome.to_owned()),
            ("tenants", self.tenants.len().to_string()),
            ("sets", join(self.sets.iter().map(at).collect())),
            ("files", join(self.files.iter().map(file).collect())),
            (
                "waves",
                join(self.waves.iter().map(|wave| format!("{}: {}", wave.name, wave.tenants)).collect()),
            ),
            (
                "skipped",
                join(self.skipped.iter().map(|it| format!("{} is {}", it.slug, it.state.as_str())).collect()),
            ),
        ]
    }

    fn id(&self) -> String {
        self.tenants.iter().map(|tenant| tenant.slug.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// What a rollback would do.
#[derive(Debug, Serialize)]
pub(super) struct WayBackView<'a> {
    /// `pending` or `nothing_to_do`.
    outcome: &'static str,
    /// The run that would be rolled back.
    run: RunId,
    /// Its files, in the order in which they would be rolled back.
    files: Vec<FileBack<'a>>,
    tenants: Vec<TenantBack<'a>>,
}

/// A file that would be rolled back.
#[derive(Debug, Serialize)]
struct FileBack<'a> {
    set: &'a str,
    version: i64,
    /// What would run.
    file: String,
    /// In how many tenants.
    tenants: usize,
}

/// A tenant in which something would be rolled back.
#[derive(Debug, Serialize)]
struct TenantBack<'a> {
    slug: &'a str,
    cluster: &'a str,
    /// What would be rolled back, the last first.
    files: Vec<String>,
}

impl<'a> WayBackView<'a> {
    pub(super) fn of(run: RunId, way: &'a WayBack) -> Self {
        let name = |set: &str, version: i64| {
            let file = way.plan.files.iter().find(|file| file.set == set && file.version == version);
            let title = file.map_or(String::new(), |file| format!("_{}", file.description.replace(' ', "_")));
            format!("{version}{title}.down.sql")
        };
        let has = |tenant: &&RunTenantView, file: &PlannedFile| {
            tenant.applied.0.iter().any(|it| it.set == file.set && it.version == file.version)
        };
        let pending = way.plan.files.iter().rev().filter(|file| file.pending);
        let files = pending.map(|file| FileBack {
            set: &file.set,
            version: file.version,
            file: name(&file.set, file.version),
            tenants: way.tenants.iter().filter(|tenant| has(tenant, file)).count(),
        });
        let tenants = way.tenants.iter().map(|tenant| TenantBack {
            slug: &tenant.slug,
            cluster: &tenant.cluster,
            files: tenant.applied.0.iter().rev().map(|it| name(&it.set, it.version)).collect(),
        });
        let outcome = if way.tenants.is_empty() { "nothing_to_do" } else { "pending" };
        Self { outcome, run, files: files.collect(), tenants: tenants.collect() }
    }
}

impl Thing for WayBackView<'_> {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let would = self
            .files
            .iter()
            .map(|it| format!("{} of set {} in {}", it.file, it.set, counted(it.tenants, "tenant")))
            .collect::<Vec<_>>();
        let slugs: Vec<&str> = self.tenants.iter().take(10).map(|tenant| tenant.slug).collect();
        let more = self.tenants.len().saturating_sub(slugs.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        vec![
            ("outcome", self.outcome.to_owned()),
            ("run", self.run.to_string()),
            ("would_roll_back", would.join("; ")),
            ("tenants", format!("{}: {}{more}", self.tenants.len(), slugs.join(", "))),
        ]
    }

    fn id(&self) -> String {
        self.tenants.iter().map(|tenant| tenant.slug).collect::<Vec<_>>().join("\n")
    }
}

/// A run with what is worth telling of its tenants.
#[derive(Debug, Serialize)]
pub(super) struct RunReport {
    /// How it ended: a run's state, or `nothing_to_do`.
    pub(super) outcome: &'static str,
    /// The run; `null`: none was needed.
    pub(super) run: Option<RunView>,
    /// Its tenants: those that failed or were left out, or all of them where one run is looked at.
    pub(super) tenants: Vec<RunTenantView>,
}

impl Thing for RunReport {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("outcome", self.outcome.to_owned())];
        if let Some(run) = &self.run {
            let versions: Vec<String> =
                run.versions.0.iter().map(|(set, version)| format!("{set} {version}")).collect();
            fields.extend([
                ("run", run.id.to_string()),
                ("selection", run.selection.clone()),
                ("versions", versions.join(", ")),
                ("tenants", run.tenants.to_string()),
                ("done", run.done.to_string()),
                ("failed", run.failed.to_string()),
                ("pending", run.pending.to_string()),
                ("running", run.running.to_string()),
                ("skipped", run.skipped.to_string()),
                ("wave", format!("{} of {}", run.wave, run.waves)),
                ("rolls_back", run.rolls_back.map(|id| id.to_string()).unwrap_or_default()),
                ("message", run.message.clone().unwrap_or_default()),
                ("created_at", time_text(run.created_at)),
                ("finished_at", run.finished_at.map(time_text).unwrap_or_default()),
            ]);
            let failed = self.tenants.iter().filter(|tenant| tenant.state == TenantState::Failed);
            let failed: Vec<String> = failed.map(failure_text).collect();
            fields.push(("failures", failed.join("; ")));
        }
        fields
    }

    fn id(&self) -> String {
        self.run.as_ref().map(|run| run.id.to_string()).unwrap_or_default()
    }
}

/// Who failed, and why, in one line.
pub(super) fn failure_text(tenant: &RunTenantView) -> String {
    let code = tenant.sqlstate.as_deref().or(tenant.code.as_deref()).unwrap_or_default();
    format!("{}: {code} {}", tenant.slug, tenant.message.as_deref().unwrap_or_default())
}

/// Most sentences of PostgreSQL that are shown of a run.
const SHOWN: usize = 10;

/// What PostgreSQL said while files ran, each sentence once with its file and its tenants.
pub(super) fn notice_texts(tenants: &[RunTenantView], run: RunId) -> Vec<String> {
    let mut said: BTreeMap<(&str, &str, &str, &str), Vec<&str>> = BTreeMap::new();
    for tenant in tenants {
        for notice in &tenant.notices.0 {
            // Warnings first.
            let rank = if notice.level == "warning" { "" } else { notice.level.as_str() };
            let key = (rank, notice.set.as_str(), notice.file.as_str(), notice.text.as_str());
            let slugs = said.entry(key).or_default();
            if slugs.last() != Some(&tenant.slug.as_str()) {
                slugs.push(&tenant.slug);
            }
        }
    }
    let more = said.len().saturating_sub(SHOWN);
    let kept: usize = tenants.iter().map(|tenant| tenant.notices.0.len()).sum();
    let heard: i32 = tenants.iter().map(|tenant| tenant.notices_count).sum();
    let text = |((rank, set, file, text), slugs): ((&str, &str, &str, &str), Vec<&str>)| {
        let level = if rank.is_empty() { "warning" } else { rank };
        let named: Vec<&str> = slugs.iter().take(3).copied().collect();
        let others = slugs.len().saturating_sub(named.len());
        let others = if others == 0 { String::new() } else { format!(" and {others} more") };
        format!("{level} in {} of {file} (set {set}): {text}", named.join(", ") + &others)
    };
    let mut texts: Vec<String> = said.into_iter().take(SHOWN).map(text).collect();
    if more > 0 || usize::try_from(heard).is_ok_and(|heard| heard > kept) {
        texts.push(format!("PostgreSQL said more than that: nexus -o json migrate runs show {run}"));
    }
    texts
}

impl RunReport {
    pub(super) fn of(run: RunView, tenants: Vec<RunTenantView>) -> Self {
        Self { outcome: run.state.as_str(), run: Some(run), tenants }
    }

    pub(super) fn nothing_to_do() -> Self {
        Self { outcome: "nothing_to_do", run: None, tenants: Vec::new() }
    }
}

impl Row for RunView {
    const COLUMNS: &'static [Column] = &[
        Column::text("id"),
        Column::text("kind"),
        Column::text("state"),
        Column::number("tenants"),
        Column::number("done"),
        Column::number("failed"),
        Column::number("pending"),
        Column::text("selection"),
        Column::text("created_at"),
    ];

    fn cells(&self) -> Vec<String> {
        let kind = if self.rolls_back.is_some() { "rollback" } else { "forward" };
        vec![
            self.id.to_string(),
            kind.to_owned(),
            self.state.as_str().to_owned(),
            self.tenants.to_string(),
            self.done.to_string(),
            self.failed.to_string(),
            self.pending.to_string(),
            self.selection.clone(),
            time_text(self.created_at),
        ]
    }

    fn id(&self) -> String {
        self.id.to_string()
    }
}
