//! Which kinds of jobs there are, and what each does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::app::{App, EventHandler, Post, Subscription, WebhookNotices, scheduled};
use crate::features::jobs::schedules::Schedule;
use crate::features::jobs::{ClaimedJob, JobEnd, JobKind};
use crate::features::messages;
use crate::features::subscribers::{self, Subscriber};
use crate::features::webhooks;
use crate::kernel::AnyFailure;

/// When a job is looked at again that this process cannot run.
const ELSEWHERE: Duration = Duration::from_mins(1);

/// All kinds.
static KINDS: [&JobKind; 8] = [
    &messages::SEND,
    &messages::NOTIFY,
    &webhooks::DELIVER,
    &webhooks::PUBLISH,
    &subscribers::DELIVER,
    &subscribers::RETRY,
    &scheduled::FILL_POOLS,
    &scheduled::PURGE_DUE,
];

/// Whether jobs of a kind send messages.
fn sends(kind: &str) -> bool {
    [messages::SEND.name, messages::NOTIFY.name].contains(&kind)
}

/// What runs jobs.
#[derive(Clone)]
pub struct Registry {
    /// Where messages go.
    post: Option<Post>,
    /// Kinds of who put the process together.
    more: Vec<(&'static JobKind, Arc<dyn Handler>)>,
    schedules: Vec<&'static Schedule>,
    subscriptions: Vec<Subscription>,
}

/// Runs the jobs of a kind.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Runs one. What fails is tried again.
    async fn run(&self, app: &App, job: &ClaimedJob) -> Result<JobEnd, AnyFailure>;
}

impl Registry {
    /// Of a process whose messages go there.
    #[must_use]
    pub fn new(post: Option<Post>) -> Self {
        let schedules = scheduled::SCHEDULES.iter().collect();
        let own = Self { post, more: Vec::new(), schedules, subscriptions: Vec::new() };
        own.subscribe(&WebhookNotices::SUBSCRIBER, Arc::new(WebhookNotices))
    }

    /// The same, in which one more subscriber is told of events.
    #[must_use]
    pub fn subscribe(mut self, subscriber: &'static Subscriber, handler: Arc<dyn EventHandler>) -> Self {
        self.subscriptions.push((subscriber, handler));
        self
    }

    /// Who is told of events.
    #[must_use]
    pub fn subscribers(&self) -> Vec<&'static Subscriber> {
        self.subscriptions.iter().map(|(subscriber, _)| *subscriber).collect()
    }

    /// Who is told of events, and what handles them.
    #[must_use]
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// The same, which knows one more kind.
    #[must_use]
    pub fn with(mut self, kind: &'static JobKind, handler: Arc<dyn Handler>) -> Self {
        self.more.push((kind, handler));
        self
    }

    /// The same, for which only this is due again and again.
    #[must_use]
    pub fn due(self, schedules: Vec<&'static Schedule>) -> Self {
        Self { schedules, ..self }
    }

    /// What is due again and again.
    #[must_use]
    pub fn schedules(&self) -> Vec<&'static Schedule> {
        self.schedules.clone()
    }

    /// Those that this process can run: others are left to processes that can.
    #[must_use]
    pub fn runnable(&self) -> Vec<&'static JobKind> {
        let can_run = |kind: &&JobKind| !sends(kind.name) || self.post.is_some();
        KINDS.into_iter().filter(can_run).chain(self.more.iter().map(|(kind, _)| *kind)).collect()
    }

    /// Whether this process can run all kinds that its version knows.
    #[must_use]
    pub fn runs_all(&self) -> bool {
        let runnable = self.runnable();
        KINDS.iter().all(|kind| runnable.iter().any(|it| it.name == kind.name))
    }

    /// A kind by its name; none where it is a newer version's.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&'static JobKind> {
        KINDS.into_iter().chain(self.more.iter().map(|(kind, _)| *kind)).find(|kind| kind.name == name)
    }

    /// Runs a job.
    ///
    /// # Errors
    /// What its handler says: the job is tried again then.
    pub async fn run(&self, app: &App, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        if let Some((_, handler)) = self.more.iter().find(|(kind, _)| kind.name == job.kind) {
            return handler.run(app, job).await;
        }
        match &self.post {
            Some(post) if sends(&job.kind) => Box::pin(app.send_message(post, job)).await,
            _ if job.kind == webhooks::DELIVER.name => Box::pin(app.deliver_webhook(job)).await,
            _ if job.kind == webhooks::PUBLISH.name => Box::pin(app.publish_webhook_event(job)).await,
            _ if [subscribers::DELIVER.name, subscribers::RETRY.name].contains(&job.kind.as_str()) => {
                Box::pin(app.hand_over(&self.subscriptions, job)).await
            }
            _ if job.kind == scheduled::FILL_POOLS.name => Box::pin(app.fill_pools()).await,
            _ if job.kind == scheduled::PURGE_DUE.name => Box::pin(app.purge_due()).await,
            // None of these is claimed here.
            _ => {
                let why = format!("this process cannot run jobs of kind {}", job.kind);
                Ok(JobEnd::Postpone { why, pause: ELSEWHERE })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::app::PUBLISHER;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_ends_some_day() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        let registry = Registry::new(None);
        for kind in KINDS {
            assert!(kind.max_attempts > 0 && kind.timeout > Duration::ZERO, "{}", kind.name);
            assert!(kind.backoff.first > Duration::ZERO, "{}", kind.name);
            assert!(kind.limits.at_once > 0 && kind.limits.of_tenant > 0, "{}", kind.name);
            assert!(std::ptr::eq(registry.kind(kind.name).unwrap(), kind));
        }
        assert!(registry.kind("none.of.them").is_none());
    }

    #[test]
    fn every_schedule_can_be_read_and_writes_jobs_of_a_kind_that_is_known() {
        let registry = Registry::new(None);
        let schedules = registry.schedules();
        let names: BTreeSet<&str> = schedules.iter().map(|schedule| schedule.name).collect();
        assert_eq!(names.len(), schedules.len());
        for schedule in schedules {
            assert!(schedule.next(time::OffsetDateTime::UNIX_EPOCH).is_some(), "{}", schedule.name);
            assert!(registry.kind(schedule.kind.name).is_some(), "{}", schedule.name);
        }
    }

    #[test]
    fn every_subscriber_has_a_name_of_its_own_and_a_pattern_that_can_be_read() {
        let all = Registry::new(None).subscribers();
        let names: BTreeSet<&str> = all.iter().map(|it| it.name).chain([PUBLISHER.name]).collect();
        assert_eq!(names.len(), all.len() + 1);
        for it in all {
            assert!(it.pattern.parse::<webhooks::EventPattern>().is_ok(), "{}", it.name);
        }
    }

    #[test]
    fn a_process_with_no_place_for_messages_leaves_their_jobs_to_others() {
        assert!(!Registry::new(None).runnable().into_iter().any(|kind| sends(kind.name)));
    }
}
