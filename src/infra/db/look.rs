//! One look at a server through another session: is a session of ours at work there?

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};

use super::liveness::Watch;
use super::{ServerAddress, literal};

/// How long a session to look with may take to be had.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may take to say who is at work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often in a row a session is seen with nothing to do before its answer counts as lost.
const IDLE_LOOKS: u32 = 3;

/// What a look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// The session is at work.
    AtWork,
    /// The server has nothing to do for the session, which may have its answer in a moment.
    Quiet,
    /// The server has had nothing to do for the session for several looks, or does not know it.
    Idle,
    /// The server answers, and nothing tells that the session is at work.
    None,
    /// The server does not answer.
    NoAnswer,
}

/// A session that the server names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    pid: i32,
    /// None where the login may not see it.
    state: Option<String>,
    changed: Option<String>,
    text: String,
}

pub(super) struct Look {
    watch: Arc<Watch>,
    text: Option<String>,
    session: Option<sqlx::PgConnection>,
    before: Vec<Seen>,
    idle: u32,
}

impl Look {
    pub(super) fn new(watch: Arc<Watch>, text: Option<String>) -> Self {
        Self { watch, text, session: None, before: Vec::new(), idle: 0 }
    }

    pub(super) async fn look(&mut self) -> Sign {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => match self.enter().await {
                Some(session) => session,
                None => return Sign::NoAnswer,
            },
        };
        let Ok(Ok(seen)) = tokio::time::timeout(ANSWER_TIMEOUT, self.ask(&mut session)).await else {
            return Sign::NoAnswer;
        };
        let sign = self.judge(seen);
        if sign != Sign::AtWork {
            self.session = Some(session);
        }
        sign
    }

    /// With the session's own login, which sees its own sessions; else with another that this process
    /// has there.
    async fn enter(&self) -> Option<sqlx::PgConnection> {
        let own = &self.watch.server;
        for server in [own.clone()].into_iter().chain(self.watch.health.other_logins(own)) {
            match server.enter_to_look(CONNECT_TIMEOUT).await {
                Ok(session) => return Some(session),
                // A refusal is an answer: another login may be let in.
                Err(sqlx::Error::Database(_)) => {}
                Err(_) => return None,
            }
        }
        None
    }

    async fn ask(&self, session: &mut sqlx::PgConnection) -> Result<Vec<Seen>, sqlx::Error> {
        let ServerAddress { user, database, .. } = &self.watch.server;
        let statement = format!(
            "select pid, state, state_change::text, query from pg_catalog.pg_stat_activity
             where usename operator(pg_catalog.=) {} and datname operator(pg_catalog.=) {}
               and application_name operator(pg_catalog.=) {}
               and pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()",
            literal(user),
            literal(database),
            literal(&self.watch.application),
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(session).await?;
        let seen = rows.iter().map(|row| {
            let text: Option<String> = row.try_get(3)?;
            let (pid, state, changed) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(Seen { pid, state, changed, text: text.unwrap_or_default() })
        });
        seen.collect()
    }

    fn judge(&mut self, seen: Vec<Seen>) -> Sign {
        if seen.iter().any(|it| it.state.is_none()) {
            return Sign::None;
        }
        let ours = |it: &&Seen| self.text.as_deref().is_none_or(|text| begins_alike(text, &it.text));
        let mut at_work = seen.iter().filter(ours).filter(|it| it.is_at_work()).peekable();
        if at_work.peek().is_some() {
            self.idle = 0;
            let stopped = at_work.all(|it| is_stopped(&self.watch.server, it.pid));
            return if stopped { Sign::None } else { Sign::AtWork };
        }
        self.idle = if seen == self.before { self.idle + 1 } else { 1 };
        self.before = seen;
        if self.idle < IDLE_LOOKS { Sign::Quiet } else { Sign::Idle }
    }
}

impl Seen {
    fn is_at_work(&self) -> bool {
        // "disabled": the server keeps no record of what its sessions do (track_activities).
        matches!(self.state.as_deref(), Some("active" | "fastpath function call" | "disabled"))
    }
}

/// The server keeps the first kilobyte of a statement (`track_activity_query_size`), we less.
fn begins_alike(ours: &str, theirs: &str) -> bool {
    theirs.starts_with(ours) || ours.starts_with(theirs)
}

/// Whether the system has stopped a process of a server on this machine. Somewhere else nobody tells.
#[cfg(target_os = "linux")]
fn is_stopped(server: &ServerAddress, pid: i32) -> bool {
    // proc(5): the state comes after the name, which is in parentheses and may hold some.
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let state = |stat: String| stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    server.is_on_this_machine() && matches!(stat().and_then(state), Some('T' | 't'))
}

#[cfg(not(target_os = "linux"))]
fn is_stopped(_: &ServerAddress, _: i32) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_recognised_by_its_beginning_however_much_of_it_is_kept() {
        assert!(begins_alike("select 1", "select 1"));
        assert!(begins_alike("select 1 from a", "select 1"));
        assert!(begins_alike("select 1", "select 1 from a"));
        assert!(!begins_alike("select 1", "select 2"));
    }
}
