//! Processes held still by SIGSTOP, and let go again whatever happens.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::raw::{self, NumberedPath, RawStat, STAT_BYTES};
use super::{Epoch, Pidfd, Stat};

/// Why processes could not be frozen. Those already stopped were let go again.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// A signal could not be sent.
    #[error("failed to stop process {pid}: {source}; freezing needs the right to signal it")]
    Signal {
        /// The process.
        pid: i32,
        /// Of pidfd_open(2) or pidfd_send_signal(2).
        source: io::Error,
    },
    /// A process kept running, or waits in the kernel where it can't be stopped (state D). The others stood still meanwhile.
    #[error("process {pid} was still in state {state} after {waited:?}, expected T (stopped)")]
    NotStopped {
        /// The process.
        pid: i32,
        /// The state of its first thread that had not stopped.
        state: char,
        /// How long was waited.
        waited: Duration,
    },
}

/// Processes that are stopped; they go on when this is dropped or thawed.
#[derive(Debug)]
#[must_use = "the processes go on at once when this is dropped"]
pub struct Frozen {
    stopped: Vec<Pidfd>,
    since: Instant,
}

/// Stops all threads of the processes and returns when they stand still; blocks for at most `patience`.
///
/// A process that has ended, or was stopped already, is left alone, then and on thawing. A supervising parent sees the stop
/// (SIGCHLD, WUNTRACED). A process forked by one of them just before it stopped is not stopped: look for descendants again.
///
/// # Errors
/// A process may not be signalled or does not stop in time. Nothing stays frozen then.
pub fn freeze(epochs: &[Epoch], patience: Duration) -> Result<Frozen, FreezeError> {
    let begun = Instant::now();
    let mut frozen = Frozen { stopped: Vec::new(), since: begun };
    for epoch in epochs {
        let signal_error = |source| FreezeError::Signal { pid: epoch.pid, source };
        let Some(process) = Pidfd::open(*epoch).map_err(signal_error)? else {
            continue;
        };
        if Stat::read(epoch.pid).is_none_or(|stat| stat.ended() || stat.state == 'T') {
            continue;
        }
        if process.signal(libc::SIGSTOP).map_err(signal_error)? {
            frozen.stopped.push(process);
        }
    }
    for process in &frozen.stopped {
        let pid = process.epoch().pid;
        while let Some(state) = running_thread(pid) {
            let waited = begun.elapsed();
            if waited > patience {
                return Err(FreezeError::NotStopped { pid, state, waited });
            }
            std::thread::yield_now();
        }
    }
    frozen.since = Instant::now();
    Ok(frozen)
}

impl Frozen {
    /// When the last of them stood still.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The processes that stand still.
    pub fn epochs(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.stopped.iter().map(Pidfd::epoch)
    }

    /// Lets the processes go on. Dropping does the same, but tells no error.
    ///
    /// # Errors
    /// The first signal that could not be sent; the others are sent all the same.
    pub fn thaw(mut self) -> io::Result<()> {
        self.resume()
    }

    fn resume(&mut self) -> io::Result<()> {
        let results: Vec<_> = self.stopped.drain(..).map(|process| process.signal(libc::SIGCONT)).collect();
        results.into_iter().try_for_each(|result| result.map(drop))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // A process that can be stopped can be continued; there is no one to tell of an error here.
        let _ = self.resume();
    }
}

/// The state of a thread of `pid` that is neither stopped nor ended; `None` if there is none, or no such process.
fn running_thread(pid: i32) -> Option<char> {
    let proc = super::stat::proc_dir()?;
    let path = NumberedPath::new(pid, "task");
    let dir = raw::open_at(proc, path.as_c_str(), libc::O_DIRECTORY).ok()?;
    // SAFETY: open_at just made this descriptor, and no one else has it.
    let dir = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(dir) };
    let mut buffer = [0; STAT_BYTES];
    let mut running = None;
    // A thread that can't be listed is one that ended.
    let _ = raw::each_number(dir.as_raw_fd(), |tid, _| {
        let state = RawStat::read(dir.as_raw_fd(), tid, &mut buffer).map_or(b'X', |stat| stat.state);
        if !matches!(state, b'T' | b't' | b'Z' | b'X') {
            running = Some(char::from(state));
        }
        running.is_none()
    });
    running
}
