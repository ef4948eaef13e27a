//! Why a stream of events cannot be used.

use async_nats::jetstream::context::PublishErrorKind;

use crate::kernel::Failure;
use crate::settings::SecretSettingError;

/// A stream of events could not be used.
#[derive(Debug, thiserror::Error, Failure)]
pub enum StreamError {
    /// No server of the settings takes the connection.
    #[error("no connection to {servers}: {reason}")]
    #[failure(Unavailable, "nats_unreachable")]
    #[details(servers, reason)]
    Unreachable { servers: String, reason: String },
    /// The connection was lost, and has not come back yet.
    #[error("the connection to {servers} was lost")]
    #[failure(Unavailable, "nats_connection_lost")]
    #[details(servers)]
    Lost { servers: String },
    /// What Nexus signs in with is neither a credentials file nor a seed.
    #[error("{key} is neither a credentials file (.creds) nor the seed of an nkey")]
    #[failure(Invalid, "nats_credentials_invalid")]
    #[details(key)]
    Credentials { key: String },
    /// The reference to the credentials.
    #[error(transparent)]
    #[failure(transparent)]
    Secret(#[from] SecretSettingError),
    /// Something else has a stream of that name.
    #[error("stream {stream} is not Nexus's: it has the subjects {subjects}")]
    #[failure(Conflict, "nats_stream_foreign")]
    #[hint("set nats_prefix under [context.NAME.events] to a word of this installation's own")]
    #[details(stream, subjects)]
    Foreign { stream: String, subjects: String },
    /// The server refused what was asked.
    #[error("cannot {what}: {reason}")]
    #[failure(Unavailable, "nats_failed")]
    #[details(reason)]
    Refused { what: &'static str, reason: String },
    /// Messages wait, and none arrives.
    #[error("consumer {consumer} receives nothing, though {pending} messages wait")]
    #[failure(Unavailable, "nats_consumer_stalled")]
    #[details(consumer, pending)]
    Stalled { consumer: String, pending: u64 },
}

impl StreamError {
    pub(super) fn refused(what: &'static str) -> impl Fn(String) -> Self {
        move |reason| Self::Refused { what, reason }
    }
}

/// Whether the stream is gone.
pub(super) fn is_gone(kind: PublishErrorKind) -> bool {
    kind == PublishErrorKind::StreamNotFound
}
