//! A process by descriptor: signals that can't reach a stranger, and its end as an event.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Epoch, Stat};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned or called exit, with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signo: i32,
        /// Whether it left a core (or would have, were cores not disabled by size).
        core: bool,
    },
}

impl Exit {
    /// From the status that wait(2) gives for a process that has ended.
    #[must_use]
    pub fn from_wait_status(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal { signo: libc::WTERMSIG(status), core: libc::WCOREDUMP(status) }
        } else {
            Self::Code(libc::WEXITSTATUS(status))
        }
    }
}

/// A pidfd (pidfd_open(2), Linux 5.3) on the very process of an [`Epoch`].
#[derive(Debug)]
pub struct Pidfd {
    fd: OwnedFd,
    epoch: Epoch,
}

impl Pidfd {
    /// Opens the process; `None` if it is gone, also if its pid has passed to another process meanwhile.
    ///
    /// # Errors
    /// pidfd_open(2) fails for another reason than ESRCH: no descriptors left, or a kernel before 5.3.
    pub fn open(epoch: Epoch) -> io::Result<Option<Self>> {
        // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, epoch.pid, 0) };
        if raw < 0 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ESRCH) { Ok(None) } else { Err(error) };
        }
        // SAFETY: the kernel just made this descriptor (close-on-exec), and no one else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw as i32) };
        // Only now is the pid compared: if it still is the epoch's, the descriptor, older than this look, is that process.
        let same = Stat::read(epoch.pid).is_some_and(|stat| stat.epoch.same_process(&epoch));
        Ok(same.then_some(Self { fd, epoch }))
    }

    /// The process as it was when opened.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Sends a signal; false if the process has ended and was reaped (a zombie still takes signals).
    ///
    /// # Errors
    /// EPERM, for a process of another user; EINVAL for an unknown signal.
    pub fn signal(&self, signo: i32) -> io::Result<bool> {
        // SAFETY: the descriptor is a live pidfd; a null siginfo means the one of kill(2).
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signo,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        if sent == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ESRCH) { Ok(false) } else { Err(error) }
    }

    /// Waits until the process has ended, all its threads included; it may not be reaped yet. Cancel-safe.
    ///
    /// # Errors
    /// The descriptor can't be watched: none left, or no tokio runtime with I/O.
    pub async fn exited(&self) -> io::Result<()> {
        let watched = watch(self.fd.try_clone()?, Interest::READABLE)?;
        watched.readable().await.map(drop)
    }

    /// Waits until the process has ended and its parent has reaped it: from then on [`Self::exit`] knows more. Cancel-safe.
    ///
    /// Told by POLLHUP, which kernels before 6.9 do not give: bound this wait.
    ///
    /// # Errors
    /// As [`Self::exited`].
    pub async fn reaped(&self) -> io::Result<()> {
        let watched = watch(self.fd.try_clone()?, Interest::READABLE)?;
        loop {
            let mut ready = watched.readable().await?;
            if ready.ready().is_read_closed() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// How the process ended, though it is not a child of ours: PIDFD_GET_INFO, Linux 6.15.
    ///
    /// `None` while it lives, until it is reaped by its parent, and on kernels that can't tell.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        let wanted = u64::from(libc::PIDFD_INFO_EXIT);
        // SAFETY: pidfd_info is made of integers only, for which zero is a value.
        let mut info: libc::pidfd_info = unsafe { std::mem::zeroed() };
        info.mask = wanted;
        // SAFETY: the request's number carries the size of pidfd_info, and info is writable for that size.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) };
        (result == 0 && info.mask & wanted != 0).then(|| Exit::from_wait_status(info.exit_code))
    }
}

/// Puts a descriptor under the eyes of the tokio runtime of this thread.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open and stays the same descriptor for as long as the AsyncFd owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}
