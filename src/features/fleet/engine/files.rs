//! The files of a run, as they were kept when it began: what was approved is what runs.

use std::collections::HashMap;
use std::time::Duration;

use crate::features::fleet::error::FleetError;
use crate::features::fleet::model::{Plan, PlannedSet};
use crate::features::fleet::runs::store;
use crate::features::migrations::{BUILT_IN, Directives, File};
use crate::infra::cluster::REALM_GRANTS;
use crate::infra::db::{History, PgConnection, Script};

/// A set of a run.
pub(super) struct RunSet {
    pub(super) planned: PlannedSet,
    pub(super) history: History,
    /// By version.
    pub(super) files: Vec<RunFile>,
}

/// A file of a run.
pub(super) struct RunFile {
    pub(super) version: i64,
    pub(super) description: String,
    pub(super) checksum: Vec<u8>,
    pub(super) up: String,
    pub(super) down: Option<String>,
    directives: Directives,
    down_directives: Directives,
    built_in: bool,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Reads the files of a plan.
pub(super) async fn load(control: &mut PgConnection, plan: &Plan) -> Result<Vec<RunSet>, FleetError> {
    let mut by_set: HashMap<String, Vec<RunFile>> = HashMap::new();
    for kept in store::kept_files(control, plan).await? {
        let name = format!("{}_{}", kept.version, kept.description.replace(' ', "_"));
        let parsed = File::parse(&name, kept.up, kept.down)?;
        let down_directives = parsed.back().map_or(parsed.directives, |(_, directives)| directives);
        by_set.entry(kept.set_name.clone()).or_default().push(RunFile {
            version: kept.version,
            description: kept.description,
            checksum: kept.checksum,
            up: parsed.up,
            down: parsed.down,
            directives: parsed.directives,
            down_directives,
            built_in: kept.set_name == BUILT_IN,
        });
    }
    for file in &plan.files {
        let kept =
            by_set.get(&file.set).is_some_and(|files| files.iter().any(|it| it.version == file.version));
        if !kept {
            return Err(FleetError::FilesGone { set: file.set.clone() });
        }
    }
    let sets = plan.sets.iter().map(|set| RunSet {
        planned: set.clone(),
        history: History::new(&set.history),
        files: by_set.remove(&set.name).unwrap_or_default(),
    });
    Ok(sets.collect())
}

impl RunFile {
    /// What a person calls it.
    pub(super) fn name(&self) -> String {
        format!("{}_{}", self.version, self.description.replace(' ', "_"))
    }

    /// Whether it goes up in a transaction.
    pub(super) fn script_runs_in_transaction(&self) -> bool {
        self.directives.transaction
    }

    /// The text of one way, and what it asks for.
    pub(super) fn text(&self, direction: Direction) -> &str {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => self.down.as_deref().unwrap_or_default(),
        }
    }

    /// As it is applied or taken back; what the file says of timeouts goes before what the run says.
    pub(super) fn script<'a>(
        &'a self,
        direction: Direction,
        (lock_timeout, statement_timeout): (Duration, Duration),
        (owner, another_follows): (&'a str, bool),
    ) -> Script<'a> {
        let directives = if direction == Direction::Up { self.directives } else { self.down_directives };
        Script {
            version: self.version,
            description: &self.description,
            checksum: &self.checksum,
            text: self.text(direction),
            in_transaction: directives.transaction,
            // Names in schema pg_catalog come first all the same (manual, chapter 5.9.3).
            search_path: if self.built_in { "pg_catalog, pg_temp" } else { "public, pg_temp" },
            lock_timeout: directives.lock_timeout.unwrap_or(lock_timeout),
            statement_timeout: directives.statement_timeout.unwrap_or(statement_timeout),
            owner,
            at_its_end: if self.built_in { REALM_GRANTS } else { "" },
            another_follows,
        }
    }
}
