//! What leaves the process: attributes that are named here, under the names that OpenTelemetry gives them
//! (semantic conventions 1.37: HTTP, database, code). All else that a span holds for the log stays here.

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

/// The names of spans of requests and statements in the log.
pub(super) const REQUEST: &str = "request";
const STATEMENT: &str = "statement";

/// The name under which an attribute is sent; `None`: it is not.
fn sent_as(name: &str) -> Option<&'static str> {
    const SENT: [(&str, &str); 9] = [
        ("request_id", "nexus.request.id"),
        ("tenant", "nexus.tenant.id"),
        ("http.request.method", "http.request.method"),
        ("http.route", "http.route"),
        ("http.response.status_code", "http.response.status_code"),
        ("error.type", "error.type"),
        ("db.namespace", "db.namespace"),
        ("db.operation.name", "db.operation.name"),
        ("db.query.summary", "db.query.summary"),
    ];
    SENT.into_iter().find(|(known, _)| *known == name).map(|(_, sent)| sent)
}

/// Leaves of a span what is sent.
pub(super) fn filter_attributes(span: &mut SpanData) {
    span.events = SpanEvents::default();
    span.links = SpanLinks::default();
    if matches!(span.status, Status::Error { .. }) {
        span.status = Status::error("");
    }
    let all = std::mem::take(&mut span.attributes);
    let text = |name: &str| {
        let found = all.iter().find(|it| it.key.as_str() == name);
        found.map(|it| it.value.as_str().into_owned()).filter(|text| !text.is_empty())
    };
    let mut sent: Vec<KeyValue> = all
        .iter()
        .filter_map(|it| Some(KeyValue::new(sent_as(it.key.as_str())?, it.value.clone())))
        .filter(|it| !it.value.as_str().is_empty())
        .collect();
    match &*span.name {
        REQUEST => {
            span.span_kind = SpanKind::Server;
            let method = text("http.request.method").unwrap_or_default();
            span.name = text("http.route").map_or(method.clone(), |route| format!("{method} {route}")).into();
        }
        STATEMENT => {
            span.span_kind = SpanKind::Client;
            sent.push(KeyValue::new("db.system.name", "postgresql"));
            let name = text("db.query.summary").or_else(|| text("db.operation.name"));
            span.name = name.unwrap_or_else(|| "postgresql".to_owned()).into();
        }
        function => {
            span.span_kind = SpanKind::Internal;
            let place = text("target").unwrap_or_default();
            sent.push(KeyValue::new("code.function.name", format!("{place}::{function}")));
            span.name = service(&place, function).into();
        }
    }
    span.attributes = sent;
}

/// What a service is called: its feature, and the verb, e.g. `iam.users.list`.
fn service(place: &str, function: &str) -> String {
    let place = place.strip_prefix("nexus::").unwrap_or(place);
    let place = place.strip_prefix("features::").unwrap_or(place);
    let parts = place.split("::").filter(|part| !part.is_empty() && *part != "service");
    parts.chain([function]).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId};

    use super::*;

    fn span(name: &'static str, attributes: &[(&'static str, &'static str)]) -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: attributes.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::error("hunter2"),
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    fn chosen(name: &'static str, attributes: &[(&'static str, &'static str)]) -> (String, String) {
        let mut span = span(name, attributes);
        filter_attributes(&mut span);
        (span.name.to_string(), format!("{span:?}"))
    }

    #[test]
    fn only_what_is_named_leaves() {
        let (name, all) = chosen(
            "request",
            &[
                ("http.request.method", "GET"),
                ("http.route", "/users/{id}"),
                ("path", "/users/hunter2"),
                ("url.query", "token=hunter2"),
                ("request_id", "r1"),
            ],
        );
        assert_eq!(name, "GET /users/{id}");
        assert!(all.contains("nexus.request.id") && !all.contains("hunter2"), "{all}");
    }

    #[test]
    fn a_service_is_called_as_its_feature_and_a_statement_as_its_table() {
        let name = |name, attributes: &[(&'static str, &'static str)]| chosen(name, attributes).0;
        assert_eq!(name("list", &[("target", "nexus::features::tenants::service")]), "tenants.list");
        assert_eq!(name("find", &[("target", "nexus::features::iam::users::look")]), "iam.users.look.find");
        let summary = ("db.query.summary", "SELECT nexus.users");
        assert_eq!(name("statement", &[("db.operation.name", "SELECT"), summary]), "SELECT nexus.users");
        assert_eq!(name("statement", &[("db.operation.name", "COMMIT")]), "COMMIT");
    }
}
