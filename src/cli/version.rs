//! `nexus version`: what a bug report needs.

use clap::Args;
use serde::Serialize;

use super::output::{Screen, Thing};
use super::{CommandResult, Exit};
use crate::kernel::child;

/// Arguments of `nexus version`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES
  nexus version                     paste this into a bug report
  nexus version -o json | jq -r .version")]
pub struct VersionArgs {}

/// What a bug report needs.
#[derive(Debug, Serialize)]
struct VersionView {
    version: &'static str,
    /// The commit that was built; `None` in a build that is not a release, or outside a checkout.
    commit: Option<&'static str>,
    target: &'static str,
    rustc: &'static str,
    profile: &'static str,
    os: String,
    /// The psql that `tenant psql` would run; `None`: none on PATH.
    psql: Option<String>,
}

impl Thing for VersionView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let or_unknown = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
        vec![
            ("version", self.version.to_owned()),
            ("commit", or_unknown(self.commit)),
            ("target", self.target.to_owned()),
            ("rustc", self.rustc.to_owned()),
            ("profile", self.profile.to_owned()),
            ("os", self.os.clone()),
            ("psql", self.psql.clone().unwrap_or_else(|| "not found".to_owned())),
        ]
    }

    fn id(&self) -> String {
        self.version.to_owned()
    }
}

/// Shows it.
///
/// # Errors
/// When standard output takes no more.
pub fn run(_args: &VersionArgs, screen: &Screen) -> CommandResult {
    screen.thing(&VersionView {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("NEXUS_BUILD_COMMIT"),
        target: env!("NEXUS_BUILD_TARGET"),
        rustc: env!("NEXUS_BUILD_RUSTC"),
        profile: env!("NEXUS_BUILD_PROFILE"),
        os: os(),
        psql: psql(),
    })?;
    Ok(Exit::Done)
}

/// The system's own name for itself (os-release(5)), else the kind of system.
fn os() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned())
}

fn psql() -> Option<String> {
    let output = child::command("psql").arg("--version").output().ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
