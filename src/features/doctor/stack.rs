//! The embedded stack: whether it runs, its programs, its folders, its port.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::input::DoctorInput;
use super::model::Group;
use crate::features::local::{LocalError, LocalStack, PartState, StackState, StatusView};
use crate::kernel::hint::LocalAction;
use crate::kernel::{ErrorKind, Finding, Hint, shell};

const GROUP: Group = Group::Local;

/// Looks at the embedded stack.
pub(super) async fn examine(input: &DoctorInput) -> Vec<Finding> {
    let Some(stack) = &input.stack else {
        let why = match &input.settings {
            Ok(settings) => format!("context {} has servers of its own", settings.context),
            Err(_) => "the settings are not valid".to_owned(),
        };
        let skipped = |name| Finding::skipped(GROUP, name, "the embedded stack", &*why);
        return ["state", "programs", "folders", "port"].map(skipped).to_vec();
    };
    let (status, programs) = tokio::join!(stack.status(), stack.server_programs());
    let home = input.sources.home.as_ref().map(|home| home.path().to_owned()).unwrap_or_default();
    let port = status.as_ref().ok().map(port);
    let mut findings = vec![state(stack, status), self::programs(programs)];
    findings.extend(folders(&home));
    findings.push(
        port.unwrap_or_else(|| Finding::skipped(GROUP, "port", "S3 endpoint", "its state cannot be read")),
    );
    findings
}

fn state(stack: &LocalStack, status: Result<StatusView, LocalError>) -> Finding {
    let status = match status {
        Ok(status) => status,
        Err(error) => return Finding::failure((GROUP, "state"), "the embedded stack", &error),
    };
    let subject = status.data_dir.display().to_string();
    let part = |name: &str, state: PartState, error: &Option<String>| {
        let reason = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        (state != PartState::Running).then(|| format!("{name} is {}{reason}", word(state)))
    };
    match status.state {
        StackState::Running => Finding::ok(GROUP, "state", subject, "running"),
        StackState::Starting => Finding::warning(GROUP, "state", subject, "starting").fix(LocalAction::Start),
        StackState::Stopped if status.postgres.state == PartState::Orphaned => {
            let found = "PostgreSQL runs without the daemon, which was killed";
            Finding::warning(GROUP, "state", subject, found).fix(LocalAction::Start)
        }
        StackState::Stopped if stack.has_data() => {
            Finding::ok(GROUP, "state", subject, "stopped; the next command starts it")
        }
        StackState::Stopped => {
            Finding::ok(GROUP, "state", subject, "not created yet; the next command creates and starts it")
        }
        StackState::Degraded => {
            let parts = [
                part("PostgreSQL", status.postgres.state, &status.postgres.last_error),
                part("the S3 endpoint", status.s3.state, &status.s3.last_error),
            ];
            let found = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
            Finding::problem((GROUP, "state"), ErrorKind::Unavailable, subject, found)
                .fix(Hint::new("see why, then stop it and start it again", LocalAction::Logs(None)))
        }
    }
}

fn word(state: PartState) -> String {
    let value = serde_json::to_value(state).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn programs(found: Result<(std::path::PathBuf, crate::features::local::PgVersion), LocalError>) -> Finding {
    match found {
        Ok((folder, version)) => {
            Finding::ok(GROUP, "programs", folder.display().to_string(), format!("PostgreSQL {version}"))
        }
        Err(error) => Finding::failure((GROUP, "programs"), "PostgreSQL's server programs", &error)
            .kind(ErrorKind::Unavailable),
    }
}

/// Folders that others must not change, and files that they must not read.
fn folders(home: &Path) -> Vec<Finding> {
    let local = home.join("local");
    if !local.exists() {
        let subject = home.display().to_string();
        return vec![Finding::skipped(GROUP, "folders", subject, "nothing is kept there yet")];
    }
    // What nobody else may do there, by the bits of group and others.
    let places = [
        (home.to_owned(), 0o022),
        (home.join("keys"), 0o077),
        (local.clone(), 0o066),
        (local.join("logs"), 0o077),
        (local.join("objects"), 0o077),
        (local.join("run"), 0o077),
        (local.join("pg"), 0o077),
        (local.join("postgres.password"), 0o077),
        (local.join("s3.token"), 0o077),
    ];
    let mut wrong = Vec::new();
    for (place, bits) in places {
        let Ok(facts) = fs::symlink_metadata(&place) else { continue };
        let subject = place.display().to_string();
        let mode = facts.mode() & 0o777;
        if facts.is_symlink() {
            let found = "is a link: somebody else may decide where it leads";
            wrong.push(
                Finding::warning(GROUP, "folders", &subject, found)
                    .fix(format!("ls -ld {}", shell::path(&place))),
            );
        } else if mode & bits != 0 {
            let found = format!("others have rights that they should not have (mode {mode:04o})");
            let finding = Finding::problem((GROUP, "folders"), ErrorKind::Integrity, &subject, found);
            wrong.push(finding.fix(format!("chmod {:04o} {}", mode & !bits, shell::path(&place))));
        }
    }
    if wrong.is_empty() {
        wrong.push(Finding::ok(GROUP, "folders", home.display().to_string(), "closed to others"));
    }
    wrong
}

/// The port of an endpoint that does not run must be free.
fn port(status: &StatusView) -> Finding {
    let Some(endpoint) = &status.s3.endpoint else {
        return Finding::skipped(GROUP, "port", "S3 endpoint", "no port is chosen yet");
    };
    if status.state != StackState::Stopped {
        return Finding::ok(GROUP, "port", endpoint, "its own");
    }
    let address = endpoint.trim_start_matches("http://");
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(GROUP, "port", endpoint, "free"),
        Err(error) => Finding::problem((GROUP, "port"), ErrorKind::Unavailable, endpoint, error.to_string())
            .fix(format!(
                "ss -ltnp sport = :{}  # stop what listens there, or set [local] s3_port",
                address.rsplit(':').next().unwrap_or_default()
            )),
    }
}
