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
//! shown-by: new-connections
//! falls-with: availability.queue-kept, availability.answered, in-flight.completes, keep-alive.fin-not-reset, availability.no-wire-reset, availability.no-stall, availability.no-overflow, availability.listener-present, availability.same-listener, process.ready-before-drain, keep-alive.not-before-ready, protocol.http10, keep-alive.kept-on-failed-restart, failure.bad-config, failure.exits-early, failure.killed-early, failure.hangs-early, failure.no-program, failure.no-resources, failure.starved, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! cause: refused
//! profile: reload

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use crate::threaded::{self, Server, Signals, wait};

pub(crate) fn main() -> io::Result<()> {
    let signals = Signals::block()?;
    let address = command_line()?;
    let content = threaded::content();
    let (drain_seen, drain) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (all_closed, open) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let server = Arc::new(Server::new(content, drain_seen, open));

    let mut listener = threaded::bind(address)?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let successor = loop {
        wait(&[listener.as_fd(), signals.as_fd()], None)?;
        if !signals.read()?.contains(Signal::SIGHUP) {
            threaded::accept(&listener, &server);
            continue;
        }
        // The fault: the listener is closed before there is another.
        drop(listener);
        match threaded::successor(&arguments)?.spawn() {
            Ok(successor) => break successor,
            Err(error) => eprintln!("cannot start a successor: {error}"),
        }
        listener = threaded::bind(address)?;
    };
    server.begin_drain();
    drop(drain);
    drop(server);
    signals.wait_until_closed(&all_closed, successor)
}

/// `[--listen ADDRESS]`
fn command_line() -> io::Result<SocketAddr> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "usage: [--listen ADDRESS]");
    let mut args = std::env::args().skip(2);
    let mut address = SocketAddr::from(([127, 0, 0, 1], 8080));
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--listen", Some(value)) => address = value.parse().map_err(|_| invalid())?,
            _ => return Err(invalid()),
        }
    }
    Ok(address)
}
