//! Which of the servers and stores that fit takes a new tenant: the best one that answers.

use std::time::Duration;

use super::error::ProvisioningError;
use super::worker::{Provisioning, Server, Worker};
use crate::features::placement::{Candidate, PlacementError, note};
use crate::kernel::hint::PlaceKind;
use crate::kernel::{ErrorKind, Event, Failure, Progress};

/// How long a store may take to say that it is there, where another one would do.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

impl Provisioning {
    /// The first of these servers that answers; those before it are named.
    pub(super) async fn first_server(
        &self,
        worker: &Worker,
        candidates: &[Candidate],
        progress: &dyn Progress,
    ) -> Result<(String, Server), ProvisioningError> {
        let mut passed = Vec::new();
        for one in candidates {
            match self.server_of(worker, &one.name).await {
                Ok(server) => {
                    self.say_passed(progress, (PlaceKind::Cluster, one, candidates), passed).await;
                    return Ok((one.name.clone(), server));
                }
                Err(error) if is_passed_over(&error) && candidates.len() > 1 => {
                    passed.push((one.name.clone(), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Err(none(PlaceKind::Cluster, &passed))
    }

    /// The first of these stores that answers. The only one is not asked: the work itself will show.
    pub(super) async fn first_store(
        &self,
        worker: &Worker,
        candidates: &[Candidate],
        progress: &dyn Progress,
    ) -> Result<String, ProvisioningError> {
        if let [only] = candidates {
            return Ok(only.name.clone());
        }
        let mut passed = Vec::new();
        for one in candidates {
            let store = self.placement.store(&mut *worker.control.lock().await, &one.name).await?;
            let why = match tokio::time::timeout(STORE_TIMEOUT, store.driver.check()).await {
                Ok(Ok(())) => {
                    self.say_passed(progress, (PlaceKind::Store, one, candidates), passed).await;
                    return Ok(one.name.clone());
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in 3 seconds".to_owned(),
            };
            passed.push((one.name.clone(), why));
        }
        Err(none(PlaceKind::Store, &passed))
    }

    /// Names those that would have come first, each once in a process.
    async fn say_passed(
        &self,
        progress: &dyn Progress,
        (what, chosen, all): (PlaceKind, &Candidate, &[Candidate]),
        passed: Vec<(String, String)>,
    ) {
        let tried = passed.into_iter().map(|(name, why)| note(what, &name, &why));
        for note in chosen.passed_over(what, all).chain(tried) {
            if self.placement.is_news(&note).await {
                progress.event(Event::Note(note));
            }
        }
    }
}

/// Whether another server may do: this one does not answer, or all of its sessions are in use.
fn is_passed_over(error: &ProvisioningError) -> bool {
    error.kind() == ErrorKind::Unavailable || error.code() == "sessions_busy"
}

fn none(what: PlaceKind, passed: &[(String, String)]) -> ProvisioningError {
    let passed = passed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    PlacementError::NoneAnswers { what, passed }.into()
}
