//! Events are handed to the code that subscribed to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use uuid::Uuid;

use super::App;
use super::event_stream::PUBLISHER;
use crate::features::iam::Realm;
use crate::features::jobs::{ClaimedJob, JobEnd};
use crate::features::subscribers::{
    self, Event, EventPage, HANDLER_TIMEOUT, Parking, RETRY, RetryPayload, Subscriber, Taken, Turn,
};
use crate::features::tenants::TenantRef;
use crate::infra::failpoint;
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How long events are handed to one subscriber of one realm: then it is the turn of others.
pub(super) const LONGEST_TURN: Duration = Duration::from_secs(20);
/// How long is waited for the positions of events that are relayed at this moment, and how long between two looks.
pub(super) const NUMBERING_TIMEOUT: Duration = Duration::from_secs(1);
pub(super) const NUMBERING_INTERVAL: Duration = Duration::from_millis(10);
/// When a job is looked at again: where another process is at it, where nothing goes, where it is not its turn.
pub(super) const BUSY: Duration = Duration::from_secs(1);
const FULL: Duration = Duration::from_mins(1);
const BEHIND: Duration = Duration::from_mins(1);
/// When a subscriber is looked for again that this process does not know.
const ELSEWHERE: Duration = Duration::from_mins(1);

/// What handles the events of a subscriber.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Handles one event of a realm, within [`HANDLER_TIMEOUT`]. What fails is tried again, and at last left to a person.
    /// An event may come twice: whoever must act once remembers its id with what they did.
    async fn handle(&self, app: &App, realm: TenantId, event: &Event) -> Result<(), AnyFailure>;
}

/// A subscriber, and what handles its events.
pub type Subscription = (&'static Subscriber, Arc<dyn EventHandler>);

/// What came of the wish to hand events over.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivered {
    /// All that there were.
    All,
    /// There may be more.
    More,
    /// Not all of them: later.
    Later { why: &'static str, pause: Duration },
    /// The tenant is not in use.
    NotInUse,
}

impl App {
    /// Runs a job that hands events over.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn hand_over(&self, all: &[Subscription], job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        let name = job.payload["subscriber"].as_str().unwrap_or_default();
        if name == PUBLISHER.name {
            return self.end_of(self.publish_events(job.tenant).await?, job).await;
        }
        let Some(subscription) = all.iter().find(|(subscriber, _)| subscriber.name == name) else {
            let why = format!("this process knows no subscriber {name:?}");
            return Ok(JobEnd::Postpone { why, pause: ELSEWHERE });
        };
        if job.kind == RETRY.name {
            return self.hand_over_again(subscription, job).await;
        }
        self.end_of(self.hand_over_all(subscription, job.tenant).await?, job).await
    }

    async fn end_of(&self, delivered: Delivered, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        Ok(match delivered {
            Delivered::All => JobEnd::Done,
            Delivered::More => JobEnd::Postpone { why: String::new(), pause: Duration::ZERO },
            Delivered::Later { why, pause } => JobEnd::Postpone { why: why.to_owned(), pause },
            Delivered::NotInUse => return self.not_in_use(job.tenant).await,
        })
    }

    /// Has the events of a realm handed over by a job.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn hand_over_later(
        &self,
        realm: TenantId,
        subscriber: &'static Subscriber,
    ) -> Result<(), AnyFailure> {
        subscribers::submit(&mut *self.control().await?, &Caller::System, (realm, subscriber)).await?;
        self.wake_workers();
        Ok(())
    }

    /// Hands the events of a realm to a subscriber, from where it is on.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn hand_over_all(
        &self,
        (subscriber, handler): &Subscription,
        realm: TenantId,
    ) -> Result<Delivered, AnyFailure> {
        let owner = Uuid::now_v7();
        let of = (realm, *subscriber);
        let taken = subscribers::take(&mut *self.control().await?, &Caller::System, of, owner).await?;
        let mut turn = match taken {
            Taken::Turn(turn) => turn,
            Taken::Busy => return Ok(Delivered::Later { why: "another process is at it", pause: BUSY }),
            Taken::Nothing => return Ok(Delivered::All),
        };
        let delivered = self.go_on(&mut turn, (handler.as_ref(), realm)).await;
        subscribers::end_turn(&mut *self.control().await?, &Caller::System, &turn).await?;
        delivered
    }

    async fn go_on(
        &self,
        turn: &mut Turn,
        (handler, tenant): (&dyn EventHandler, TenantId),
    ) -> Result<Delivered, AnyFailure> {
        let (began, mut not_numbered) = (Instant::now(), None::<Instant>);
        while began.elapsed() < LONGEST_TURN {
            let page = {
                let Some(mut realm) = self.realm_of(tenant).await? else { return Ok(Delivered::NotInUse) };
                subscribers::next_page(&mut realm, &Caller::System, turn).await?
            };
            match page {
                EventPage::End => return Ok(Delivered::All),
                EventPage::NotNumbered if not_numbered.is_some_and(|at| at.elapsed() > NUMBERING_TIMEOUT) => {
                    return Ok(Delivered::Later { why: "events wait for the relay", pause: BUSY });
                }
                EventPage::NotNumbered => {
                    not_numbered.get_or_insert_with(Instant::now);
                    tokio::time::sleep(NUMBERING_INTERVAL).await;
                }
                EventPage::Events(events, reached) => {
                    not_numbered = None;
                    if let Some(end) =
                        self.hand_over_page(turn, (handler, tenant), (&events, reached)).await?
                    {
                        return Ok(end);
                    }
                }
            }
        }
        Ok(Delivered::More)
    }

    /// Hands some events over; what came of it, where the turn is over.
    async fn hand_over_page(
        &self,
        turn: &mut Turn,
        (handler, tenant): (&dyn EventHandler, TenantId),
        (events, reached): (&[Event], i64),
    ) -> Result<Option<Delivered>, AnyFailure> {
        let lost = || Ok(Some(Delivered::Later { why: "another process took it over", pause: BUSY }));
        let caller = &Caller::System;
        let mut parked = if events.is_empty() {
            BTreeSet::new()
        } else {
            subscribers::parked_keys(&mut *self.control().await?, caller, turn).await?
        };
        for event in events {
            let handled = !parked.contains(&event.key)
                && self.handle(turn.subscriber(), handler, (tenant, event)).await.is_ok();
            failpoint::pass(|| "subscriber.handled".to_owned()).await;
            let mut control = self.control().await?;
            if handled {
                if !subscribers::record_position(&mut control, caller, (turn, event.position)).await? {
                    return lost();
                }
            } else {
                match subscribers::park(&mut control, caller, (turn, event)).await? {
                    Parking::Parked => drop(parked.insert(event.key.clone())),
                    Parking::Full => {
                        let why = "as many events failed as may wait";
                        return Ok(Some(Delivered::Later { why, pause: FULL }));
                    }
                    Parking::Lost => return lost(),
                }
            }
            turn.reach(event.position);
        }
        if turn.position() != Some(reached) {
            if !subscribers::record_position(&mut *self.control().await?, caller, (turn, reached)).await? {
                return lost();
            }
            turn.reach(reached);
        }
        Ok(None)
    }

    /// Handles one event; why it failed is logged by the job that tries it again.
    async fn handle(
        &self,
        subscriber: &Subscriber,
        handler: &dyn EventHandler,
        (tenant, event): (TenantId, &Event),
    ) -> Result<(), String> {
        let ended = tokio::time::timeout(HANDLER_TIMEOUT, handler.handle(self, tenant, event)).await;
        let ended = match ended {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("it took longer than {} s", HANDLER_TIMEOUT.as_secs()),
        };
        tracing::debug!(realm = %tenant, subscriber = subscriber.name, position = event.position, "an event failed: {ended}");
        Err(ended)
    }

    /// Hands over one event that failed before, once those of its key before it have ended.
    async fn hand_over_again(
        &self,
        (subscriber, handler): &Subscription,
        job: &ClaimedJob,
    ) -> Result<JobEnd, AnyFailure> {
        let caller = &Caller::System;
        let Ok(payload) = serde_json::from_value::<RetryPayload>(job.payload.clone()) else {
            return Ok(JobEnd::GiveUp { why: "its payload names no event".to_owned() });
        };
        let (parked, is_behind) =
            subscribers::is_behind(&mut *self.control().await?, caller, (job, payload)).await?;
        if is_behind {
            let why = "an event of the same key is before it".to_owned();
            return Ok(JobEnd::Postpone { why, pause: BEHIND });
        }
        let found = {
            let Some(mut realm) = self.realm_of(job.tenant).await? else {
                return self.not_in_use(job.tenant).await;
            };
            subscribers::parked_event(&mut realm, caller, &parked).await?
        };
        let (end, has_ended) = match found {
            None => (JobEnd::GiveUp { why: "the event is not kept any more".to_owned() }, true),
            Some(event) => match self.handle(subscriber, handler.as_ref(), (job.tenant, &event)).await {
                Ok(()) => (JobEnd::Done, true),
                Err(why) if job.attempt >= RETRY.max_attempts => (JobEnd::GiveUp { why }, true),
                Err(why) => (JobEnd::Retry { why }, false),
            },
        };
        if has_ended {
            failpoint::pass(|| "subscriber.retried".to_owned()).await;
            subscribers::unpark(&mut *self.control().await?, caller, &parked).await?;
            self.wake_workers();
        }
        Ok(end)
    }

    /// A realm; none where its tenant is not in use.
    pub(super) async fn realm_of(&self, realm: TenantId) -> Result<Option<Realm>, AnyFailure> {
        let tenant = match realm {
            TenantId::PLATFORM => None,
            id => match self.tenant(&TenantRef::Id(id)).await? {
                Some(tenant) => Some(tenant),
                None => return Ok(None),
            },
        };
        Ok(Some(self.realm(tenant.as_deref()).await?))
    }
}
