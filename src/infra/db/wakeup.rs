//! Wake-ups between processes: a process that has committed something notifies the others, which look at once instead of
//! with their next poll. A wake-up that is lost costs only that wait.
//!
//! It is a statement of its own, after the commit: transactions that write and notify wait for each other, in all
//! databases of a server (manual, page `NOTIFY`: the lock on the queue is held through the commit).

use std::time::Duration;

use futures_util::{Stream, stream};
use sqlx::postgres::PgListener;
use uuid::Uuid;

use super::{DbError, PgConnection, ServerAddress};

/// Received by all processes.
const CHANNEL: &str = "nexus_wakeup";
/// Received by one process alone: its own probe that notifications arrive.
const OWN_CHANNEL: &str = "nexus_wakeup_";
/// Most bytes of one notification: the server takes fewer than 8,000.
const LONGEST: usize = 7_000;

/// What a process received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wakeup {
    /// Words of another process.
    Words(Vec<String>),
    /// Its own probe.
    Own,
}

/// Sends words to all processes that listen. A word has no space.
///
/// # Errors
/// When the control database does not answer.
pub async fn notify(control: &mut PgConnection, own: Uuid, words: &[String]) -> Result<(), DbError> {
    let mut texts = vec![own.to_string()];
    for word in words {
        if texts.last().is_none_or(|text| text.len() + word.len() >= LONGEST) {
            texts.push(own.to_string());
        }
        if let Some(text) = texts.last_mut() {
            text.push(' ');
            text.push_str(word);
        }
    }
    sqlx::query("select pg_notify($1, text) from unnest($2::text[]) as notification (text)")
        .bind(CHANNEL)
        .bind(texts)
        .execute(control)
        .await?;
    Ok(())
}

/// Sends this process its own probe.
///
/// # Errors
/// When the control database does not answer.
pub async fn notify_own(control: &mut PgConnection, own: Uuid) -> Result<(), DbError> {
    sqlx::query("select pg_notify($1, '')").bind(own_channel(own)).execute(control).await?;
    Ok(())
}

/// Listens, with a session of its own, until that breaks: then the stream ends.
///
/// # Errors
/// When no session is to be had.
pub async fn listen(
    control: &ServerAddress,
    own: Uuid,
    patience: Duration,
) -> Result<impl Stream<Item = Wakeup> + use<>, DbError> {
    let opening = async {
        let mut listener = control.listener("nexus:wakeup").await?;
        // Whoever listens next makes a new one, after a pause.
        listener.eager_reconnect(false);
        listener.listen_all([CHANNEL, &own_channel(own)]).await?;
        Ok(listener)
    };
    let opened = tokio::time::timeout(patience, opening).await;
    let opened = opened.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let listener = opened.map_err(|error| DbError::of_connect(error, control))?;
    // The state of a stream outlives that its next item is not waited for.
    Ok(Box::pin(stream::unfold(listener, move |listener| next(listener, own))))
}

/// What is received next, of others or of itself.
async fn next(mut listener: PgListener, own: Uuid) -> Option<(Wakeup, PgListener)> {
    loop {
        let received = listener.try_recv().await.ok().flatten()?;
        if received.channel() != CHANNEL {
            return Some((Wakeup::Own, listener));
        }
        let mut words = received.payload().split(' ').map(str::to_owned);
        if words.next().is_some_and(|by| by != own.to_string()) {
            return Some((Wakeup::Words(words.collect()), listener));
        }
    }
}

fn own_channel(own: Uuid) -> String {
    format!("{OWN_CHANNEL}{}", own.simple())
}
