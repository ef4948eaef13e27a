//! Which traces are made: those that begin with a request.

use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Config, SamplingDecision, SamplingResult, ShouldSample};

use super::outgoing::REQUEST;

/// Spans of requests, as the standard variables choose them, and all that is below one that was chosen. What a
/// process does beside requests is no trace: it would be thousands of statements an hour that nobody asked for.
#[derive(Debug, Clone)]
pub(super) struct OfRequests(Box<dyn ShouldSample>);

impl OfRequests {
    /// By `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`; unset: all, but for those whose caller chose not to.
    pub(super) fn from_environment() -> Self {
        Self(Config::default().sampler)
    }
}

impl ShouldSample for OfRequests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let above = parent.map(|parent| parent.span().span_context().clone());
        let above = above.filter(SpanContext::is_valid);
        let decision = match &above {
            Some(above) if !above.is_remote() && above.is_sampled() => SamplingDecision::RecordAndSample,
            Some(above) if !above.is_remote() => SamplingDecision::Drop,
            _ if name == REQUEST => {
                return self.0.should_sample(parent, trace, name, kind, attributes, links);
            }
            _ => SamplingDecision::Drop,
        };
        let trace_state = above.map_or_else(TraceState::default, |above| above.trace_state().clone());
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}
