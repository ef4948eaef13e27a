//! The steps of handing a message over, and what was seen at each.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::reply::Reply;

/// A step, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The addresses of the server's name.
    Lookup,
    Connect,
    /// The handshake, at once or after STARTTLS.
    Tls,
    /// The server's first word.
    Greeting,
    Ehlo,
    /// The command; the handshake follows.
    Starttls,
    Auth,
    /// Whether a connection that was idle is still good.
    Noop,
    /// The sender.
    Mail,
    /// The recipient.
    Rcpt,
    /// What the caller wanted done before the message itself goes.
    Record,
    /// That the message follows.
    Data,
    /// The message, as far as the last dot.
    Message,
    /// The answer after the last dot.
    Accepted,
}

impl Step {
    /// As people call it: a command of SMTP, or what happens before there are any.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lookup => "DNS",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::Starttls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Noop => "NOOP",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Record => "record",
            Self::Data => "DATA",
            Self::Message => "message",
            Self::Accepted => "reply",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A step that was taken, or that failed.
#[derive(Debug, Clone)]
pub struct StepTaken {
    pub step: Step,
    pub took: Duration,
    pub seen: StepDetail,
}

/// What was seen at a step.
#[derive(Debug, Clone)]
pub enum StepDetail {
    /// Nothing, because it failed without an answer or gives none.
    Nothing,
    Addresses(Vec<IpAddr>),
    Address(SocketAddr),
    Tls(Box<TlsSeen>),
    Reply(Reply),
}

/// What a handshake showed, of one that failed too.
#[derive(Debug, Clone, Default)]
pub struct TlsSeen {
    /// E.g. `TLSv1_3`; none where it failed.
    pub version: Option<String>,
    /// The server's own certificate first.
    pub chain: Vec<Certificate>,
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub subject: String,
    /// The names that it is good for.
    pub names: Vec<String>,
    pub issuer: String,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
}

/// Writes the steps down, where somebody wants to see them.
#[derive(Debug, Default)]
pub(super) struct Trace {
    steps: Option<Vec<StepTaken>>,
}

impl Trace {
    /// One that keeps nothing.
    pub(super) fn none() -> Self {
        Self::default()
    }

    pub(super) fn kept() -> Self {
        Self { steps: Some(Vec::new()) }
    }

    pub(super) fn take(self) -> Vec<StepTaken> {
        self.steps.unwrap_or_default()
    }

    pub(super) fn add(&mut self, step: Step, since: Instant, seen: impl FnOnce() -> StepDetail) {
        if let Some(steps) = &mut self.steps {
            steps.push(StepTaken { step, took: since.elapsed(), seen: seen() });
        }
    }
}
