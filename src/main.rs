//! The `nexus` binary: guards the process, then hands over to the command line.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nexus::cli::TAKEN_BY_THE_DRIVER;
use nix::sys::resource::{Resource, setrlimit};

fn main() -> ExitCode {
    if TAKEN_BY_THE_DRIVER.iter().any(|name| std::env::var_os(name).is_some()) {
        return start_again_without_them();
    }
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

/// Becomes this program again, in an environment without the variables that the driver would take
/// into every session. Comes back only where the system refuses.
#[expect(clippy::print_stderr, reason = "no command runs yet that could say it")]
fn start_again_without_them() -> ExitCode {
    let refused = std::env::current_exe().map(|program| {
        let mut args = std::env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = args.next() {
            command.arg0(name);
        }
        command.args(args);
        for name in TAKEN_BY_THE_DRIVER {
            command.env_remove(name);
        }
        command.exec()
    });
    let (Ok(error) | Err(error)) = refused;
    eprintln!("error: cannot start without {}: {error}", TAKEN_BY_THE_DRIVER.join(", "));
    ExitCode::from(8)
}
