//! What a service manager is told (`sd_notify`), if `NOTIFY_SOCKET` is set.
//!
//! With systemd: `Type=notify-reload` or `notify`, and `NotifyAccess=exec` or `all`, since a
//! successor speaks for itself before it is the main process.

use sd_notify::NotifyState;
use tracing::warn;

/// This process is the main one, and serves.
pub(crate) fn main_process() {
    tell(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready]);
}

/// Serving, at first or again after a restart that was given up.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A restart has begun.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The service stops, and no successor takes over.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "failed to notify the service manager");
    }
}
