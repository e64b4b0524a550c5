//! A saboteur: a hot restart that says `Connection: close` and answers on.
//!
//! Whether a connection goes on is decided by what its client asked for; the header is written elsewhere, from whether the
//! process drains. A client that does not look at it is served by the old process for as long as it likes,
//! which then stays as long.
//!
//! Written from scratch with threads, one for each connection.
//!
//! clause: keep-alive.only-one
//! falls-with: keep-alive.close-honoured, protocol.http10-keep-alive, protocol.pipelined, idle.timed-out, in-flight.close-announced, load.closed-loop
//! profile: falcore
//! options: --socket-flag --socket

#[path = "common/predecessor.rs"]
mod predecessor;
mod threaded;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use threaded::{Server, Signals, wait};

fn main() -> io::Result<()> {
    let signals = Signals::block()?;
    let parent = predecessor::parent();
    let (listener, inherited) = listener()?;
    let (drain_seen, drain) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (all_closed, open) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let mut server = Server::new(threaded::content(), drain_seen, open);
    // The fault.
    server.ends_as_said = false;
    let server = Arc::new(server);
    if let Some(parent) = parent.filter(|parent| inherited && *parent == getppid()) {
        kill(parent, Signal::SIGUSR1)?;
    }

    let mut successor: Option<Child> = None;
    let successor = loop {
        let ready = wait(&[listener.as_fd(), signals.as_fd()], None)?;
        let came = signals.read()?;
        match successor.take() {
            Some(ready) if came.contains(Signal::SIGUSR1) => break ready,
            Some(mut begun) => match begun.try_wait()? {
                Some(status) => eprintln!("the successor ended: {status}"),
                None => successor = Some(begun),
            },
            None if came.contains(Signal::SIGHUP) => match start(&listener) {
                Ok(begun) => successor = Some(begun),
                Err(error) => eprintln!("cannot start a successor: {error}"),
            },
            None => {}
        }
        if ready[0] {
            threaded::accept(&listener, &server);
        }
    };
    drop(listener);
    server.begin_drain();
    drop(drain);
    drop(server);
    signals.wait_until_closed(&all_closed, successor)
}

/// `[--listen ADDRESS] [--socket FD]`; says whether it was inherited.
fn listener() -> io::Result<(TcpListener, bool)> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "usage: [--listen ADDRESS]");
    let mut address = SocketAddr::from(([127, 0, 0, 1], 8080));
    let mut socket: Option<RawFd> = None;
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--listen", Some(value)) => address = value.parse().map_err(|_| invalid())?,
            ("--socket", Some(value)) => socket = Some(value.parse().map_err(|_| invalid())?),
            _ => return Err(invalid()),
        }
    }
    let Some(fd) = socket else { return Ok((threaded::bind(address)?, false)) };
    // SAFETY: the predecessor opened this descriptor for us, and nothing else in this process owns it.
    let listener = unsafe { TcpListener::from_raw_fd(fd) };
    listener.set_nonblocking(true)?;
    fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok((listener, true))
}

fn start(listener: &TcpListener) -> io::Result<Child> {
    let fd = listener.as_raw_fd();
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--socket") {
        arguments.drain(at..at + 2);
    }
    arguments.extend(["--socket".into(), fd.to_string().into()]);
    let mut command = threaded::successor(&arguments)?;
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
