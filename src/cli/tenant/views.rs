//! How tenants look.

use serde::Serialize;

use super::super::output::{Column, Row, Thing, row, thing, time_text};
use crate::features::provisioning::{
    AdoptedTenant, Attempt, BatchRow, Changed, CreateOutcome, Created, PlannedStep, Repaired,
};
use crate::features::tenants::{Facts, Profile, Renamed, TenantView, Updated, UsageLimits};
use crate::kernel::{Failure, Labels, OperationId, TenantId, Word};

/// Labels as they are typed.
pub(super) fn labels_text(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn modules_text(modules: &[Word]) -> String {
    modules.iter().map(Word::as_str).collect::<Vec<_>>().join(",")
}

/// Limits as JSON names them; those that are none are left out.
fn limits_text(limits: &UsageLimits) -> String {
    limit_pairs(limits).into_iter().map(|(name, most)| format!("{name}={most}")).collect::<Vec<_>>().join(",")
}

fn limit_pairs(limits: &UsageLimits) -> Vec<(&'static str, i64)> {
    let all = [
        ("max_users", limits.max_users),
        ("max_storage_bytes", limits.max_storage_bytes),
        ("max_requests_a_month", limits.max_requests_a_month),
    ];
    all.into_iter().filter_map(|(name, most)| Some((name, most?))).collect()
}

row! { it: TenantView, it.slug;
    text "slug": it.slug,
    text "name": it.name,
    text "state": it.state.as_str(),
    text "labels": labels_text(&it.labels),
    text "created_at": it.created_at,
    text "id": it.id,
}

fn facts(tenant: &TenantView) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("slug", tenant.slug.clone()),
        ("name", tenant.name.clone()),
        ("state", tenant.state.as_str().to_owned()),
        ("id", tenant.id.to_string()),
        ("admin_email", tenant.admin_email.clone().unwrap_or_default()),
        ("labels", labels_text(&tenant.labels)),
        ("tier", tenant.tier.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("segment", tenant.segment.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("business_type", tenant.business_type.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("modules", modules_text(&tenant.modules)),
        ("limits", limits_text(&tenant.limits)),
        ("cluster", tenant.cluster.clone()),
        ("store", tenant.store.clone()),
        ("database", tenant.database.clone()),
        ("role", tenant.role.clone()),
        ("bucket", tenant.bucket.clone()),
        ("schema_version", tenant.schema_version.map(|version| version.to_string()).unwrap_or_default()),
        ("created_at", time_text(tenant.created_at)),
        ("updated_at", time_text(tenant.updated_at)),
    ];
    if tenant.shared_key {
        facts.push(("shared_key", "true: other tenants of this store hold the same key".to_owned()));
    }
    if tenant.adopted {
        facts.push(("adopted", "true: its database and its logins existed before Nexus".to_owned()));
    }
    if let Some(why) = &tenant.suspension {
        facts.push(("suspended_at", time_text(why.at)));
        facts.push(("suspended_by", why.by.clone()));
        facts.push(("suspension_reason", why.reason.clone()));
    }
    if let Some(trash) = &tenant.trash {
        facts.push(("deleted_at", time_text(trash.at)));
        facts.push(("deleted_by", trash.by.clone()));
        facts.push(("purge_after", time_text(trash.purge_after)));
    }
    facts
}

impl Thing for TenantView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        facts(self)
    }

    fn id(&self) -> String {
        self.slug.clone()
    }
}

/// A tenant, with the slugs that still lead to it.
#[derive(Debug, Serialize)]
pub(super) struct ShownView {
    #[serde(flatten)]
    pub(super) tenant: TenantView,
    pub(super) former_slugs: Vec<String>,
    pub(super) usage: MonthView,
}

/// What a tenant uses in a calendar month (UTC).
#[derive(Debug, Serialize)]
pub(super) struct MonthView {
    pub(super) month: String,
    /// Requests of its users to the API.
    pub(super) requests: i64,
}

impl Thing for ShownView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = facts(&self.tenant);
        fields.push(("former_slugs", self.former_slugs.join(",")));
        fields.push(("usage", format!("{} requests in {}", self.usage.requests, self.usage.month)));
        fields
    }

    fn id(&self) -> String {
        self.tenant.slug.clone()
    }
}

/// What came of a change of one of many tenants.
#[derive(Debug, Serialize)]
pub(super) struct UpdatedView {
    /// Its slug; what was typed, where there is no such tenant.
    pub(super) slug: String,
    /// `updated`, `unchanged`, `planned` or `failed`.
    pub(super) outcome: &'static str,
    /// Its id.
    pub(super) id: Option<TenantId>,
    /// How it was.
    pub(super) before: Option<Facts>,
    /// How it is, or would be.
    pub(super) after: Option<Facts>,
    /// Why it failed: a stable code.
    pub(super) code: Option<&'static str>,
    /// Why it failed, in words.
    pub(super) error: Option<String>,
}

impl UpdatedView {
    /// Of those that were tried.
    pub(super) fn of(row: BatchRow<Updated>) -> Option<Self> {
        match row.attempt {
            Attempt::Done(updated) => Some(updated.into()),
            Attempt::Failed(error) | Attempt::Skipped(error) => Some(Self {
                slug: row.slug,
                outcome: "failed",
                id: None,
                before: None,
                after: None,
                code: Some(error.code()),
                error: Some(error.to_string()),
            }),
            Attempt::NotTried => None,
        }
    }
}

impl From<Updated> for UpdatedView {
    fn from(updated: Updated) -> Self {
        Self {
            slug: updated.slug,
            outcome: updated.outcome.as_str(),
            id: Some(updated.id),
            before: Some(updated.before),
            after: Some(updated.after),
            code: None,
            error: None,
        }
    }
}

impl Row for UpdatedView {
    const COLUMNS: &'static [Column] = &[
        Column::text("slug"),
        Column::text("outcome"),
        Column::text("before"),
        Column::text("after"),
        Column::text("id"),
        Column::text("code"),
        Column::text("error"),
    ];

    fn cells(&self) -> Vec<String> {
        let (before, after) = differences(self.before.as_ref(), self.after.as_ref());
        vec![
            self.slug.clone(),
            self.outcome.to_owned(),
            before,
            after,
            self.id.map(|id| id.to_string()).unwrap_or_default(),
            self.code.unwrap_or_default().to_owned(),
            self.error.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.slug.clone()
    }
}

/// What differs, as it was and as it is.
fn differences(before: Option<&Facts>, after: Option<&Facts>) -> (String, String) {
    let (Some(before), Some(after)) = (before, after) else { return Default::default() };
    let unlike = |one: &Facts, other: &Facts| {
        let name = (one.name != other.name).then(|| format!("name={}", one.name));
        let labels = one.labels.iter().filter(|&(key, value)| other.labels.get(key) != Some(value));
        let labels = labels.map(|(key, value)| format!("label.{key}={value}"));
        let theirs = profile_texts(&other.profile);
        let profile = profile_texts(&one.profile).into_iter().filter(|text| !theirs.contains(text));
        name.into_iter().chain(labels).chain(profile).collect::<Vec<_>>().join(",")
    };
    (unlike(before, after), unlike(after, before))
}

/// Each part of a profile that is set.
fn profile_texts(profile: &Profile) -> Vec<String> {
    let words =
        [("tier", &profile.tier), ("segment", &profile.segment), ("business_type", &profile.business_type)];
    let words = words.into_iter().filter_map(|(name, word)| Some(format!("{name}={}", word.as_ref()?)));
    let modules = profile.modules.iter().map(|module| format!("module={module}"));
    let limits = limit_pairs(&profile.limits).into_iter().map(|(name, most)| format!("{name}={most}"));
    words.chain(modules).chain(limits).collect()
}

thing! { it: Renamed, it.slug;
    "slug": it.slug,
    "former_slug": it.former_slug,
    "outcome": it.outcome.as_str(),
    "id": it.id,
}

impl Thing for Changed {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = facts(&self.tenant);
        fields.push(("outcome", self.outcome.as_str().to_owned()));
        fields.push(("operation", self.operation.map(|id| id.to_string()).unwrap_or_default()));
        fields
    }

    fn id(&self) -> String {
        self.tenant.slug.clone()
    }
}

impl Thing for AdoptedTenant {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = facts(&self.tenant);
        fields.push(("outcome", self.outcome.as_str().to_owned()));
        fields.push(("operation", self.operation.map(|id| id.to_string()).unwrap_or_default()));
        fields
    }

    fn id(&self) -> String {
        self.tenant.slug.clone()
    }
}

/// A tenant that was asked for, with the invitation where it was asked for, too.
#[derive(Debug, Serialize)]
pub(super) struct CreatedView {
    #[serde(flatten)]
    pub(super) created: Created,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invitation: Option<String>,
}

impl Thing for CreatedView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = facts(&self.created.tenant);
        fields.push(("outcome", outcome_text(self.created.outcome).to_owned()));
        fields.push(("operation", self.created.operation.to_string()));
        if let Some(invitation) = &self.invitation {
            fields.push(("invitation", invitation.clone()));
        }
        fields
    }

    fn id(&self) -> String {
        self.created.tenant.slug.clone()
    }
}

pub(super) fn outcome_text(outcome: CreateOutcome) -> &'static str {
    match outcome {
        CreateOutcome::Created => "created",
        CreateOutcome::Unchanged => "unchanged",
        CreateOutcome::Finished => "finished",
        CreateOutcome::Planned => "planned",
    }
}

/// What came of one line of a file.
#[derive(Debug, Serialize)]
pub(super) struct LineView {
    /// The line, from 1.
    pub(super) line: usize,
    /// Which tenant.
    pub(super) slug: String,
    /// `created`, `unchanged`, `finished`, `planned`, `failed` or `skipped`.
    pub(super) outcome: &'static str,
    /// The tenant's id.
    pub(super) id: Option<String>,
    /// The operation.
    pub(super) operation: Option<OperationId>,
    /// Why it failed: a stable code.
    pub(super) code: Option<&'static str>,
    /// Why it failed, in words.
    pub(super) error: Option<String>,
}

impl LineView {
    /// Of one that nobody began.
    pub(super) fn without(line: usize, slug: String, outcome: &'static str) -> Self {
        Self { line, slug, outcome, id: None, operation: None, code: None, error: None }
    }

    pub(super) fn of(line: usize, row: BatchRow<Created>) -> Self {
        match row.attempt {
            Attempt::Done(created) => Self {
                id: Some(created.tenant.id.to_string()),
                operation: Some(created.operation),
                ..Self::without(line, row.slug, outcome_text(created.outcome))
            },
            Attempt::Failed(error) | Attempt::Skipped(error) => Self {
                operation: error.operation(),
                code: Some(error.code()),
                error: Some(error.to_string()),
                ..Self::without(line, row.slug, "failed")
            },
            Attempt::NotTried => Self::without(line, row.slug, "skipped"),
        }
    }
}

row! { it: LineView, it.slug;
    number "line": it.line,
    text "slug": it.slug,
    text "outcome": it.outcome,
    text "id": it.id,
    text "operation": it.operation,
    text "code": it.code,
    text "error": it.error,
}

row! { it: Repaired, it.tenant;
    text "tenant": it.tenant,
    text "outcome": it.outcome.as_str(),
    text "steps": it.steps.join(","),
    text "operation": it.operation,
    text "error": it.error,
}

row! { it: PlannedStep, it.step;
    text "step": it.step,
    text "effect": it.effect,
}
