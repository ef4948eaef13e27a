//! Sends batches, and says once that it cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::outgoing;
use super::queue::count;

/// An exporter that sends what may be sent.
pub(super) struct Exporter {
    inner: opentelemetry_otlp::SpanExporter,
    /// Spans that wait to be sent.
    queued: Arc<AtomicUsize>,
    /// The last batch was not taken.
    is_failing: AtomicBool,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Exporter {
    pub(super) fn new(inner: opentelemetry_otlp::SpanExporter, queued: Arc<AtomicUsize>) -> Self {
        Self { inner, queued, is_failing: AtomicBool::new(false) }
    }

    fn note(&self, sent: &OTelSdkResult, spans: usize) {
        match sent {
            Ok(()) => {
                count("sent", spans);
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the trace collector takes spans again");
                }
            }
            Err(error) => {
                count("failed", spans);
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the trace collector takes no spans; they are lost");
                }
            }
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.queued.fetch_sub(spans, Ordering::Relaxed);
        batch.iter_mut().for_each(outgoing::filter_attributes);
        let sent = self.inner.export(batch).await;
        self.note(&sent, spans);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
