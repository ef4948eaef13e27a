//! One file on a clone, watched from a second session.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::model::{Lock, Step, StepError};
use super::store;
use super::tasks::SetFiles;
use crate::features::migrations::{BUILT_IN, File, Set};
use crate::infra::cluster::{ClusterError, Held, Locks, process_of, table_files};
use crate::infra::db::{
    DbError, History, PgConnection, Script, ServerAddress, refusal, require_unchanged, standing, transaction,
};

/// How often locks are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Runs a set's files on a clone, up to one that fails. `login` owns the clone; `admin` looks on.
pub(super) async fn run(
    login: &ServerAddress,
    admin: &ServerAddress,
    tasks: &SetFiles<'_>,
) -> Result<Vec<Step>, ClusterError> {
    let mut watcher = admin.database(&login.database).connect_reading("nexus:rehearsal").await?;
    let mut steps = Vec::new();
    for (file, begun) in &tasks.files {
        // As in a run, where the login acts as another role; here it owns the copy itself.
        let mut session = login.connect_acting("nexus:rehearsal", &login.user).await?;
        let step = one(&mut session, &mut watcher, (tasks.set, &login.user), (file, *begun)).await?;
        let _ = session.close().await;
        let failed = step.error.is_some();
        steps.push(step);
        if failed {
            break;
        }
    }
    let _ = watcher.close().await;
    Ok(steps)
}

/// The schemas that names in a set's files are looked for in, as in a run.
fn path(set: &Set) -> &'static str {
    if set.name == BUILT_IN { "pg_catalog, pg_temp" } else { "public, pg_temp" }
}

async fn one(
    session: &mut PgConnection,
    watcher: &mut PgConnection,
    (set, owner): (&Set, &str),
    (file, begun): (&File, bool),
) -> Result<Step, ClusterError> {
    let process = process_of(session).await?;
    let before = table_files(watcher).await?;
    let mut locks = Locks::default();
    let began = Instant::now();
    let in_transaction = file.directives.transaction;
    let ended = if in_transaction {
        let mut tx = transaction(session).await?;
        store::limit(&mut tx, path(set), file.directives.statement_timeout).await?;
        let was = standing(&mut tx).await?;
        let run = async {
            store::run(&mut tx, &file.up).await?;
            require_unchanged(&mut tx, &was, owner).await
        };
        let ended = watched(run, &mut locks, watcher, process).await?;
        if ended.is_ok() {
            // Every lock is still held.
            locks.look(watcher, process).await?;
        }
        match ended {
            Ok(()) => tx.commit().await.map_err(DbError::from),
            Err(error) => Err(error),
        }
    } else {
        watched(apart(session, (set, owner), (file, begun)), &mut locks, watcher, process).await?
    };
    let end = Instant::now();
    let after = table_files(watcher).await?;
    let error = ended.err().map(|error| StepError {
        sqlstate: error.state().map(str::to_owned),
        message: match error {
            DbError::Refused { message, .. } => refusal(&message).unwrap_or(&message).to_owned(),
            other => other.to_string(),
        },
    });
    Ok(Step {
        set: set.name.clone(),
        version: file.version,
        description: file.description.clone(),
        milliseconds: whole(end - began),
        locks: told(locks.held(end, in_transaction), &before),
        rewritten: before
            .into_iter()
            .filter(|(table, file)| after.get(table).is_some_and(|now| now != file))
            .map(|(table, _)| table)
            .collect(),
        error,
    })
}

/// A file that runs outside a transaction, each of its statements by itself, with its row in the
/// history.
async fn apart(
    session: &mut PgConnection,
    (set, owner): (&Set, &str),
    (file, begun): (&File, bool),
) -> Result<(), DbError> {
    let history = History::new(&set.history);
    let script = Script {
        version: file.version,
        description: &file.description,
        checksum: &file.checksum,
        text: &file.up,
        in_transaction: false,
        search_path: path(set),
        // Nobody else holds a lock on a clone.
        lock_timeout: Duration::ZERO,
        statement_timeout: file.directives.statement_timeout.unwrap_or_default(),
        owner,
        at_its_end: "",
        another_follows: false,
    };
    history.make(session, &[]).await?;
    let ended =
        if begun { history.finish(session, script).await } else { history.apply(session, script).await };
    ended.map_err(|error| error.error.into())
}

/// Waits for the work, and looks at its locks meanwhile.
async fn watched(
    work: impl Future<Output = Result<(), DbError>>,
    locks: &mut Locks,
    watcher: &mut PgConnection,
    process: i32,
) -> Result<Result<(), DbError>, ClusterError> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            ended = &mut work => return Ok(ended),
            () = tokio::time::sleep(LOOK) => locks.look(watcher, process).await?,
        }
    }
}

/// Locks on tables that were there before: nobody waits for a new one.
fn told(held: BTreeMap<String, Held>, before: &BTreeMap<String, i64>) -> Vec<Lock> {
    held.into_iter()
        .filter(|(table, _)| before.contains_key(table))
        .map(|(table, held)| Lock { table, mode: held.mode, milliseconds: whole(held.time) })
        .collect()
}

pub(super) fn whole(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
