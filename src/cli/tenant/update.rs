//! `nexus tenant update`.

use std::collections::BTreeSet;

use super::super::usage::UsageError;
use super::super::{CommandResult, Exit, Invocation};
use super::views::UpdatedView;
use super::{UpdateArgs, facilities};
use crate::app::App;
use crate::features::tenants::{self, Change, ChangeOutcome};
use crate::kernel::{ErrorKind, Event, Failure, Progress};

/// Some tenants could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {total} tenants could not be changed")]
struct NotUpdated {
    failed: u64,
    total: usize,
}

impl Failure for NotUpdated {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Partial
    }

    fn code(&self) -> &'static str {
        "some_not_updated"
    }

    fn hints(&self) -> Vec<String> {
        vec!["repeat the command: what is changed already is left as it is".to_owned()]
    }

    fn details(&self) -> serde_json::Value {
        serde_json::json!({ "failed": self.failed, "total": self.total })
    }
}

pub(super) async fn run(args: UpdateArgs, on: &Invocation) -> CommandResult {
    let (chosen, asked) = (args.tenants.clone(), facilities::asked(&args));
    let change = change(args)?;
    let (settings, caller) = (on.settings()?, on.caller());
    let progress = on.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let dry_run = on.global.dry_run;
    if let Some(name) = chosen.one() {
        let updated = tenants::update(&mut app.control, &caller, name, &change, dry_run).await;
        drop(progress);
        let mut updated = updated?;
        if facilities::allow(&mut app, &caller, name, &asked, on).await? {
            updated.outcome = if dry_run { ChangeOutcome::Planned } else { ChangeOutcome::Updated };
        }
        if updated.outcome == ChangeOutcome::Unchanged {
            on.screen.note(&format!("tenant {} is so already; nothing was changed", updated.slug));
        }
        on.screen.list([UpdatedView::from(updated)])?;
        return Ok(Exit::Done);
    }
    let all = chosen.tenants(&mut app, &caller).await?;
    let total = all.len();
    progress.event(Event::Total(total as u64));
    let mut list = on.screen.list_writer();
    let (mut failed, mut unchanged) = (0, 0);
    for one in all {
        if on.interrupt.is_cancelled() {
            break;
        }
        let result = tenants::update(&mut app.control, &caller, &one.tenant, &change, dry_run).await;
        progress.event(Event::Done { subject: one.slug.clone(), ok: result.is_ok() });
        let row = match result {
            // The server is gone: the others would fail in the same way.
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error.into()),
            Err(error) => {
                failed += 1;
                failed_row(one.slug, &error)
            }
            Ok(updated) => {
                unchanged += u64::from(updated.outcome == ChangeOutcome::Unchanged);
                updated.into()
            }
        };
        list.row(&row)?;
    }
    list.finish()?;
    drop(progress);
    on.screen.note(&format!("{total} tenant(s) looked at; {unchanged} were so already"));
    match failed {
        _ if on.interrupt.is_cancelled() => Ok(Exit::Interrupted),
        0 => Ok(Exit::Done),
        _ => Err(NotUpdated { failed, total }.into()),
    }
}

/// The change that is asked for, if it makes sense as a whole.
fn change(args: UpdateArgs) -> Result<Change, UsageError> {
    if args.name.is_some() && args.tenants.one().is_none() {
        return Err(UsageError::new("--name is for one tenant, and several are named", []));
    }
    if !facilities::asked(&args).is_empty() && args.tenants.one().is_none() {
        let text = "--advisory-locks and --large-objects are for one tenant, and several are named";
        return Err(UsageError::new(text, []));
    }
    let mut keys = BTreeSet::new();
    let named = args.labels.iter().map(|label| &label.key).chain(&args.unlabel);
    for key in named {
        if !keys.insert(key) {
            return Err(UsageError::new(format!("label {key} is named twice"), []));
        }
    }
    Ok(Change { name: args.name, set: args.labels, unset: args.unlabel })
}

fn failed_row(slug: String, error: &dyn Failure) -> UpdatedView {
    UpdatedView {
        slug,
        outcome: "failed",
        id: None,
        before: None,
        after: None,
        code: Some(error.code()),
        error: Some(error.to_string()),
    }
}
