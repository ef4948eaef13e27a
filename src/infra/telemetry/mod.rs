//! Traces for a collector (OpenTelemetry, OTLP over HTTP).
//!
//! Spans are those of `tracing`: one for each request, each service that it calls and each statement. They are
//! sent in batches by a thread of their own; no request waits for it. What is sent is chosen in [`outgoing`], by
//! name: nothing else that a span holds leaves the process. Start reading at [`Telemetry`].

mod collector;
mod exporter;
mod outgoing;
mod queue;
mod request;
mod sampler;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

use crate::kernel::{Failure, SecretString};
use collector::Collector;
use exporter::Exporter;
use queue::Queue;
use sampler::RequestSampler;

pub use request::{RequestSpan, end_request, start_request, traceparent};

/// Where a collector takes traces, behind its URL (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";
/// How long the last spans may take at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Traces cannot be sent.
#[derive(Debug, thiserror::Error, Failure)]
pub enum TelemetryError {
    /// The trace collector's endpoint is not a valid URL.
    #[error("telemetry.endpoint: {0}")]
    #[failure(Invalid, "telemetry_endpoint_invalid")]
    Endpoint(String),
    /// The headers for the trace collector are malformed.
    #[error("telemetry.headers must be NAME=VALUE,NAME=VALUE, with percent-encoded values")]
    #[failure(Invalid, "telemetry_headers_invalid")]
    Headers,
    /// The trace collector needs TLS, and this machine's CA certificates cannot be read.
    #[error("this machine's CA certificates cannot be read: {0}")]
    #[failure(Unavailable, "telemetry_no_certificates")]
    Certificates(std::io::Error),
}

/// What makes traces and sends them.
pub struct Telemetry {
    provider: SdkTracerProvider,
    collector: Collector,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// For the collector of this URL. What else OpenTelemetry's variables set (name of the service, attributes of
    /// the resource, sampler, sizes of batches) is read from the environment.
    ///
    /// # Errors
    /// [`TelemetryError::Endpoint`], [`TelemetryError::Certificates`].
    pub fn new(endpoint: &str) -> Result<Self, TelemetryError> {
        let collector = Collector::new(endpoint)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector.clone())
            .with_endpoint(format!("{endpoint}{PATH}"))
            .with_protocol(Protocol::HttpBinary)
            .build()
            .map_err(|error| TelemetryError::Endpoint(error.to_string()))?;
        let queued = Arc::<AtomicUsize>::default();
        let queue = Queue::new(Exporter::new(exporter, Arc::clone(&queued)), queued);
        let provider = SdkTracerProvider::builder()
            .with_sampler(RequestSampler::from_environment())
            .with_resource(resource())
            .with_span_processor(queue)
            .build();
        request::enable();
        Ok(Self { provider, collector })
    }

    /// Takes part in the log's spans. Events stay in the log: they may name what is nobody else's business.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let is_ours = |it: &Metadata<'_>| it.is_span() && it.target().starts_with("nexus");
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("nexus"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_target(true)
            .with_filter(FilterFn::new(is_ours).with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Begins to send, with these headers, within the runtime of the process.
    ///
    /// # Errors
    /// [`TelemetryError::Headers`].
    pub fn begin(&self, headers: Option<&SecretString>) -> Result<(), TelemetryError> {
        self.collector.begin(headers)
    }

    /// Sends what is left, for two seconds at most.
    pub async fn end(&self) {
        let provider = self.provider.clone();
        // Waits for the thread that sends.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if let Ok(Err(error)) = ended {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// What all spans have in common. A name that nobody set is the program's.
fn resource() -> Resource {
    let service = Key::from_static_str("service.name");
    let named = Resource::builder().build();
    let is_named = named
        .get_ref(&service)
        .is_some_and(|name| !name.as_str().is_empty() && !name.as_str().starts_with("unknown_service"));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if is_named { resource.build() } else { resource.with_service_name("nexus").build() }
}
