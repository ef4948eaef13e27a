//! The local stack as its user meets it: real PostgreSQL, real processes, real signals.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "in a test a panic is the answer, and figures are shown"
)]

mod folders;
mod kills;
mod lifecycle;
mod mailbox;
mod support;

use std::sync::Arc;

use nexus::features::local::daemon;
use nexus::settings::Home;

/// Not a test: what the stack under test starts as its daemon. Returns at once in an ordinary run.
#[test]
fn daemon_process() {
    if std::env::var_os(support::DAEMON_MARK).is_none() {
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(daemon::run(Home::from_env().unwrap(), Arc::new(support::TinyEndpoint)));
    std::process::exit(i32::from(ended.is_err()));
}

/// Not a test: one of many processes that ask for the stack at once.
#[test]
fn up_process() {
    let Some(home) = std::env::var_os(support::UP_MARK) else { return };
    let stack = support::stack_at(std::path::Path::new(&home));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(stack.up(&nexus::kernel::progress::Silent)) {
        Ok(running) => eprintln!("endpoint={}", running.s3.endpoint),
        Err(error) => {
            eprintln!("error={error}");
            std::process::exit(1);
        }
    }
}
