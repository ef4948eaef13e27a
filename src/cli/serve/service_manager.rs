//! What is said to the service manager that started the process (systemd, `sd_notify(3)`); nothing where none did.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior};

/// Says what the process is at, in one message.
fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// The process takes requests; `status` says more for a person.
pub(super) fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What the process is at, for a person.
pub(super) fn status(status: &str) {
    say(&[NotifyState::Status(status)]);
}

/// The settings are being read again; [`ready`] ends that.
pub(super) fn reloading() {
    // systemd 253 and newer want to know when it began, in the same message.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(_) => say(&[NotifyState::Reloading]),
    }
}

/// Requests are no longer taken.
pub(super) fn stopping() {
    say(&[NotifyState::Stopping, NotifyState::Status("finishing the requests that are under way")]);
}

/// Ticks twice within the time after which the service manager takes the process for stuck; `None` where it
/// does not watch.
pub(super) fn watchdog() -> Option<Interval> {
    let period = sd_notify::watchdog_enabled()? / 2;
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(ticks)
}

/// The process is not stuck.
pub(super) fn alive() {
    say(&[NotifyState::Watchdog]);
}
