//! Which kinds of jobs there are, and what each does.

use std::time::Duration;

use crate::app::{App, Post};
use crate::features::jobs::{ClaimedJob, JobEnd, JobKind};
use crate::features::messages;
use crate::kernel::AnyFailure;

/// When a job is looked at again that this process cannot run.
const ELSEWHERE: Duration = Duration::from_mins(1);

/// All kinds.
static KINDS: [&JobKind; 1] = [&messages::SEND];

/// What runs jobs.
#[derive(Debug)]
pub struct Registry {
    /// Where messages go.
    post: Option<Post>,
}

impl Registry {
    /// Of a process whose messages go there.
    #[must_use]
    pub fn new(post: Option<Post>) -> Self {
        Self { post }
    }

    /// The names of those that this process can run: others are left to processes that can.
    #[must_use]
    pub fn runnable(&self) -> Vec<&'static str> {
        let can_run = |kind: &&JobKind| kind.name != messages::SEND.name || self.post.is_some();
        KINDS.into_iter().filter(can_run).map(|kind| kind.name).collect()
    }

    /// A kind by its name; none where it is a newer version's.
    #[must_use]
    pub fn kind(name: &str) -> Option<&'static JobKind> {
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    /// Runs a job.
    ///
    /// # Errors
    /// What its handler says: the job is tried again then.
    pub async fn run(&self, app: &App, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        match &self.post {
            Some(post) if job.kind == messages::SEND.name => Box::pin(app.send_message(post, job)).await,
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

    #[test]
    fn every_kind_has_a_name_of_its_own_and_ends_some_day() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            assert!(kind.max_attempts > 0 && kind.timeout > Duration::ZERO, "{}", kind.name);
            assert!(kind.backoff.first > Duration::ZERO, "{}", kind.name);
            assert!(std::ptr::eq(Registry::kind(kind.name).unwrap(), kind));
        }
        assert!(Registry::kind("none.of.them").is_none());
    }

    #[test]
    fn a_process_with_no_place_for_messages_leaves_their_jobs_to_others() {
        assert!(!Registry::new(None).runnable().contains(&messages::SEND.name));
    }
}
