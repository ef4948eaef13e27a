//! What a run would do in a tenant: what its histories lack, and what it would refuse it for.

use super::model::{Step, StepError};
use crate::features::migrations::{File, Set, differs_in_line_ends};
use crate::infra::db::{
    Applied, DbError, History, HistoryFault, HistoryRows, ServerAddress, is_no_history, repeatable,
};

/// The files of a set that are to come.
pub(super) struct SetFiles<'a> {
    pub(super) set: &'a Set,
    /// By version; each with whether it was begun before and cut short.
    pub(super) files: Vec<(&'a File, bool)>,
    /// Of these some are older than the newest that is there.
    pub(super) late: Vec<i64>,
}

/// Reads the histories in a clone; what a run would refuse the tenant for comes back as steps that
/// failed, and then it would do nothing.
pub(super) async fn read<'a>(
    login: &ServerAddress,
    sets: &'a [Set],
) -> Result<(Vec<SetFiles<'a>>, Vec<Step>), DbError> {
    let limits = [("search_path", "pg_catalog, pg_temp".to_owned())];
    let mut session = login.connect_within("nexus:rehearsal", &limits).await?;
    let (mut work, mut refused) = (Vec::new(), Vec::new());
    for set in sets {
        let held = match History::new(&set.history).read(&mut session).await {
            Err(error) if is_no_history(&error) => HistoryRows::default(),
            other => other?,
        };
        let faults = held.faults(set.checksums());
        refused.extend(faults.into_iter().filter_map(|(row, fault)| refusal(set, row, fault)));
        let missing = set.files.iter().filter(|file| !held.has(file.version));
        let files: Vec<_> = missing.map(|file| (file, held.get(file.version).is_some())).collect();
        let is_late = |version: &i64| held.newest().is_some_and(|newest| *version < newest);
        let late = files.iter().map(|(file, _)| file.version).filter(is_late).collect();
        work.push(SetFiles { set, files, late });
    }
    let _ = session.close().await;
    Ok((work, refused))
}

/// Why a run would refuse a tenant with such a row.
fn refusal(set: &Set, row: &Applied, fault: HistoryFault) -> Option<Step> {
    let file = set.files.iter().find(|file| file.version == row.version);
    let message = match (fault, file) {
        (_, None) => "it was applied, and the set has no such file",
        (HistoryFault::CutShort, Some(file)) if !file.directives.transaction && repeatable(&file.up) => {
            return None;
        }
        (HistoryFault::CutShort, _) => {
            "it was interrupted outside a transaction, and cannot be repeated as it is"
        }
        (_, Some(file)) if differs_in_line_ends(&file.up, &row.checksum) => {
            "it has different line endings than when it was applied"
        }
        _ => "it has changed since it was applied",
    };
    Some(Step {
        set: set.name.clone(),
        version: row.version,
        description: file.map(|file| file.description.clone()).unwrap_or_default(),
        milliseconds: 0,
        locks: Vec::new(),
        rewritten: Vec::new(),
        error: Some(StepError { sqlstate: None, message: message.to_owned() }),
    })
}
