//! The client programs of PostgreSQL: which there are, and whether they fit the servers.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use super::model::Group;
use super::releases::{self, Side};
use crate::features::local::PgVersion;
use crate::kernel::{ErrorKind, Finding, child};

const GROUP: Group = Group::Programs;
const NAMES: [&str; 3] = ["psql", "pg_dump", "pg_restore"];

/// A program as it was found on PATH.
#[derive(Debug, Clone)]
pub(super) struct Program {
    name: &'static str,
    place: Option<PathBuf>,
    version: Option<PgVersion>,
}

/// Looks for the programs and asks each for its version.
pub(super) async fn look() -> Vec<Program> {
    let mut found = Vec::new();
    for name in NAMES {
        let place = on_path(name);
        let version = match &place {
            Some(place) => version(place).await,
            None => None,
        };
        found.push(Program { name, place, version });
    }
    found
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

async fn version(program: &PathBuf) -> Option<PgVersion> {
    let mut command = Command::from(child::command(program));
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok().filter(|output| output.status.success())?;
    PgVersion::parse(&String::from_utf8_lossy(&output.stdout))
}

/// What to say of each, given the newest server that was found.
pub(super) fn judge(programs: &[Program], newest: Option<PgVersion>) -> Vec<Finding> {
    programs.iter().map(|program| judge_one(program, newest)).collect()
}

fn judge_one(program: &Program, newest: Option<PgVersion>) -> Finding {
    let name = program.name;
    let needed = newest.map_or(15, |server| server.major);
    let install = format!("apt-get install postgresql-client-{needed}  # or brew install libpq");
    let Some(place) = &program.place else {
        let use_of =
            if name == "psql" { "no session can be opened here" } else { "backups cannot be made here" };
        return Finding::warning(GROUP, name, name, format!("not on PATH: {use_of}")).fix(install);
    };
    let subject = place.display().to_string();
    let Some(version) = program.version else {
        return Finding::problem(
            (GROUP, name),
            ErrorKind::Unavailable,
            subject,
            "does not report its version",
        )
        .fix(install);
    };
    if let Some(server) = newest.filter(|server| name != "psql" && version.major < server.major) {
        let found = format!("{version} cannot read a server of version {server}");
        return Finding::problem((GROUP, name), ErrorKind::Unavailable, subject, found).fix(install);
    }
    match releases::holes(version, Side::Client) {
        None => Finding::ok(GROUP, name, subject, version.to_string()),
        Some((names, fixed)) => {
            let found = format!("{version} has known vulnerabilities: {}", names.join(", "));
            let upgrade = format!(
                "apt-get install --only-upgrade postgresql-client-{}  # to {fixed} or newer",
                version.major
            );
            Finding::warning(GROUP, name, subject, found).fix(upgrade)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Severity;

    fn judged(name: &'static str, version: &str, server: &str) -> Finding {
        let program =
            Program { name, place: Some(PathBuf::from("/bin/it")), version: PgVersion::parse(version) };
        judge_one(&program, PgVersion::parse(server))
    }

    #[test]
    fn a_dump_needs_a_program_that_is_as_new_as_the_server() {
        let old = judged("pg_dump", "16.16", "17.12");
        assert_eq!(old.severity, Severity::Error(ErrorKind::Unavailable));
        assert_eq!(old.fix[0].text, "apt-get install postgresql-client-17  # or brew install libpq");
        assert_eq!(judged("psql", "16.16", "17.12").severity, Severity::Ok);
        assert_eq!(judged("pg_dump", "18.7", "17.12").severity, Severity::Ok);
    }

    #[test]
    fn a_program_with_a_known_hole_is_named_with_the_release_that_mends_it() {
        let finding = judged("pg_restore", "15.18", "15.18");
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.detail.contains("CVE-2026-116314") && finding.fix[0].text.contains("15.20"));
    }
}
