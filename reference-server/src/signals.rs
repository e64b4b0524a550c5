//! The signals of a hot restart, read with their sender.
//!
//! They are blocked in all threads and read from a signalfd. Across exec `SIGHUP` and `SIGUSR1` stay
//! blocked, so neither can kill a successor that isn't ready for them; see [`crate::startup`].

use std::io;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::signal::{sigaction, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `SIGUSR1`, and who sent it.
    Ready { from: Pid },
    /// `SIGHUP`.
    Restart,
    /// `SIGTERM` or `SIGINT`.
    Stop(Signal),
}

/// The set that this crate blocks and reads.
fn handled() -> SigSet {
    [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT].into_iter().collect()
}

/// Blocks the handled signals in the calling thread, and so in all that it starts. Returns the
/// mask from before.
pub(crate) fn block() -> nix::Result<SigSet> {
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&handled()), Some(&mut before))?;
    // Between fork and exec the standard library empties the child's mask for a moment. With a
    // handler a SIGHUP to the process group does nothing then, where the default would kill.
    let swallow = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGHUP, Signal::SIGUSR1] {
        // SAFETY: the handler does nothing at all.
        unsafe { sigaction(signal, &swallow) }?;
    }
    Ok(before)
}

extern "C" fn nothing(_: libc::c_int) {}

/// The mask that a successor starts with: what this process started with, and the two signals
/// that must not kill it before it can read them.
pub(crate) fn mask_of_successor(before: &SigSet) -> SigSet {
    let mut mask = *before;
    mask.add(Signal::SIGHUP);
    mask.add(Signal::SIGUSR1);
    mask
}

/// Reads the blocked signals.
#[derive(Debug)]
pub(crate) struct Signals(AsyncFd<SignalFd>);

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&handled(), flags)?;
        // SAFETY: a SignalFd keeps one and the same descriptor open until it is dropped.
        Ok(Self(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?))
    }

    /// All that is pending, at least one; a successor's report comes first, then restarts, then
    /// stops, whatever order the kernel chose.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<Event>> {
        loop {
            let mut ready = self.0.readable().await?;
            let events = read_all(ready.get_inner())?;
            if !events.is_empty() {
                return Ok(events);
            }
            ready.clear_ready();
        }
    }

    /// What is pending now, perhaps nothing.
    pub(crate) fn pending(&self) -> io::Result<Vec<Event>> {
        read_all(self.0.get_ref())
    }
}

fn read_all(fd: &SignalFd) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    while let Some(info) = fd.read_signal()? {
        let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
        match Signal::try_from(number)? {
            Signal::SIGUSR1 => events.push(Event::Ready {
                // Pids are positive and fit; 0 stands for a sender outside our namespace.
                from: Pid::from_raw(i32::try_from(info.ssi_pid).unwrap_or(0)),
            }),
            Signal::SIGHUP => events.push(Event::Restart),
            signal => events.push(Event::Stop(signal)),
        }
    }
    events.sort_by_key(|event| match event {
        Event::Ready { .. } => 0,
        Event::Restart => 1,
        Event::Stop(_) => 2,
    });
    Ok(events)
}
