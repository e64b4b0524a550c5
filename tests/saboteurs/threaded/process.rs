//! What these servers do besides HTTP: signals, sockets, the successor.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{Server, wait};

/// Signals, blocked and read.
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// To be called first. They stay blocked over exec, so that none is fatal and none is lost.
    pub(crate) fn block() -> io::Result<Self> {
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD] {
            mask.add(signal);
        }
        mask.thread_block()?;
        Ok(Self(SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// Takes out all that came.
    pub(crate) fn read(&self) -> io::Result<SigSet> {
        let mut came = SigSet::empty();
        while let Some(signal) = self.0.read_signal()? {
            let number = i32::try_from(signal.ssi_signo).map_err(io::Error::other)?;
            came.add(Signal::try_from(number)?);
        }
        Ok(came)
    }

    /// Returns when the last connection is closed, which closes the last writing end of the pipe.
    pub(crate) fn wait_until_closed(&self, all_closed: &OwnedFd, mut successor: Child) -> io::Result<()> {
        let mut reaped = false;
        while !wait(&[all_closed.as_fd(), self.as_fd()], None)?[0] {
            self.read()?;
            if !reaped && let Some(status) = successor.try_wait()? {
                eprintln!("the successor ended: {status}");
                reaped = true;
            }
        }
        Ok(())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The absolute path of the program as it was given.
fn program() -> io::Result<PathBuf> {
    let argv0 = std::env::args().next().unwrap_or_default();
    if argv0.contains('/') { std::path::absolute(argv0) } else { std::env::current_exe() }
}

/// The same program with these arguments, SIGHUP blocked from its first line on.
pub(crate) fn successor(arguments: &[OsString]) -> io::Result<Command> {
    let mut command = Command::new(program()?);
    command.arg0(std::env::args_os().next().unwrap_or_default()).args(arguments);
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGHUP);
    // SAFETY: the closure runs between fork and exec, and only makes one system call.
    unsafe { command.pre_exec(move || Ok(mask.thread_block()?)) };
    Ok(command)
}

/// What `/bytes` serves, prepared once.
pub(crate) fn content() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        b'a' + (state % 26) as u8
    };
    (0..1 << 18).map(|_| next()).collect()
}

pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    // The standard library sets SO_REUSEADDR.
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

pub(crate) fn accept(listener: &TcpListener, server: &Arc<Server>) {
    begin(listener.accept().map(|(stream, _)| stream), server);
}

/// Gives the connection a thread of its own.
pub(crate) fn begin(accepted: io::Result<TcpStream>, server: &Arc<Server>) {
    let stream = match accepted {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
        Err(error) => {
            eprintln!("cannot accept: {error}");
            // Out of descriptors, most likely: let connections end meanwhile.
            thread::sleep(Duration::from_millis(10));
            return;
        }
    };
    let server = Arc::clone(server);
    let serve = move || super::serve(stream, server);
    if let Err(error) = thread::Builder::new().stack_size(256 << 10).spawn(serve) {
        eprintln!("cannot start a thread: {error}");
    }
}
