//! The `nexus` binary: guards the process, then hands over to the command line.

use std::process::ExitCode;

use nix::sys::resource::{Resource, setrlimit};

fn main() -> ExitCode {
    // Memory holds keys: no core file, and no look inside for another process of the same user.
    // Both are a second line of defence, so a system that refuses them is no reason to stop.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
    // The first provider stays; before any connection there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args: Vec<_> = std::env::args_os().collect();
    nexus::cli::run(&args).into()
}
