//! A session with a PostgreSQL server whose every wait has an end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt};
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTransactionManager, PgTypeInfo};
use sqlx::{Connection, Either, Execute, Executor, Postgres, SqlStr};
use sqlx_core::transaction::TransactionManager;
use tracing::Span;

use super::budget::Place;
use super::liveness::{Silence, Watch};
use super::summary::{summary, verb};

/// How long a goodbye may take; the socket is closed either way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a statement's text is kept to recognise it in `pg_stat_activity`, in bytes.
const TEXT_KEPT: usize = 256;

/// A session, as [`sqlx::PgConnection`], that fails where the server gives no sign of life
/// ([`super::liveness`]) instead of waiting for ever. After that every use fails at once.
pub struct PgConnection {
    inner: sqlx::PgConnection,
    watch: Arc<Watch>,
    /// A transaction was dropped; what rolls it back is sent before the next statement.
    owes_rollback: bool,
    /// It took advisory locks, which last as long as it does.
    took_locks: bool,
    /// Whether a statement may have begun what keeps locks and nobody is bound to end; `None`: nobody wants to know.
    may_keep_locks: Option<bool>,
    /// Where its server has a budget: dropped after the socket was closed.
    place: Option<Place>,
}

impl std::fmt::Debug for PgConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgConnection").finish_non_exhaustive()
    }
}

impl PgConnection {
    pub(super) fn new(inner: sqlx::PgConnection, watch: Arc<Watch>) -> Self {
        Self { inner, watch, owes_rollback: false, took_locks: false, may_keep_locks: None, place: None }
    }

    /// Whether it broke, or the answer to something was not waited for: the server may be at work still.
    pub(super) fn is_abandoned(&self) -> bool {
        self.watch.is_broken() || self.watch.is_abandoned()
    }

    /// Notes that it may hold advisory locks from now on.
    pub(super) fn note_locks(&mut self) {
        self.took_locks = true;
    }

    /// Whether it may hold advisory locks.
    pub(super) fn took_locks(&self) -> bool {
        self.took_locks
    }

    /// Whether a transaction was dropped that is rolled back with the next statement only.
    pub(super) fn owes_rollback(&self) -> bool {
        self.owes_rollback
    }

    /// Rolls back before the next statement.
    pub(super) fn start_rollback(&mut self) {
        PgTransactionManager::start_rollback(&mut self.inner);
        self.owes_rollback = true;
    }

    /// From now on notes whether statements may take locks that outlive them; none has yet.
    pub(super) fn look_for_locks(&mut self) {
        self.may_keep_locks = Some(false);
    }

    /// Whether it may be in a transaction that a statement has begun, or hold advisory locks that one took.
    pub(super) fn may_keep_locks(&self) -> bool {
        self.may_keep_locks == Some(true)
    }

    /// How many statements the driver takes to be prepared on the server.
    pub(super) fn prepared(&self) -> usize {
        self.inner.cached_statements_size()
    }

    /// Notes that a statement is about to be sent.
    fn ask(&mut self, text: &str) -> Result<Asked, sqlx::Error> {
        self.watch.usable()?;
        self.owes_rollback = false;
        self.may_keep_locks = self.may_keep_locks.map(|before| before || may_lock(text));
        Ok(Asked::of(&self.watch, Some(text)))
    }

    /// The name of the login that it was opened with.
    pub(super) fn login(&self) -> &str {
        &self.watch.server.user
    }

    /// Counts in the budget of its server for as long as it is open.
    #[must_use]
    pub fn counted(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// Its place in the budget of its server.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Takes its place, for who waits until the server has ended it.
    pub(super) fn take_place(&mut self) -> Option<Place> {
        self.place.take()
    }

    /// Whether others need its place in the budget of its server: then it is to be closed, not kept.
    #[must_use]
    pub fn is_wanted_back(&self) -> bool {
        self.place.as_ref().is_some_and(Place::is_wanted_back)
    }

    /// Says goodbye, for two seconds at most.
    ///
    /// # Errors
    /// When the connection is broken. The session has ended either way.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        if self.watch.is_broken() {
            return Ok(());
        }
        tokio::time::timeout(CLOSE_TIMEOUT, self.inner.close()).await.unwrap_or(Ok(()))
    }

    /// Waits until the server has answered all that was sent.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn ping(&mut self) -> Result<(), sqlx::Error> {
        self.within(None, |inner| inner.ping().boxed()).await
    }

    /// Runs something of the driver's under the same watch. `text` is the statement that the server
    /// will be seen to work on, where it is one.
    pub(super) async fn within<'a, T, E: From<sqlx::Error>>(
        &'a mut self,
        text: Option<&str>,
        work: impl FnOnce(&'a mut sqlx::PgConnection) -> BoxFuture<'a, Result<T, E>>,
    ) -> Result<T, E> {
        self.watch.usable()?;
        self.owes_rollback = false;
        let asked = Asked::of(&self.watch, text);
        Watched::new(work(&mut self.inner), &self.watch, asked).await
    }
}

impl<'c> Executor<'c> for &'c mut PgConnection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let query = Query::of(query);
        let asked = match self.ask(query.sql.as_str()) {
            Ok(asked) => asked,
            Err(error) => return futures_util::stream::once(std::future::ready(Err(error))).boxed(),
        };
        Watched::new(self.inner.fetch_many(query), &self.watch, asked).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let query = Query::of(query);
        let asked = match self.ask(query.sql.as_str()) {
            Ok(asked) => asked,
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        Watched::new(self.inner.fetch_optional(query), &self.watch, asked).boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        let asked = match self.ask(sql.as_str()) {
            Ok(asked) => asked,
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        Watched::new(self.inner.prepare_with(sql, parameters), &self.watch, asked).boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        let asked = match self.ask(sql.as_str()) {
            Ok(asked) => asked,
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        Watched::new(self.inner.describe(sql), &self.watch, asked).boxed()
    }
}

/// Whether a text may begin a transaction, which no function can do (manual, pages `BEGIN`, `START TRANSACTION`), or take
/// an advisory lock.
fn may_lock(text: &str) -> bool {
    let has = |word: &[u8]| text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    has(b"begin") || has(b"start") || has(b"advisory")
}

/// What the server is asked for: what is kept of its text, where it is a statement, and its span.
struct Asked {
    text: Option<String>,
    span: Span,
}

impl Asked {
    fn of(watch: &Watch, text: Option<&str>) -> Self {
        // Never its text: a statement may hold a role's verifier.
        let span = tracing::debug_span!(
            "statement",
            db.namespace = watch.server.database,
            db.operation.name = text.map(verb),
            db.query.summary = text.map(summary),
        );
        Self { text: text.map(|text| text[..text.floor_char_boundary(TEXT_KEPT)].to_owned()), span }
    }
}

/// A query, taken apart so that its text can be looked at before it is sent.
struct Query {
    sql: SqlStr,
    statement: Option<PgStatement>,
    arguments: Result<Option<PgArguments>, sqlx::error::BoxDynError>,
    persistent: bool,
}

impl Query {
    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> Self {
        let statement = query.statement().cloned();
        let arguments = query.take_arguments();
        let persistent = query.persistent();
        Self { sql: query.sql(), statement, arguments, persistent }
    }
}

impl Execute<'_, Postgres> for Query {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        std::mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// What waits for the server, and fails where the server gives no sign of life.
struct Watched<'a, W> {
    waiting: W,
    watch: &'a Arc<Watch>,
    text: Option<String>,
    silence: Option<Silence>,
    over: bool,
    span: Span,
}

impl<W> Drop for Watched<'_, W> {
    fn drop(&mut self) {
        if !self.over {
            self.watch.abandon();
        }
    }
}

impl<'a, W> Watched<'a, W> {
    fn new(waiting: W, watch: &'a Arc<Watch>, Asked { text, span }: Asked) -> Self {
        Self { waiting, watch, text, silence: None, over: false, span }
    }

    /// Called where nothing has come yet.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<sqlx::Error> {
        let (watch, text) = (self.watch, &self.text);
        let silence = self.silence.get_or_insert_with(|| watch.silence(text.clone()));
        silence.poll_unpin(cx)
    }

    fn heard<T>(&mut self, answer: T) -> T {
        self.silence = None;
        self.watch.heard();
        answer
    }
}

impl<T, E: From<sqlx::Error>> Future for Watched<'_, BoxFuture<'_, Result<T, E>>> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let span = self.span.clone();
        let _entered = span.enter();
        match self.waiting.poll_unpin(cx) {
            Poll::Ready(answer) => {
                self.over = true;
                Poll::Ready(self.heard(answer))
            }
            Poll::Pending => self.poll_silence(cx).map(|error| Err(error.into())),
        }
    }
}

impl<T> Stream for Watched<'_, BoxStream<'_, Result<T, sqlx::Error>>> {
    type Item = Result<T, sqlx::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let span = self.span.clone();
        let _entered = span.enter();
        match self.waiting.poll_next_unpin(cx) {
            Poll::Ready(answer) => {
                // After an error nothing else comes of it.
                self.over = !matches!(answer, Some(Ok(_)));
                Poll::Ready(self.heard(answer))
            }
            Poll::Pending => {
                let silence = self.poll_silence(cx);
                self.over = silence.is_ready();
                silence.map(|error| Some(Err(error)))
            }
        }
    }
}
