//! What a run would do in a tenant: what its histories lack, and what it would refuse it for.

use super::model::{Step, StepError};
use crate::features::migrations::{File, Set, differs_in_line_ends};
use crate::infra::db::{Applied, DbError, History, PgConnection, ServerAddress, repeatable};

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
        let history = history(&mut session, set).await?;
        refused.extend(history.iter().filter_map(|row| refusal(set, row)));
        let newest = history.iter().filter(|row| row.success).map(|row| row.version).max().unwrap_or(0);
        let there = |file: &File| history.iter().find(|row| row.version == file.version);
        let missing = set.files.iter().filter(|file| there(file).is_none_or(|row| !row.success));
        let files: Vec<_> = missing.map(|file| (file, there(file).is_some())).collect();
        let late = files.iter().map(|(file, _)| file.version).filter(|version| *version < newest).collect();
        work.push(SetFiles { set, files, late });
    }
    let _ = session.close().await;
    Ok((work, refused))
}

async fn history(session: &mut PgConnection, set: &Set) -> Result<Vec<Applied>, DbError> {
    match History::new(&set.history).read(session).await {
        // Undefined table, invalid schema name: nothing was applied.
        Err(error) if matches!(error.state(), Some("42P01" | "3F000")) => Ok(Vec::new()),
        other => other,
    }
}

/// Why a run would refuse a tenant with such a row.
fn refusal(set: &Set, row: &Applied) -> Option<Step> {
    let file = set.files.iter().find(|file| file.version == row.version);
    let message = match file {
        None => "it was applied, and the set has no such file",
        Some(file) if row.success && differs_in_line_ends(&file.up, &row.checksum) => {
            "it has different line endings than when it was applied"
        }
        Some(file) if row.success && file.checksum != row.checksum => "it has changed since it was applied",
        Some(file) if !row.success && (file.directives.transaction || !repeatable(&file.up)) => {
            "it was interrupted outside a transaction, and cannot be repeated as it is"
        }
        Some(_) => return None,
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
