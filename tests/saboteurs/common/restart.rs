//! SIGHUP → fork and exec of the same program → SIGUSR1 from it when it is ready.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, execve, fork};
use tokio::net::TcpListener;
use tokio::signal::unix::{self, SignalKind};
use tokio::time::Instant;

use super::Args;

/// A successor that is not ready by then is ended, and the next SIGHUP starts another.
const READY_MAX: Duration = Duration::from_secs(10);

pub struct Restart {
    /// What the successor executes.
    pub program: CString,
    /// What the successor is executed with.
    pub argv: Vec<CString>,
    pub environment: Vec<CString>,
    /// A successor that ended is waited for.
    pub reaps: bool,
    /// What went wrong is told.
    pub tells: bool,
    /// The process ends when it can't fork.
    pub fork_fatal: bool,
    /// The listener that the successor inherits.
    socket: Option<RawFd>,
    /// The number that it gets there, if it is to be another one.
    pub handed_as: Option<RawFd>,
    /// Further steps between fork and execution.
    pub before_exec: fn() -> nix::Result<()>,
    hangup: unix::Signal,
    ready: unix::Signal,
    child: unix::Signal,
    /// With the time since when it is to become ready; none once it is.
    successor: Option<(Pid, Option<Instant>)>,
    /// SIGHUP came while a successor was starting.
    again: bool,
    /// It waits until that one is ready, or has failed.
    pub one_at_a_time: bool,
}

impl Restart {
    /// From here on SIGHUP restarts. The listener is the one to hand down, if one is handed down.
    pub fn on_hangup(args: &Args, listener: Option<&TcpListener>) -> io::Result<Self> {
        let argv0 = std::env::args_os().next().unwrap_or_default();
        // The path as it was given, so that what a symbolic link leads to later is what runs then.
        let program = if argv0.as_encoded_bytes().contains(&b'/') {
            std::path::absolute(&argv0)?
        } else {
            std::env::current_exe()?
        };
        let socket = listener.map(AsRawFd::as_raw_fd);
        let mut argv = vec![argv0];
        argv.extend(args.plain.iter().cloned());
        match socket {
            Some(fd) => argv.extend(["--socket".into(), fd.to_string().into()]),
            None => argv.push("--successor".into()),
        }
        Ok(Self {
            program: c_string(program.as_os_str())?,
            argv: argv.iter().map(|arg| c_string(arg)).collect::<io::Result<_>>()?,
            fork_fatal: false,
            environment: std::env::vars_os().map(variable).collect::<io::Result<_>>()?,
            reaps: true,
            tells: true,
            socket,
            handed_as: None,
            before_exec: || Ok(()),
            hangup: unix::signal(SignalKind::hangup())?,
            ready: unix::signal(SignalKind::user_defined1())?,
            child: unix::signal(SignalKind::child())?,
            successor: None,
            again: false,
            one_at_a_time: true,
        })
    }

    /// Restarts whenever asked to, and returns when a successor is ready. Cancel safe.
    pub async fn successor_ready(&mut self) {
        loop {
            let overdue = self.successor.and_then(|(_, started)| Some(started? + READY_MAX));
            tokio::select! {
                // Of a successor that was ready and has ended since, the first comes first.
                biased;
                _ = self.ready.recv() => if let Some((_, started)) = &mut self.successor {
                    *started = None;
                    return;
                },
                _ = self.child.recv() => self.reap(),
                _ = self.hangup.recv() => self.start(),
                () = until(overdue) => self.end_successor(),
            }
        }
    }

    /// Takes note of a successor's end for as long as this process drains.
    pub async fn reap_while_draining(&mut self) {
        self.again = false;
        while self.child.recv().await.is_some() {
            self.reap();
        }
    }

    /// Starts a successor, unless one is starting.
    pub fn start(&mut self) {
        if self.one_at_a_time && self.successor.is_some() {
            self.again = true;
            return;
        }
        let this = Pid::this();
        // Not waiting for the exec: whatever keeps it must not keep us from serving.
        // SAFETY: the process has one thread, so the child is as good as its parent.
        match unsafe { fork() } {
            Ok(ForkResult::Parent { child }) => self.successor = Some((child, Some(Instant::now()))),
            Ok(ForkResult::Child) => {
                let Err(error) = self.become_successor(this);
                self.tell(format_args!("cannot execute {:?}: {error}", self.program));
                // SAFETY: ends the child without a look at what it has from its parent.
                unsafe { libc::_exit(127) }
            }
            Err(error) if self.fork_fatal => {
                eprintln!("cannot fork: {error}");
                std::process::exit(1);
            }
            Err(error) => self.tell(format_args!("cannot fork: {error}")),
        }
    }

    /// In the child: keeps the listener over exec, and SIGHUP from being fatal before its handler is
    /// there.
    fn become_successor(&self, predecessor: Pid) -> nix::Result<Infallible> {
        // SAFETY: ignoring a signal installs no code of ours.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
        super::predecessor::note_end_of(predecessor)?;
        if let Some(fd) = self.socket {
            // SAFETY: the listener is open as long as restarts are begun, and fork has copied it.
            let listener = unsafe { BorrowedFd::borrow_raw(fd) };
            match self.handed_as.filter(|number| *number != fd) {
                None => fcntl(listener, FcntlArg::F_SETFD(FdFlag::empty()))?,
                // SAFETY: what else has that number goes with the execution in any case.
                Some(number) => nix::errno::Errno::result(unsafe { libc::dup2(fd, number) })?,
            };
        }
        (self.before_exec)()?;
        execve(&self.program, &self.argv, &self.environment)
    }

    fn reap(&mut self) {
        if let Some((child, _)) = self.successor {
            let looked = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            self.note_end(match self.reaps {
                true => waitpid(child, Some(WaitPidFlag::WNOHANG)),
                false => waitid(Id::Pid(child), looked),
            });
        }
    }

    fn end_successor(&mut self) {
        if let Some((child, _)) = self.successor {
            self.tell(format_args!("the successor is not ready after {READY_MAX:?}"));
            let _ = kill(child, Signal::SIGKILL);
            self.note_end(waitpid(child, None));
        }
    }

    fn tell(&self, what: std::fmt::Arguments<'_>) {
        if self.tells {
            eprintln!("{what}");
        }
    }

    fn note_end(&mut self, status: nix::Result<WaitStatus>) {
        if status == Ok(WaitStatus::StillAlive) {
            return;
        }
        self.tell(format_args!("the successor ended: {status:?}"));
        self.successor = None;
        if std::mem::take(&mut self.again) {
            self.start();
        }
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

fn variable((name, value): (OsString, OsString)) -> io::Result<CString> {
    let mut variable = name;
    variable.push("=");
    variable.push(value);
    c_string(&variable)
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
