//! A listener that is handed from one process to the next by its number.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Child;

use common::predecessor;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getppid};

/// Who handed the listener on, if it was.
pub(crate) struct Predecessor(Option<Pid>);

impl Predecessor {
    /// Tells it that this process is ready, if it is still there.
    pub(crate) fn tell(&self) -> io::Result<()> {
        match self.0.filter(|parent| *parent == getppid()) {
            Some(parent) => Ok(kill(parent, Signal::SIGUSR1)?),
            None => Ok(()),
        }
    }
}

/// `[--listen ADDRESS] [--socket FD]`.
pub(crate) fn listener(nonblocking: bool) -> io::Result<(TcpListener, Predecessor)> {
    let parent = predecessor::parent();
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "usage: [--listen ADDRESS]");
    let mut address = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut socket: Option<RawFd> = None;
    let mut args = std::env::args().skip(2);
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--listen", Some(value)) => address = value.parse().map_err(|_| invalid())?,
            ("--socket", Some(value)) => socket = Some(value.parse().map_err(|_| invalid())?),
            _ => return Err(invalid()),
        }
    }
    let Some(fd) = socket else {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(nonblocking)?;
        return Ok((listener, Predecessor(None)));
    };
    // SAFETY: the predecessor opened this descriptor for us, and nothing else in this process owns it.
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    listener.set_nonblocking(nonblocking)?;
    fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok((listener, Predecessor(parent)))
}

/// The restart: a successor that was started, and may be on its way.
#[derive(Default)]
pub(crate) struct Restart(Option<Child>);

impl Restart {
    /// Takes in what came: SIGHUP starts a successor, unless there is one; SIGUSR1 says that it is ready, and returns it.
    pub(crate) fn take(&mut self, came: &SigSet, listener: &TcpListener) -> io::Result<Option<Child>> {
        match self.0.take() {
            Some(ready) if came.contains(Signal::SIGUSR1) => return Ok(Some(ready)),
            Some(mut begun) => match begun.try_wait()? {
                Some(status) => eprintln!("the successor ended: {status}"),
                None => self.0 = Some(begun),
            },
            None if came.contains(Signal::SIGHUP) => match start(listener) {
                Ok(begun) => self.0 = Some(begun),
                Err(error) => eprintln!("cannot start a successor: {error}"),
            },
            None => {}
        }
        Ok(None)
    }
}

/// The successor, with the listener.
fn start(listener: &TcpListener) -> io::Result<Child> {
    let fd = listener.as_raw_fd();
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--socket") {
        arguments.drain(at..at + 2);
    }
    arguments.extend(["--socket".into(), fd.to_string().into()]);
    let mut command = super::successor(&arguments)?;
    let this = Pid::this();
    let prepare = move || {
        predecessor::note_end_of(this)?;
        // SAFETY: the listener is open in the parent during the fork, and so here.
        fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec, and only makes system calls.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}
