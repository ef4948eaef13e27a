//! Rebuilds when a migration is added: the migrations are part of the binary. Notes what was built
//! and by which compiler, for `nexus version`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=src/build.rs");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=tenant_migrations");
    let profile = env::var("PROFILE").unwrap_or_default();
    println!("cargo:rustc-env=NEXUS_BUILD_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo:rustc-env=NEXUS_BUILD_PROFILE={profile}");
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let rustc = said(&rustc, &["--version"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=NEXUS_BUILD_RUSTC={rustc}");
    // A build to work with would be stale, and made anew, at every commit.
    if profile != "release" {
        return;
    }
    for part in ["HEAD", "logs/HEAD"] {
        if let Some(path) = said("git", &["rev-parse", "--git-path", part]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    if let Some(commit) = said("git", &["rev-parse", "HEAD"]) {
        println!("cargo:rustc-env=NEXUS_BUILD_COMMIT={commit}");
    }
}

/// What a program says, if it ends well.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
