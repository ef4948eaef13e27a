//! Spans that wait to be sent: so many, and more are dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanProcessor};

use super::exporter::Exporter;

/// Most spans that wait: about 4 MB.
const MOST: usize = 4096;

/// Batches of spans; a thread of its own sends them.
#[derive(Debug)]
pub(super) struct Queue {
    batches: BatchSpanProcessor,
    queued: Arc<AtomicUsize>,
}

/// Counts what became of spans.
pub(super) fn count(outcome: &'static str, spans: usize) {
    metrics::counter!("nexus_trace_spans_total", "outcome" => outcome).increment(spans as u64);
}

impl Queue {
    pub(super) fn new(exporter: Exporter, queued: Arc<AtomicUsize>) -> Self {
        let config = BatchConfigBuilder::default().with_max_queue_size(MOST).build();
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        Self { batches, queued }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.queued.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return count("dropped", 1);
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}
