//! Durable consumers. One that receives nothing although messages wait is noticed, and replaced: the client's side of a
//! pull can end without a word (nats-io/nats.rs#224, nats-io/nats-server#5839).

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull::{Config, Stream as Pulled};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, Info};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::{AckKind, Context, Message, stream::Stream};
use futures_util::{FutureExt, StreamExt};

use super::EventStream;
use super::error::StreamError;

/// Most messages that are taken at once.
const MOST: usize = 100;
/// When a message that is not acknowledged comes again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Most messages that wait for an acknowledgement.
const MOST_UNACKNOWLEDGED: i64 = 2_000;
/// How long nothing may arrive while messages wait.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often is looked whether some wait.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// How long one pull lasts, and how often the server says within it that it is there.
const PULL: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A durable consumer, as this process reads it.
pub struct StreamConsumer {
    consumer: Consumer<Config>,
    pulled: Pulled,
    watch: Watch,
    /// What subjects begin with.
    prefix: String,
    /// It was not there before.
    pub is_new: bool,
}

/// A message that was received.
pub struct StreamMessage {
    message: Message,
    prefix_length: usize,
}

/// When something moved last.
#[derive(Debug)]
struct Watch {
    delivered: u64,
    since: Instant,
}

impl EventStream {
    /// Opens a durable consumer of the subjects that a filter matches behind the prefix; it is made where it is not there.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn consumer(&self, name: &str, filter: &str) -> Result<StreamConsumer, StreamError> {
        let context = self.ready().await?;
        let refused = StreamError::refused("open the consumer");
        let stream =
            context.get_stream_no_info(self.name()).await.map_err(|error| refused(error.to_string()))?;
        let prefix = self.0.settings.prefix.clone();
        let (name, filter) = (self.durable(name), format!("{prefix}.{filter}"));
        let found: Option<Info> = info(&stream, &name).await?;
        let is_new = found.is_none();
        let start = match found {
            Some(found) if found.config.filter_subject == filter => None,
            // It was made for other types.
            Some(found) => {
                drop(stream.delete_consumer(&name).await);
                Some(after(&found))
            }
            None => Some(DeliverPolicy::All),
        };
        let consumer = match start {
            None => stream.get_consumer(&name).await.map_err(|error| refused(error.to_string()))?,
            Some(start) => create(&stream, (&name, filter), start).await?,
        };
        let pulled = consumer
            .stream()
            .max_messages_per_batch(MOST)
            .expires(PULL)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|error| refused(error.to_string()))?;
        let watch = Watch { delivered: 0, since: Instant::now() };
        Ok(StreamConsumer { consumer, pulled, watch, prefix, is_new })
    }

    /// Makes a durable consumer anew, which goes on after the last message that was acknowledged with all before it.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn replace_consumer(&self, name: &str) -> Result<(), StreamError> {
        let context: &Context = self.ready().await?;
        let refused = StreamError::refused("replace the consumer");
        let stream =
            context.get_stream_no_info(self.name()).await.map_err(|error| refused(error.to_string()))?;
        let name = self.durable(name);
        let Some(found) = info(&stream, &name).await? else { return Ok(()) };
        drop(stream.delete_consumer(&name).await);
        create(&stream, (&name, found.config.filter_subject.clone()), after(&found)).await?;
        Ok(())
    }

    /// A name as the server takes it: without dots.
    fn durable(&self, name: &str) -> String {
        format!("{}-{}", self.0.settings.prefix, name.replace('.', "-"))
    }
}

/// What there is of a consumer; none where it is not there.
async fn info<T>(stream: &Stream<T>, name: &str) -> Result<Option<Info>, StreamError> {
    match stream.consumer_info(name).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Ok(None),
        Err(error) => Err(StreamError::refused("read the consumer")(error.to_string())),
    }
}

fn after(found: &Info) -> DeliverPolicy {
    DeliverPolicy::ByStartSequence { start_sequence: found.ack_floor.stream_sequence + 1 }
}

async fn create<T>(
    stream: &Stream<T>,
    (name, filter_subject): (&str, String),
    deliver_policy: DeliverPolicy,
) -> Result<Consumer<Config>, StreamError> {
    let config = Config {
        durable_name: Some(name.to_owned()),
        filter_subject,
        deliver_policy,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_ack_pending: MOST_UNACKNOWLEDGED,
        ..Config::default()
    };
    let created = stream.create_consumer(config).await;
    created.map_err(|error| StreamError::refused("make the consumer")(error.to_string()))
}

impl StreamConsumer {
    /// The messages that follow: some, once there are any.
    ///
    /// # Errors
    /// When the consumer is gone or stalled, or the connection is lost: it is opened again then.
    pub async fn next(&mut self) -> Result<Vec<StreamMessage>, StreamError> {
        loop {
            match tokio::time::timeout(LOOK_INTERVAL, self.pulled.next()).await {
                Ok(Some(Ok(message))) => {
                    self.watch.since = Instant::now();
                    let mut messages = vec![self.received(message)];
                    while messages.len() < MOST
                        && let Some(Some(Ok(message))) = self.pulled.next().now_or_never()
                    {
                        messages.push(self.received(message));
                    }
                    return Ok(messages);
                }
                Ok(Some(Err(error))) => return Err(StreamError::refused("receive")(error.to_string())),
                Ok(None) => return Err(StreamError::refused("receive")("the pull has ended".to_owned())),
                Err(_) => self.look().await?,
            }
        }
    }

    fn received(&self, message: Message) -> StreamMessage {
        StreamMessage { message, prefix_length: self.prefix.len() + 1 }
    }

    /// Looks whether messages wait that do not arrive.
    async fn look(&mut self) -> Result<(), StreamError> {
        let info = self.consumer.get_info().await;
        let info = info.map_err(|error| StreamError::refused("read the consumer")(error.to_string()))?;
        if self.watch.is_stalled((info.num_pending, info.delivered.stream_sequence), Instant::now()) {
            return Err(StreamError::Stalled { consumer: info.name, pending: info.num_pending });
        }
        Ok(())
    }
}

impl Watch {
    /// Whether messages wait, and none was delivered to anybody for a while.
    fn is_stalled(&mut self, (pending, delivered): (u64, u64), now: Instant) -> bool {
        if pending == 0 || delivered != self.delivered {
            (self.delivered, self.since) = (delivered, now);
            return false;
        }
        now.duration_since(self.since) >= STALLED_AFTER
    }
}

impl StreamMessage {
    /// Its subject behind the prefix.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.subject.get(self.prefix_length..).unwrap_or_default()
    }

    /// It need not come again. Lost on the way, it does.
    pub async fn acknowledge(&self) {
        drop(self.message.ack().await);
    }

    /// It comes again after a while.
    pub async fn postpone(&self, pause: Duration) {
        drop(self.message.ack_with(AckKind::Nak(Some(pause))).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_stalled_once_messages_wait_and_none_is_delivered_for_half_a_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = Watch { delivered: 0, since: start };
        // Nothing waits, however long.
        assert!(!watch.is_stalled((0, 0), at(100)));
        assert!(!watch.is_stalled((5, 0), at(110)) && !watch.is_stalled((5, 0), at(129)));
        // Somebody received one.
        assert!(!watch.is_stalled((4, 1), at(131)) && !watch.is_stalled((4, 1), at(150)));
        assert!(watch.is_stalled((9, 1), at(161)));
    }
}
