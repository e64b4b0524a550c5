//! The next generation: fork and exec of the same program, and the watch over it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::pidfd::Pidfd;
use crate::signals;
use crate::startup::{GENERATION_VARIABLE, PARENT_VARIABLE, Startup, successor_arguments};
use crate::stream::Acceptor;

/// How often to look for the end of a process where the kernel offers no pidfd.
const LOOK: Duration = Duration::from_millis(20);

/// A successor that was executed. It is reaped by [`Successor::ended`] or with this value.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Child,
    pidfd: Option<AsyncFd<Pidfd>>,
}

impl Successor {
    /// Forks and executes. Returns once the program is running, or with the reason why not: it
    /// blocks the calling thread for that long, a millisecond or so, and needs no other thread.
    pub(crate) fn spawn(startup: &Startup, listeners: &[Arc<Acceptor>]) -> io::Result<Self> {
        let fds: Vec<RawFd> = listeners.iter().map(|one| one.as_raw_fd()).collect();
        let mut command = Command::new(&startup.program);
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command
            .args(successor_arguments(&startup.arguments, &fds))
            .env(GENERATION_VARIABLE, (startup.generation() + 1).to_string())
            .env(PARENT_VARIABLE, std::process::id().to_string());
        let mask = signals::mask_of_successor(&startup.signal_mask);
        // SAFETY: `prepare` calls fcntl, close_range and sigprocmask, which are safe after fork,
        // and neither allocates nor locks.
        unsafe { command.pre_exec(move || prepare(&fds, &mask)) };
        let child = command.spawn()?;
        // Not reaped yet, so the number is its own.
        let pidfd = Pidfd::open(pid_of(&child)).and_then(|fd| {
            // SAFETY: a Pidfd keeps one and the same descriptor open until it is dropped.
            let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
            Ok(registered?)
        });
        Ok(Self { child, pidfd: pidfd.ok() })
    }

    pub(crate) fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Waits until it has ended, and reaps it. Safe to cancel.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            match &self.pidfd {
                Some(pidfd) => pidfd.readable().await?.retain_ready(),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Whether it has ended by now; reaps it if so.
    pub(crate) fn try_ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends it a signal. One that has ended is not reaped yet and takes it without effect.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(self.pid(), signal)?)
    }
}

fn pid_of(child: &Child) -> Pid {
    // A pid always fits; the standard library turned the kernel's int into a u32.
    Pid::from_raw(child.id().cast_signed())
}

/// Between fork and exec: only the listeners and standard streams pass, and the mask is the
/// parent's own from before it blocked anything, but for the signals that would be fatal.
fn prepare(listeners: &[RawFd], mask: &SigSet) -> io::Result<()> {
    close_all_on_exec();
    for fd in listeners {
        // SAFETY: the descriptor is open in the parent during the fork, and so here.
        if unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(mask), None)?;
    Ok(())
}

/// Marks rather than closes: the standard library reports a failed exec through a descriptor.
fn close_all_on_exec() {
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: changes flags of descriptors in this forked child only.
    if unsafe { libc::close_range(3, libc::c_uint::MAX, flags) } == 0 {
        return;
    }
    // Before Linux 5.11, or forbidden: one by one, within reason.
    // SAFETY: sysconf and fcntl are async-signal-safe; on numbers that are not open fcntl fails
    // without effect.
    unsafe {
        let max = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 65_536);
        for fd in 3..libc::c_int::try_from(max).unwrap_or(65_536) {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// "exited with status 1", "was ended by SIGKILL".
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("was ended by {signal}"),
            Err(_) => format!("was ended by signal {number}"),
        },
        (None, None) => status.to_string(),
    }
}
