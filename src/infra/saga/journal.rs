//! What is written down of an operation while it runs.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::infra::db::{DbError, PgConnection, literal, stored_as_text};
use crate::kernel::{Failure, OperationId};

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Encode, sqlx::Decode, serde::Serialize, ToSchema)]
#[sqlx(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Nothing was tried.
    Planned,
    /// The effect may be there, whole, in part or not at all.
    Started,
    /// The effect is there.
    Done,
    /// The effect was taken back.
    Undone,
}
stored_as_text!(StepState);

impl StepState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Started => "started",
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }
}

/// One step as recorded.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, serde::Serialize, ToSchema)]
#[schema(as = OperationStep)]
pub struct StepRecord {
    pub name: String,
    pub state: StepState,
    /// When it was last begun.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// When it was last finished.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

/// The records of one operation, written through the session that holds the tenant's lock: when
/// that session is gone so is the right to go on, and the next record fails.
#[derive(Debug, Clone)]
pub struct Journal {
    control: Arc<Mutex<PgConnection>>,
    operation: OperationId,
    kind: &'static str,
}

impl Journal {
    /// Of an operation of a kind, e.g. `create`.
    #[must_use]
    pub fn new(control: Arc<Mutex<PgConnection>>, operation: OperationId, kind: &'static str) -> Self {
        Self { control, operation, kind }
    }

    /// The operation's kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Plans the steps, the first of them as begun, in the transaction of the operation's intent.
    pub async fn plan(
        connection: &mut PgConnection,
        operation: OperationId,
        steps: &[(&'static str, bool)],
    ) -> Result<(), DbError> {
        let (names, begun): (Vec<&str>, Vec<bool>) = steps.iter().copied().unzip();
        sqlx::query(
            "insert into control.operation_steps (operation_id, position, name, state, started_at)
             select $1, position, name, case when begun then 'started' else 'planned' end,
                    case when begun then now() end
             from unnest($2::text[], $3::bool[]) with ordinality as step (name, begun, position)",
        )
        .bind(operation)
        .bind(names)
        .bind(begun)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// The same as a statement's text, for a batch that goes to the server at once, where a condition
    /// holds.
    #[must_use]
    pub fn plan_statement(operation: OperationId, steps: &[(&'static str, bool)], condition: &str) -> String {
        let rows = steps.iter().enumerate().map(|(index, (name, begun))| {
            let state = if *begun { "started" } else { "planned" };
            format!("({}, {}, '{state}')", index + 1, literal(name))
        });
        format!(
            "insert into control.operation_steps (operation_id, position, name, state, started_at)
             select '{operation}'::uuid, position, name, state, case when state = 'started' then now() end
             from (values {}) as step (position, name, state) where {condition}",
            rows.collect::<Vec<_>>().join(", ")
        )
    }

    /// Records steps that ended and steps that begin, in one statement. Does not wait for the disk:
    /// the record of the operation's end does.
    ///
    /// # Errors
    /// When the session, and with it the tenant's lock, is gone.
    pub async fn record(&self, ended: &[&str], as_state: StepState, begun: &[&str]) -> Result<(), DbError> {
        let list = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
            format!("array[{}]::text[]", names.join(", "))
        };
        // As text it needs one round trip, bound two.
        let statements = format!(
            "set local synchronous_commit to off;
             update control.operation_steps set
                 state = case when name = any({ended}) then '{state}' else 'started' end,
                 finished_at = case when name = any({ended}) then clock_timestamp() end,
                 started_at = case when name = any({ended}) then started_at else clock_timestamp() end
             where operation_id = '{id}' and (name = any({ended}) or name = any({begun}))",
            ended = list(ended),
            begun = list(begun),
            state = as_state.as_str(),
            id = self.operation,
        );
        let mut control = self.control.lock().await;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *control).await?;
        Ok(())
    }

    /// The statements that record that the operation ended (`done`, `rolled_back`), durably, and
    /// with it all that was recorded before; `last` is what the last step does, in the same transaction.
    #[must_use]
    pub fn end(&self, state: &'static str, ended: &[&str], last: Option<&str>) -> String {
        let id = self.operation;
        let names: Vec<String> = ended.iter().map(|name| literal(name)).collect();
        let steps = if names.is_empty() {
            String::new()
        } else {
            format!(
                "update control.operation_steps
                 set state = 'done', started_at = coalesce(started_at, now()), finished_at = clock_timestamp()
                 where operation_id = '{id}' and name in ({}); ",
                names.join(", ")
            )
        };
        let last = last.map(|last| format!("{last}; ")).unwrap_or_default();
        format!(
            "set local synchronous_commit to on; {last}{steps}update control.operations
             set state = '{state}', error = null, updated_at = clock_timestamp(), finished_at = clock_timestamp()
             where id = '{id}'"
        )
    }

    /// Records why the operation stopped. It can be resumed.
    pub async fn stopped(&self, reason: &dyn Failure) -> Result<(), DbError> {
        let mut control = self.control.lock().await;
        sqlx::query(
            "update control.operations
             set state = case when state = 'rolling_back' then state else 'stopped' end,
                 error = jsonb_build_object('code', $2::text, 'message', $3::text), updated_at = now()
             where id = $1",
        )
        .bind(self.operation)
        .bind(reason.code())
        .bind(reason.to_string())
        .execute(&mut *control)
        .await?;
        Ok(())
    }
}

/// How far each step of an operation is.
pub async fn steps(control: &mut PgConnection, operation: OperationId) -> Result<Vec<StepRecord>, DbError> {
    Ok(sqlx::query_as(
        "select name, state, started_at, finished_at from control.operation_steps
         where operation_id = $1 order by position",
    )
    .bind(operation)
    .fetch_all(control)
    .await?)
}

/// The same of several operations.
pub async fn steps_of(
    control: &mut PgConnection,
    operations: &[OperationId],
) -> Result<HashMap<OperationId, Vec<StepRecord>>, DbError> {
    #[derive(FromRow)]
    struct Row {
        operation_id: OperationId,
        #[sqlx(flatten)]
        step: StepRecord,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select operation_id, name, state, started_at, finished_at from control.operation_steps
         where operation_id = any($1) order by operation_id, position",
    )
    .bind(operations)
    .fetch_all(control)
    .await?;
    let mut found: HashMap<OperationId, Vec<StepRecord>> = HashMap::new();
    for row in rows {
        found.entry(row.operation_id).or_default().push(row.step);
    }
    Ok(found)
}
