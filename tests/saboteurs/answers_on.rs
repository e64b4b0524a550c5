//! A saboteur: a hot restart that says `Connection: close` and answers on.
//!
//! Whether a connection goes on is decided by what its client asked for; the header is written elsewhere, from whether the
//! process drains. A client that does not look at it is served by the old process for as long as it likes,
//! which then stays as long.
//!
//! Written from scratch with threads, one for each connection.
//!
//! clause: keep-alive.only-one
//! shown-by: idle-last-request
//! falls-with: keep-alive.close-honoured, protocol.http10-keep-alive, protocol.pipelined, idle.timed-out, in-flight.close-announced, load.closed-loop
//! profile: falcore
//! options: --socket-flag --socket

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::fcntl::OFlag;

use crate::threaded::inherited::{self, Restart};
use crate::threaded::{self, Server, Signals, wait};

pub(crate) fn main() -> io::Result<()> {
    let signals = Signals::block()?;
    let (listener, predecessor) = inherited::listener(true)?;
    let (drain_seen, drain) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (all_closed, open) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let mut server = Server::new(threaded::content(), drain_seen, open);
    // The fault.
    server.ends_as_said = false;
    let server = Arc::new(server);
    predecessor.tell()?;

    let mut restart = Restart::default();
    let successor = loop {
        let ready = wait(&[listener.as_fd(), signals.as_fd()], None)?;
        if let Some(ready) = restart.take(&signals.read()?, &listener)? {
            break ready;
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
