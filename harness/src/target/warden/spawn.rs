//! The harness's side of a warden's beginning and end: forking it, and reaping it by its own descriptor.
//!
//! Never by `waitpid(-1)`: other children of the program are none of the harness's business.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use super::WardenError;
use super::child::{self, Inheritance};
use super::protocol::{Received, Record, Step, kind};
use super::signals::Signals;
use crate::witness::process::Exit;
use crate::witness::process::raw::errno;

/// How long a warden may take until it is ready; it takes well below a millisecond.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Forks, with a descriptor on the child that stays right even if someone else reaps it.
pub(super) fn fork_warden(inheritance: &Inheritance<'_>) -> io::Result<(i32, OwnedFd)> {
    // A handler that ran in the child would act on the harness's behalf: tokio's write to a pipe shared with it.
    let mask = Signals::block_all();
    let mut process = -1_i32;
    let flags = i64::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and a stack this is fork(2); process is writable for the descriptor. The child runs
    // only `child::run`, which keeps to what is allowed after a fork from many threads, and never returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_i64, &raw mut process, 0_i64, 0_i64) };
    if pid == 0 {
        child::run(inheritance);
    }
    let error = io::Error::last_os_error();
    Signals::restore(mask);
    if pid < 0 {
        return Err(error);
    }
    // SAFETY: the kernel just made this descriptor, and no one else has it.
    Ok((pid as i32, unsafe { OwnedFd::from_raw_fd(process) }))
}

/// Waits, blocking, for the first record: the start ticks of a warden that is ready.
pub(super) fn await_ready(socket: &OwnedFd) -> Result<u64, WardenError> {
    if !wait_readable(socket, READY_WITHIN) {
        let source = io::Error::from(io::ErrorKind::TimedOut);
        return Err(WardenError::Setup { step: Step::Unknown, source });
    }
    match Record::receive(socket.as_raw_fd()) {
        Ok(Received::Record(Record { kind: kind::READY, start, .. })) => Ok(start),
        Ok(Received::Record(Record { kind: kind::SETUP_FAILED, value, detail, .. })) => {
            Err(WardenError::Setup {
                step: Step::from_code(value),
                source: io::Error::from_raw_os_error(detail),
            })
        }
        Ok(_) => Err(WardenError::Setup { step: Step::Unknown, source: io::ErrorKind::UnexpectedEof.into() }),
        Err(errno) => Err(WardenError::Socket(io::Error::from_raw_os_error(errno))),
    }
}

/// Waits, blocking and bounded, for the process to end, and reaps it by its descriptor.
///
/// `None` if it did not end in time, or was reaped by someone else (or by the kernel, where SIGCHLD is ignored).
pub(super) fn reap(process: &OwnedFd, within: Duration) -> Option<Exit> {
    if !wait_readable(process, within) {
        return None;
    }
    match waitid(Id::PIDFd(process.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
        Ok(WaitStatus::Exited(_, code)) => Some(Exit::Code(code)),
        Ok(WaitStatus::Signaled(_, signal, core)) => Some(Exit::Signal { signo: signal as i32, core }),
        _ => None,
    }
}

fn wait_readable(fd: &OwnedFd, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let mut polled = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: polled is writable for one entry.
        let ready = unsafe { libc::poll(&raw mut polled, 1, i32::try_from(left).unwrap_or(i32::MAX)) };
        if ready >= 0 || errno() != libc::EINTR {
            return ready > 0;
        }
    }
}

/// Sends the process a signal; that it is gone is no error.
pub(super) fn signal(process: &OwnedFd, signo: i32) {
    // SAFETY: the descriptor is a live pidfd; a null siginfo means the one of kill(2).
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signo,
            std::ptr::null::<libc::siginfo_t>(),
            0_u32,
        )
    };
}
