//! `[telemetry]`: where traces of requests go.

use super::key::{Default, Key, Kind};
use super::secret_setting::SecretSetting;
use super::values::SectionValues;

/// Where traces of requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// The collector's URL; absent: no traces are made.
    pub endpoint: Option<String>,
    /// Headers of what is sent to it, as `NAME=VALUE,…`.
    pub headers: Option<SecretSetting>,
}

/// Variables of OpenTelemetry's own that stand for a key: the variable, the key, and whether its value is secret.
pub(super) const VARIABLES: [(&str, &str, bool); 2] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.endpoint", false),
    ("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.headers", true),
];

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "endpoint",
        kind: Kind::Url,
        default: Default::Words("none: no traces are made"),
        help: "The collector that takes traces by OTLP over HTTP, e.g. http://127.0.0.1:4318.",
    },
    Key {
        name: "headers",
        kind: Kind::Secret,
        default: Default::Words("none"),
        help: "Where the headers are stored that the collector asks for, as NAME=VALUE,NAME=VALUE.",
    },
];

impl TelemetrySettings {
    pub(super) fn read(section: &SectionValues<'_>) -> Self {
        let endpoint = section.text("endpoint").map(|url| url.trim_end_matches('/').to_owned());
        Self { endpoint, headers: section.secret("headers") }
    }
}
