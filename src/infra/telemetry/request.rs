//! The span of a request: whose part it is, and how it ended.

use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{Status, TraceContextExt as _, TraceId};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Whether this process makes traces.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// What is known of a request when it begins.
#[derive(Debug)]
pub struct RequestSpan<'a> {
    /// One of the methods that there are, else `_OTHER`.
    pub method: &'static str,
    /// The template of its path.
    pub route: Option<&'a str>,
    /// Its headers, where whoever sent it is trusted: W3C's `traceparent` says whose part it is.
    pub trusted: Option<&'a HeaderMap>,
}

pub(super) fn enable() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// Says of a span that it is a request's. The id of the trace that it belongs to, if it belongs to one.
pub fn start_request(span: &Span, request: &RequestSpan<'_>) -> Option<String> {
    let parent = request.trusted.filter(|headers| headers.contains_key("traceparent")).map(|headers| {
        TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
    });
    let trace = if IS_ON.load(Ordering::Relaxed) {
        if let Some(parent) = parent {
            drop(span.set_parent(parent));
        }
        span.set_attribute("http.request.method", request.method);
        if let Some(route) = request.route {
            span.set_attribute("http.route", route.to_owned());
        }
        span.context().span().span_context().trace_id()
    } else {
        parent?.span().span_context().trace_id()
    };
    (trace != TraceId::INVALID).then(|| trace.to_string())
}

/// The header `traceparent` (W3C Trace Context) of what is asked elsewhere for this request, where there are traces.
pub fn traceparent() -> Option<String> {
    if !IS_ON.load(Ordering::Relaxed) {
        return None;
    }
    let mut headers = std::collections::HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    headers.remove("traceparent")
}

/// Says how a request ended: its status, and the code where Nexus failed.
pub fn end_request(span: &Span, status: u16, code: Option<&'static str>) {
    if !IS_ON.load(Ordering::Relaxed) {
        return;
    }
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.set_attribute("error.type", code.unwrap_or("internal"));
        span.set_status(Status::error(""));
    }
}
