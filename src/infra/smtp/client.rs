//! Sends messages over a few connections, which are kept for the next ones.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};

use super::connection::{Connection, Opening};
use super::message::Outgoing;
use super::outcome::{Outcome, Stop, Why};
use super::steps::{Step, StepTaken, Trace};
use super::tls::Trust;
use super::{Deadlines, SmtpServer};
use crate::infra::outbound::Policy;
use crate::settings::SmtpTls;

/// How long a connection is kept without use: servers close theirs after a few minutes, some sooner.
const KEEP: Duration = Duration::from_mins(1);
/// Most messages over one connection: many servers allow a hundred.
const MOST_MESSAGES: u32 = 100;

/// Sends messages to one server. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct SmtpClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SmtpServer,
    deadlines: Deadlines,
    /// Which addresses may be connected to; none: any.
    policy: Option<Policy>,
    trust: OnceCell<Trust>,
    /// Those that nobody uses, the one used last at the end.
    idle: Mutex<Vec<(Connection, Instant)>>,
    /// How many there may be.
    room: Semaphore,
}

impl SmtpClient {
    /// Nothing is connected before the first message. `connections`: the most at a time.
    #[must_use]
    pub fn new(server: SmtpServer, deadlines: Deadlines, connections: usize) -> Self {
        Self::with(server, deadlines, (connections, None))
    }

    /// The same for a server that a customer names.
    #[must_use]
    pub fn guarded(server: SmtpServer, deadlines: Deadlines, connections: usize, policy: Policy) -> Self {
        Self::with(server, deadlines, (connections, Some(policy)))
    }

    fn with(
        server: SmtpServer,
        deadlines: Deadlines,
        (connections, policy): (usize, Option<Policy>),
    ) -> Self {
        let (trust, idle, room) = (OnceCell::new(), Mutex::default(), Semaphore::new(connections.max(1)));
        Self { shared: Arc::new(Shared { server, deadlines, policy, trust, idle, room }) }
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &SmtpServer {
        &self.shared.server
    }

    /// Sends a message, once; what is known of it then. Ends within the deadlines, whatever the server does.
    pub async fn send(&self, mail: &Outgoing) -> Outcome {
        let Ok(outcome) = self.send_recorded(mail, async || Ok::<(), Infallible>(())).await;
        outcome
    }

    /// The same, where something is to be written down before the message can reach anybody: `record` is done
    /// once the server has taken sender and recipient, and before DATA.
    ///
    /// # Errors
    /// That of `record`; then nothing was sent.
    pub async fn send_recorded<E>(
        &self,
        mail: &Outgoing,
        record: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<Outcome, E> {
        // Never closed.
        let _room = self.shared.room.acquire().await;
        let mut trace = Trace::none();
        let mut connection = match self.ready(&mut trace).await {
            Ok(connection) => connection,
            Err(stop) => return Ok(Outcome::of(stop)),
        };
        let handed = connection.hand_over(mail, record, &mut trace).await?;
        if handed.reusable && connection.messages < MOST_MESSAGES {
            self.keep(connection);
        } else if handed.reusable {
            connection.quit().await;
        }
        Ok(handed.outcome)
    }

    /// Sends a message over a connection of its own; with every step that was taken.
    pub async fn send_traced(&self, mail: &Outgoing) -> (Outcome, Vec<StepTaken>) {
        let mut trace = Trace::kept();
        let outcome = match self.open(&mut trace).await {
            Err(stop) => Outcome::of(stop),
            Ok(mut connection) => {
                let record = async || Ok::<(), Infallible>(());
                let Ok(handed) = connection.hand_over(mail, record, &mut trace).await;
                connection.quit().await;
                handed.outcome
            }
        };
        let steps = trace.take().into_iter().filter(|taken| taken.step != Step::Record).collect();
        (outcome, steps)
    }

    /// The same server, with deadlines of their own and no connection in common.
    #[must_use]
    pub fn with_deadlines(&self, deadlines: Deadlines) -> Self {
        let Shared { server, policy, .. } = &*self.shared;
        Self::with(server.clone(), deadlines, (1, policy.clone()))
    }

    /// Whether it is connected to only where that is allowed.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.shared.policy.is_some()
    }

    /// Connects and logs in, and ends that without a message; with every step that was taken.
    pub async fn connect_traced(&self) -> (Result<(), Stop>, Vec<StepTaken>) {
        let mut trace = Trace::kept();
        let opened = match self.open(&mut trace).await {
            Err(stop) => Err(stop),
            Ok(connection) => {
                connection.quit().await;
                Ok(())
            }
        };
        (opened, trace.take())
    }

    /// A connection that was used before and still answers, else a new one. What fails here has sent nothing, so
    /// that it may be tried again.
    async fn ready(&self, trace: &mut Trace) -> Result<Connection, Stop> {
        while let Some(mut connection) = self.idle().await {
            if connection.is_alive().await {
                return Ok(connection);
            }
        }
        self.open(trace).await
    }

    /// The one used last; those that were not used for long are closed.
    async fn idle(&self) -> Option<Connection> {
        let (old, found) = {
            let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = idle.iter().position(|(_, since)| since.elapsed() < KEEP).unwrap_or(idle.len());
            let old: Vec<_> = idle.drain(..fresh).collect();
            (old, idle.pop())
        };
        for (connection, _) in old {
            connection.quit().await;
        }
        found.map(|(connection, _)| connection)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
    }

    async fn open(&self, trace: &mut Trace) -> Result<Connection, Stop> {
        let trust = match self.shared.server.tls {
            SmtpTls::None => None,
            _ => Some(self.trust().await.map_err(|why| Stop::new(Step::Tls, why))?),
        };
        let Shared { server, deadlines, policy, .. } = &*self.shared;
        Opening { server, deadlines: *deadlines, policy: policy.as_ref(), trust }.open(trace).await
    }

    async fn trust(&self) -> Result<&Trust, Why> {
        let load = async || {
            let file = self.shared.server.ca_file.clone();
            let loaded = tokio::task::spawn_blocking(move || Trust::load(file.as_deref())).await;
            loaded.unwrap_or_else(|error| Err(Why::NoTrust(error.to_string())))
        };
        self.shared.trust.get_or_try_init(load).await
    }
}
