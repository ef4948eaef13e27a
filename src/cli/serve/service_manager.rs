//! What is said to the service manager that started the process (systemd, `sd_notify(3)`); nothing where none did.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::{Interval, MissedTickBehavior};

/// The process takes requests; `status` says more for a person.
pub(super) fn ready(status: &str) {
    say(&format!("READY=1\nSTATUS={status}\n"));
}

/// What the process is at, for a person.
pub(super) fn status(status: &str) {
    say(&format!("STATUS={status}\n"));
}

/// The settings are being read again; [`ready`] ends that.
pub(super) fn reloading() {
    // systemd 253 and newer want to know when it began, in the same message.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    say(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()));
}

/// Requests are no longer taken.
pub(super) fn stopping() {
    say("STOPPING=1\nSTATUS=finishing the requests that are under way\n");
}

/// The process is not stuck.
pub(super) fn alive() {
    say("WATCHDOG=1\n");
}

/// Ticks twice within the time after which the service manager takes the process for stuck; `None` where it
/// does not watch this one.
pub(super) fn watchdog() -> Option<Interval> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id())) {
        return None;
    }
    let period = Duration::from_micros(number("WATCHDOG_USEC")?) / 2;
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(ticks)
}

fn say(message: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&socket, message.as_bytes()) {
        tracing::warn!(%error, "the service manager cannot be notified");
    }
}

/// To a socket in a folder, or with `@` in front to one whose name is in none (unix(7), "abstract").
fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return sender.send_to_addr(message, &address).map(drop);
    }
    sender.send_to(message, socket).map(drop)
}
