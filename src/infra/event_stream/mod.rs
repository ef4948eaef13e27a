//! A stream of messages over NATS JetStream: published with an id by which the server drops duplicates, kept for a week,
//! read by durable consumers. Nexus makes the stream where it is not there; one that is there is left as it is.
//!
//! Needs NATS 2.9 or later. Start reading at [`EventStream`].

mod consumer;
mod error;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::{ContextBuilder, CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use tokio::sync::OnceCell;

pub use consumer::{StreamConsumer, StreamMessage};
pub use error::StreamError;

use crate::kernel::ExposeSecret;
use crate::settings::NatsSettings;

/// How long a connection, and an answer, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long messages are kept, as long as the logs of realms.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);
/// For how long the server knows the ids of messages.
const DUPLICATES_WINDOW: Duration = Duration::from_mins(10);

/// A stream of messages. Cheap to clone; connects when it is first used, and again by itself.
#[derive(Debug, Clone)]
pub struct EventStream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: NatsSettings,
    connected: OnceCell<Context>,
    /// The stream was there.
    is_made: AtomicBool,
}

/// A message that is to be published.
#[derive(Debug)]
pub struct NewStreamMessage<'a> {
    /// What stands behind the prefix in its subject: words with dots between them.
    pub subject: &'a str,
    /// What it is known by: published again within some minutes, it is dropped.
    pub id: String,
    pub body: Vec<u8>,
}

impl EventStream {
    /// Of these settings.
    #[must_use]
    pub fn new(settings: NatsSettings) -> Self {
        let (connected, is_made) = (OnceCell::new(), AtomicBool::new(false));
        Self(Arc::new(Shared { settings, connected, is_made }))
    }

    /// The servers, for people.
    #[must_use]
    pub fn servers(&self) -> String {
        self.0.settings.servers.join(", ")
    }

    /// Whether there is a connection at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let client = self.0.connected.get().map(Context::client);
        client.is_some_and(|client| client.connection_state() == State::Connected)
    }

    /// Its name.
    fn name(&self) -> String {
        format!("{}-events", self.0.settings.prefix)
    }

    /// Sees to it that there is a connection and a stream.
    ///
    /// # Errors
    /// When no server answers, or the stream is another's.
    pub async fn require(&self) -> Result<(), StreamError> {
        self.ready().await.map(drop)
    }

    /// Looks whether servers answer and the stream is Nexus's; what it has otherwise than the settings. Makes nothing;
    /// `None` where there is no stream yet.
    ///
    /// # Errors
    /// As [`EventStream::require`].
    pub async fn check(&self) -> Result<Option<Vec<String>>, StreamError> {
        let context = self.0.connected.get_or_try_init(|| self.connect()).await?;
        let wanted = self.config();
        let found = match context.get_stream(&wanted.name).await {
            Ok(stream) => stream.cached_info().config.clone(),
            Err(error) if is_missing(error.kind()) => return Ok(None),
            Err(error) => return Err(StreamError::refused("read the stream")(error.to_string())),
        };
        require_own(&found, &wanted)?;
        Ok(Some(differences(&found, &wanted)))
    }

    async fn ready(&self) -> Result<&Context, StreamError> {
        let context = self.0.connected.get_or_try_init(|| self.connect()).await?;
        if context.client().connection_state() != State::Connected {
            return Err(StreamError::Lost { servers: self.servers() });
        }
        if !self.0.is_made.load(Ordering::Relaxed) {
            self.make(context).await?;
            self.0.is_made.store(true, Ordering::Relaxed);
        }
        Ok(context)
    }

    async fn connect(&self) -> Result<Context, StreamError> {
        let settings = &self.0.settings;
        let mut options = match &settings.credentials {
            None => ConnectOptions::new(),
            Some(setting) => {
                let secret = setting.resolve().await?;
                let text = secret.expose_secret();
                // A seed of a user begins so (NATS NKeys).
                if text.starts_with("SU") {
                    ConnectOptions::with_nkey(text.trim().to_owned())
                } else {
                    ConnectOptions::with_credentials(text)
                        .map_err(|_| StreamError::Credentials { key: setting.key.clone() })?
                }
            }
        };
        if let Some(file) = &settings.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        let options = options
            .name("nexus")
            .require_tls(settings.is_encrypted)
            // A server that is found out by another is none that the settings name.
            .ignore_discovered_servers()
            .connection_timeout(CONNECT_TIMEOUT);
        let unreachable = |reason: String| StreamError::Unreachable { servers: self.servers(), reason };
        let client: Client =
            options.connect(&settings.servers).await.map_err(|error| unreachable(error.to_string()))?;
        Ok(ContextBuilder::new().timeout(ANSWER_TIMEOUT).build(client))
    }

    fn config(&self) -> Config {
        let settings = &self.0.settings;
        Config {
            name: self.name(),
            subjects: vec![format!("{}.>", settings.prefix)],
            description: Some("Events of Nexus".to_owned()),
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            max_age: MAX_AGE,
            max_bytes: i64::from(settings.max_megabytes) * 1024 * 1024,
            duplicate_window: DUPLICATES_WINDOW,
            num_replicas: settings.replicas,
            ..Config::default()
        }
    }

    /// Makes the stream where it is not there. Several processes may do so at once.
    async fn make(&self, context: &Context) -> Result<(), StreamError> {
        let wanted = self.config();
        let made = context.get_or_create_stream(wanted.clone()).await;
        let found = match made {
            Ok(stream) => stream.cached_info().config.clone(),
            // Another process made it at this moment.
            Err(error) if is_taken(error.kind()) => {
                let refused = StreamError::refused("read the stream");
                context
                    .get_stream(&wanted.name)
                    .await
                    .map_err(|error| refused(error.to_string()))?
                    .cached_info()
                    .config
                    .clone()
            }
            Err(error) => return Err(StreamError::refused("make the stream")(error.to_string())),
        };
        require_own(&found, &wanted)?;
        let differs = differences(&found, &wanted);
        if !differs.is_empty() {
            let stream = &wanted.name;
            tracing::warn!(
                stream,
                "the stream has other settings than these, and is left as it is: {}",
                differs.join(", ")
            );
        }
        Ok(())
    }

    /// Publishes a message; it is stored once this returns.
    ///
    /// # Errors
    /// When it may not be stored: it is published again then, with the same id.
    pub async fn publish(&self, message: NewStreamMessage<'_>) -> Result<(), StreamError> {
        let context = self.ready().await?;
        let subject = format!("{}.{}", self.0.settings.prefix, message.subject);
        let publish = PublishMessage::build().message_id(message.id).payload(Bytes::from(message.body));
        let stored = async { context.send_publish(subject, publish).await?.await };
        match stored.await {
            Ok(_) => Ok(()),
            Err(error) => {
                if error::is_gone(error.kind()) {
                    self.0.is_made.store(false, Ordering::Relaxed);
                }
                Err(StreamError::refused("publish")(error.to_string()))
            }
        }
    }
}

fn require_own(found: &Config, wanted: &Config) -> Result<(), StreamError> {
    if found.subjects == wanted.subjects {
        return Ok(());
    }
    Err(StreamError::Foreign { stream: wanted.name.clone(), subjects: found.subjects.join(", ") })
}

fn is_missing(kind: GetStreamErrorKind) -> bool {
    match kind {
        GetStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NOT_FOUND,
        _ => false,
    }
}

fn is_taken(kind: CreateStreamErrorKind) -> bool {
    match kind {
        CreateStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::STREAM_NAME_EXIST,
        _ => false,
    }
}

/// In which settings a stream differs from what Nexus would make.
fn differences(found: &Config, wanted: &Config) -> Vec<String> {
    let mut differs = Vec::new();
    let mut compare = |name: &str, found: String, wanted: String| {
        if found != wanted {
            differs.push(format!("{name} {found} (here: {wanted})"));
        }
    };
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    compare("max_age", seconds(found.max_age), seconds(wanted.max_age));
    compare("max_bytes", found.max_bytes.to_string(), wanted.max_bytes.to_string());
    compare("duplicate_window", seconds(found.duplicate_window), seconds(wanted.duplicate_window));
    compare("replicas", found.num_replicas.to_string(), wanted.num_replicas.to_string());
    compare("retention", format!("{:?}", found.retention), format!("{:?}", wanted.retention));
    compare("storage", format!("{:?}", found.storage), format!("{:?}", wanted.storage));
    differs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_has_otherwise_is_named() {
        let settings = NatsSettings {
            servers: vec!["nats://127.0.0.1".to_owned()],
            credentials: None,
            ca_file: None,
            is_encrypted: false,
            prefix: "acme".to_owned(),
            replicas: 1,
            max_megabytes: 16,
        };
        let wanted = EventStream::new(settings).config();
        assert_eq!((wanted.name.as_str(), wanted.subjects[0].as_str()), ("acme-events", "acme.>"));
        assert!(differences(&wanted, &wanted).is_empty());
        let found = Config { max_bytes: 1, max_age: Duration::from_mins(1), ..wanted.clone() };
        assert_eq!(
            differences(&found, &wanted),
            ["max_age 60 s (here: 604800 s)", "max_bytes 1 (here: 16777216)",]
        );
    }
}
