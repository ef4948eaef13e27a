//! What carries events: whether NATS answers, and what its stream is like.

use std::time::Duration;

use super::model::Group;
use crate::infra::event_stream::{EventStream, StreamError};
use crate::kernel::{ErrorKind, Failure, Finding};
use crate::settings::NatsSettings;

const GROUP: Group = Group::Events;
const SUBJECT: &str = "nats";
/// What is not looked at where PostgreSQL alone carries events.
const NOT_USED: &str = "PostgreSQL alone carries events";

/// Looks at the NATS of the settings.
pub(super) async fn examine(settings: Option<&NatsSettings>, patience: Duration) -> Vec<Finding> {
    let Some(settings) = settings else {
        return ["reachable", "stream"].map(|name| Finding::skipped(GROUP, name, SUBJECT, NOT_USED)).into();
    };
    let stream = EventStream::new(settings.clone());
    let servers = stream.servers();
    let checked = tokio::time::timeout(patience, stream.check()).await;
    let down = |found: String| {
        let fix =
            format!("start NATS at {servers}, or correct [context.NAME.events]; events wait until then");
        let finding = Finding::problem((GROUP, "reachable"), ErrorKind::Unavailable, SUBJECT, found).fix(fix);
        vec![finding, Finding::skipped(GROUP, "stream", SUBJECT, "NATS does not answer")]
    };
    let found = match checked {
        Err(_) => return down(format!("no answer in {} s", patience.as_secs())),
        Ok(Err(error @ (StreamError::Foreign { .. } | StreamError::Refused { .. }))) => Err(error),
        Ok(Err(error)) => return down(error.to_string()),
        Ok(Ok(found)) => Ok(found),
    };
    let reachable = Finding::ok(GROUP, "reachable", SUBJECT, format!("{servers} answers"));
    let stream = match found {
        Err(error) => Finding::problem((GROUP, "stream"), error.kind(), SUBJECT, error.to_string())
            .fix("give each installation an nats_prefix of its own under [context.NAME.events]"),
        Ok(None) => Finding::ok(GROUP, "stream", SUBJECT, "it is made with the first event".to_owned()),
        Ok(Some(differs)) if differs.is_empty() => {
            Finding::ok(GROUP, "stream", SUBJECT, "it is as the settings say".to_owned())
        }
        Ok(Some(differs)) => Finding::warning(GROUP, "stream", SUBJECT, differs.join(", ")),
    };
    vec![reachable, stream]
}
