//! What a request went through, and how long each step took.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A step of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundStep {
    /// The name is looked up, and its addresses are checked.
    Resolve,
    Connect,
    Tls,
    /// It is sent, up to the first byte of the answer.
    Request,
    /// The answer's body.
    Answer,
}

impl OutboundStep {
    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// A step that was taken.
#[derive(Debug, Clone)]
pub struct OutboundStepTaken {
    pub step: OutboundStep,
    pub took: Duration,
    /// The addresses that were checked, or the one that is connected to.
    pub addresses: Vec<IpAddr>,
    /// The version of TLS, or the status of the answer.
    pub detail: Option<String>,
}

/// Keeps the time of steps.
#[derive(Debug)]
pub(super) struct Trace {
    since: Instant,
    pub(super) steps: Vec<OutboundStepTaken>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), steps: Vec::new() }
    }

    /// Ends a step, whether it went well or not.
    pub(super) fn end(&mut self, step: OutboundStep, addresses: Vec<IpAddr>, detail: Option<String>) {
        let now = Instant::now();
        self.steps.push(OutboundStepTaken { step, took: now - self.since, addresses, detail });
        self.since = now;
    }
}
