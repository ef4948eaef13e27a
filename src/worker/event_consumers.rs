//! Has subscribers look at realms that NATS says have events for them. Where PostgreSQL alone carries events, jobs do.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use crate::app::{App, Delivered, EventCarrier, Repeated, StreamMessage, Subscription, realm_of_subject};
use crate::kernel::{AnyFailure, TenantId};

/// Realms that one subscriber looks at at once.
const AT_ONCE: usize = 4;
/// When it is tried again where NATS does not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
const LONGEST_AFTER_FAILURE: Duration = Duration::from_secs(15);
/// When a message comes again that could not even be made a job.
const POSTPONED: Duration = Duration::from_secs(5);

static FAILED: LazyLock<Repeated> =
    LazyLock::new(|| Repeated::new("events are not received from NATS", Duration::from_mins(1)));

/// Receives messages until it is told to stop.
pub async fn run(app: App, registry: Registry, stop: CancellationToken) {
    if app.event_carrier() == EventCarrier::Postgres {
        return;
    }
    let mut tasks = JoinSet::new();
    for subscription in registry.subscriptions() {
        tasks.spawn(follow(app.clone(), subscription.clone(), stop.clone()));
    }
    while tasks.join_next().await.is_some() {}
}

async fn follow(app: App, subscription: Subscription, stop: CancellationToken) {
    let mut pause = AFTER_FAILURE;
    while !stop.is_cancelled() {
        let mut has_received = false;
        let Err(failure) = receive(&app, &subscription, &stop, &mut has_received).await else { return };
        let code = failure.get().code();
        if FAILED.is_new(code, failure.to_string()) {
            tracing::warn!(code, "events are not received from NATS for now: {failure}");
        }
        if code == "nats_consumer_stalled"
            && let Err(failure) = app.replace_consumer(subscription.0).await
        {
            tracing::debug!(%failure, "a consumer is not replaced");
        }
        pause = if has_received { AFTER_FAILURE } else { (pause * 2).min(LONGEST_AFTER_FAILURE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn receive(
    app: &App,
    subscription: &Subscription,
    stop: &CancellationToken,
    has_received: &mut bool,
) -> Result<(), AnyFailure> {
    let Some(mut consumer) = app.receive_events(subscription.0).await? else { return Ok(()) };
    loop {
        let messages = tokio::select! {
            messages = consumer.next() => messages?,
            () = stop.cancelled() => return Ok(()),
        };
        *has_received = true;
        let mut by_realm = BTreeMap::<TenantId, Vec<StreamMessage>>::new();
        for message in messages {
            match realm_of_subject(message.subject()) {
                Some(realm) => by_realm.entry(realm).or_default().push(message),
                // Nobody's event.
                None => message.acknowledge().await,
            }
        }
        // Boxed: the compiler does not see otherwise that they may go to another thread.
        let each: Vec<BoxFuture<'_, ()>> = by_realm
            .into_iter()
            .map(|(realm, messages)| look(app, subscription, realm, messages).boxed())
            .collect();
        stream::iter(each).buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}

/// Has a subscriber look at a realm. What cannot be done now is a job's.
async fn look(app: &App, subscription: &Subscription, realm: TenantId, messages: Vec<StreamMessage>) {
    let is_done = match app.hand_over_all(subscription, realm).await {
        Ok(Delivered::All) => true,
        Ok(_) | Err(_) => app.hand_over_later(realm, subscription.0).await.is_ok(),
    };
    for message in messages {
        if is_done {
            message.acknowledge().await;
        } else {
            message.postpone(POSTPONED).await;
        }
    }
}
