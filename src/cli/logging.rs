//! The log: tracing's events on standard error, between the progress lines.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::output::Screen;
use crate::infra::db::{NOTICES, NoticeLayer};
use crate::infra::telemetry::Telemetry;
use crate::kernel::Failure;
use crate::settings::{LogFormat, LogSettings};

/// Libraries that log requests, statements or headers below this level, and so could show what
/// nobody should see. Only a filter that names one of them raises it.
const TALKATIVE: [&str; 11] = [
    "aws_config",
    "aws_credential_types",
    "aws_runtime",
    "aws_sdk_s3",
    "aws_sigv4",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "h2",
    "hyper",
    "hyper_util",
    "sqlx",
];

/// It logs every refusal as an error, so that anybody who can connect fills the log. What the object
/// store itself cannot do is logged by Nexus.
const S3_LIBRARY: &str = "s3s";

/// `NEXUS_LOG` is not a log filter.
#[derive(Debug, thiserror::Error, Failure)]
#[error("NEXUS_LOG={filter:?} is not a log filter")]
#[failure(Invalid, "log_filter_invalid")]
#[hint("NEXUS_LOG=debug, or by part: NEXUS_LOG=nexus=debug,sqlx=info")]
pub struct LogFilterError {
    filter: String,
}

/// Starts the log, and with it what makes traces. `filter` is `NEXUS_LOG` and beats the flags, which beat the
/// settings.
///
/// # Errors
/// When the filter is none.
pub fn start(
    settings: &LogSettings,
    filter: Option<&str>,
    verbose: u8,
    screen: &Screen,
    telemetry: Option<&Telemetry>,
) -> Result<(), LogFilterError> {
    let targets = targets(settings, filter, verbose)?;
    let notices = NoticeLayer.with_filter(Targets::new().with_target(NOTICES, Level::TRACE));
    let heard = tracing_subscriber::registry().with(notices);
    let started = match telemetry {
        Some(telemetry) => write(heard.with(telemetry.layer()), settings.format, targets, screen),
        None => write(heard, settings.format, targets, screen),
    };
    // Another log is running already only within tests; it serves as well.
    drop(started);
    Ok(())
}

/// Starts what listens, with the lines of the log beside it.
fn write<S>(listening: S, format: LogFormat, targets: Targets, screen: &Screen) -> Result<(), TryInitError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync + 'static,
{
    let writer = ScreenWriter(screen.clone());
    match format {
        LogFormat::Json => {
            let lines = tracing_subscriber::fmt::layer().json().with_writer(writer);
            listening.with(lines.with_filter(targets)).try_init()
        }
        LogFormat::Text => {
            let lines = tracing_subscriber::fmt::layer();
            let lines = lines.with_ansi(screen.colour_on_stderr()).with_writer(writer);
            listening.with(lines.with_filter(targets)).try_init()
        }
    }
}

fn targets(settings: &LogSettings, filter: Option<&str>, verbose: u8) -> Result<Targets, LogFilterError> {
    let quiet = Targets::new().with_targets(TALKATIVE.map(|name| (name, Level::INFO)));
    let quiet = quiet.with_target(S3_LIBRARY, LevelFilter::OFF);
    if let Some(filter) = filter {
        let wrong = |_| LogFilterError { filter: filter.to_owned() };
        let asked: Targets = filter.parse().map_err(wrong)?;
        let default = asked.default_level();
        let merged = quiet.with_default(default.unwrap_or(LevelFilter::OFF));
        return Ok(merged.with_targets(asked));
    }
    let level = settings.level.parse().unwrap_or(LevelFilter::WARN).max(match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    });
    // What libraries say is of use only when it is bad.
    // What PostgreSQL says about a tenant's migration is kept with its run, and shown with its file.
    let quiet = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(S3_LIBRARY, LevelFilter::OFF)
        .with_target(NOTICES, LevelFilter::OFF);
    Ok(quiet.with_target("nexus", level))
}

/// Hands whole events to the screen, so that a progress line never cuts one.
#[derive(Clone)]
struct ScreenWriter(Screen);

impl<'a> MakeWriter<'a> for ScreenWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for ScreenWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.log(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(filter: Option<&str>, verbose: u8, target: &str, level: Level) -> bool {
        let settings = LogSettings { level: "warn".to_owned(), format: LogFormat::Text };
        targets(&settings, filter, verbose).unwrap().would_enable(target, &level)
    }

    #[test]
    fn the_flags_raise_our_own_log_and_no_library_s() {
        assert!(!shows(None, 0, "nexus::app", Level::INFO));
        assert!(shows(None, 1, "nexus::app", Level::INFO));
        assert!(shows(None, 3, "nexus::app", Level::TRACE));
        assert!(!shows(None, 3, "sqlx::query", Level::DEBUG));
        assert!(!shows(None, 3, "s3s::ops", Level::ERROR));
        assert!(!shows(Some("trace"), 0, "s3s::ops", Level::ERROR));
        assert!(shows(Some("warn,s3s=debug"), 0, "s3s::ops", Level::ERROR));
        assert!(!shows(None, 0, NOTICES, Level::WARN));
        assert!(shows(Some("sqlx=warn"), 0, NOTICES, Level::WARN));
    }

    #[test]
    fn a_bare_level_leaves_talkative_libraries_quiet_unless_they_are_named() {
        assert!(shows(Some("trace"), 0, "nexus::app", Level::TRACE));
        assert!(!shows(Some("trace"), 0, "hyper::proto", Level::TRACE));
        assert!(shows(Some("warn,hyper=trace"), 0, "hyper::proto", Level::TRACE));
        assert!(
            targets(&LogSettings { level: "warn".into(), format: LogFormat::Text }, Some("a=b=c"), 0)
                .is_err()
        );
    }
}
