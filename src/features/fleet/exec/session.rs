//! The statement in one tenant's database, as the tenant's own login: nothing that was planted there
//! has more rights than the tenant has.

use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::model::{ExecLine, ExecOutcome, ExecRequest, object};
use super::store;
use crate::infra::db::{DbError, PgConnection, ServerAddress, snapshot, transaction};

/// Where lines go. Nobody listens any more: whoever sends stops.
pub(super) type Lines = mpsc::Sender<ExecLine>;

/// How it ended in one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Failed,
    /// The server did not answer.
    Unreachable,
}

/// Runs it. Rows are handed over as they come, and an error after them.
pub(super) async fn run(login: &ServerAddress, slug: &str, request: &ExecRequest, lines: &Lines) -> Ended {
    let ended = within(login, slug, request, lines).await;
    let Err(error) = ended else { return Ended::Done };
    let ended = match &error {
        DbError::Unreachable { .. } => Ended::Unreachable,
        _ => Ended::Failed,
    };
    let (sqlstate, message) = match error {
        DbError::Refused { state, message, .. } => (Some(state), message),
        other => (None, other.to_string()),
    };
    tell(lines, slug, ExecOutcome::Error { sqlstate, message }).await;
    ended
}

async fn tell(lines: &Lines, slug: &str, outcome: ExecOutcome) -> bool {
    lines.send(ExecLine { tenant: slug.to_owned(), outcome }).await.is_ok()
}

async fn within(
    login: &ServerAddress,
    slug: &str,
    request: &ExecRequest,
    lines: &Lines,
) -> Result<(), DbError> {
    let limits = [
        ("default_transaction_read_only", if request.write { "off" } else { "on" }.to_owned()),
        ("statement_timeout", request.statement_timeout.as_millis().to_string()),
        ("lock_timeout", request.lock_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", "60000".to_owned()),
        ("client_connection_check_interval", "500".to_owned()),
    ];
    let mut session = login.connect_within("nexus:exec", &limits).await?;
    let ended = if request.write {
        let mut tx = transaction(&mut session).await?;
        match statement(&mut tx, slug, request, lines).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(error) => Err(error),
        }
    } else {
        let mut tx = snapshot(&mut session).await?;
        store::first_query(&mut tx).await?;
        let ended = statement(&mut tx, slug, request, lines).await;
        // Whatever a read-only transaction lets through is taken back.
        let _ = tx.rollback().await;
        ended
    };
    let _ = session.close().await;
    ended
}

async fn statement(
    session: &mut PgConnection,
    slug: &str,
    request: &ExecRequest,
    lines: &Lines,
) -> Result<(), DbError> {
    let statement = &request.statement;
    let columns = store::columns(session, statement.text()).await?;
    if columns.is_empty() {
        let affected = store::run(session, statement.text()).await?;
        tell(lines, slug, ExecOutcome::RowsAffected(affected)).await;
        return Ok(());
    }
    for wrapped in statement.as_json() {
        if can_be_read(session, &wrapped).await? {
            let mut rows = store::rows(session, wrapped);
            while let Some(row) = rows.next().await {
                if !tell(lines, slug, ExecOutcome::Row(row?.unwrap_or_default())).await {
                    break;
                }
            }
            return Ok(());
        }
    }
    // Few have rows and cannot be part of another: SHOW, EXPLAIN, CALL.
    let mut rows = store::texts(session, statement.text().to_owned());
    while let Some(row) = rows.next().await {
        if !tell(lines, slug, ExecOutcome::Row(object(&columns, row?))).await {
            break;
        }
    }
    Ok(())
}

/// Whether the server takes the statement, within a savepoint, so that a no spoils nothing.
async fn can_be_read(session: &mut PgConnection, wrapped: &str) -> Result<bool, DbError> {
    let mut attempt = transaction(session).await?;
    let taken = store::columns(&mut attempt, wrapped).await;
    attempt.rollback().await?;
    match taken {
        Ok(_) => Ok(true),
        // 42601: a syntax error; 0A000: not supported there.
        Err(error) if matches!(error.state(), Some("42601" | "0A000")) => Ok(false),
        Err(error) => Err(error),
    }
}
