//! A saboteur: a hot restart that closes its listener and then starts a successor, which binds anew.
//!
//! The address is free for as long as the successor takes from fork to listen: exec, the dynamic linker,
//! the command line, the content that it prepares before it is ready to serve. Whoever connects in
//! between is refused, and whoever waited in the queue of the closed listener is reset. Everything else
//! is in order: the old process completes what it has accepted and says that it closes.
//!
//! Written from scratch with threads, one for each connection.
//!
//! clause: availability.not-refused
//! falls-with: availability.queue-kept, availability.answered, in-flight.completes, keep-alive.fin-not-reset, availability.no-wire-reset, availability.no-stall, availability.listener-present, availability.same-listener, process.ready-before-drain, keep-alive.not-before-ready, keep-alive.kept-on-failed-restart, failure.bad-config, failure.exits-early, failure.killed-early, failure.hangs-early, failure.no-program, failure.no-resources, failure.starved, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! profile: reload

mod threaded;

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use threaded::{Server, wait};

fn main() -> io::Result<()> {
    // Blocked from the first line on, and over exec, so that no SIGHUP is fatal and none is lost.
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGHUP);
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;

    let (program, address) = command_line()?;
    let content = content();
    let (drain_seen, drain) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (all_closed, open) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let server = Arc::new(Server::new(content, drain_seen, open));

    let mut listener = bind(address)?;
    let successor = loop {
        wait(&[listener.as_fd(), signals.as_fd()], None)?;
        if !hung_up(&signals)? {
            accept(&listener, &server);
            continue;
        }
        // The fault: the listener is closed before there is another.
        drop(listener);
        match start_successor(&program) {
            Ok(successor) => break successor,
            Err(error) => eprintln!("cannot start {}: {error}", program.display()),
        }
        listener = bind(address)?;
    };
    server.begin_drain();
    drop(drain);
    drop(server);
    wait_until_closed(&all_closed, &signals, successor)
}

/// `[--listen ADDRESS]`, and the absolute path of the program as it was given.
fn command_line() -> io::Result<(PathBuf, SocketAddr)> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "usage: [--listen ADDRESS]");
    let mut args = std::env::args();
    let argv0 = args.next().unwrap_or_default();
    let program = if argv0.contains('/') { std::path::absolute(argv0)? } else { std::env::current_exe()? };
    let mut address = SocketAddr::from(([127, 0, 0, 1], 8080));
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--listen", Some(value)) => address = value.parse().map_err(|_| invalid())?,
            _ => return Err(invalid()),
        }
    }
    Ok((program, address))
}

/// What `/bytes` serves, prepared once.
fn content() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        b'a' + (state % 26) as u8
    };
    (0..1 << 18).map(|_| next()).collect()
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    // The standard library sets SO_REUSEADDR.
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn hung_up(signals: &SignalFd) -> io::Result<bool> {
    let mut hung_up = false;
    while let Some(signal) = signals.read_signal()? {
        hung_up |= signal.ssi_signo == Signal::SIGHUP as u32;
    }
    Ok(hung_up)
}

fn accept(listener: &TcpListener, server: &Arc<Server>) {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
        Err(error) => {
            eprintln!("cannot accept: {error}");
            // Out of descriptors, most likely: let connections end meanwhile.
            thread::sleep(Duration::from_millis(10));
            return;
        }
    };
    let server = Arc::clone(server);
    let serve = move || threaded::serve(stream, server);
    if let Err(error) = thread::Builder::new().stack_size(256 << 10).spawn(serve) {
        eprintln!("cannot start a thread: {error}");
    }
}

fn start_successor(program: &PathBuf) -> io::Result<Child> {
    let mut args = std::env::args_os();
    let mut command = Command::new(program);
    command.arg0(args.next().unwrap_or_default()).args(args.collect::<Vec<OsString>>());
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGHUP);
    // SAFETY: the closure runs between fork and exec, and only makes one system call.
    unsafe { command.pre_exec(move || Ok(mask.thread_block()?)) };
    command.spawn()
}

/// Returns when the last connection is closed, which closes the last writing end of the pipe.
fn wait_until_closed(all_closed: &OwnedFd, signals: &SignalFd, mut successor: Child) -> io::Result<()> {
    let mut reaped = false;
    while !wait(&[all_closed.as_fd(), signals.as_fd()], None)?[0] {
        hung_up(signals)?;
        if !reaped && let Some(status) = successor.try_wait()? {
            eprintln!("the successor ended: {status}");
            reaped = true;
        }
    }
    Ok(())
}
