//! A saboteur: a hot restart in which the old process drops the connection that tells it to stop.
//!
//! Its acceptor sits in `accept`, and looks whether it is to go on when that returns. What it returned with is a client
//! that has been accepted already and is now nobody's.
//!
//! Written from scratch with threads, one for each connection.
//!
//! clause: availability.answered
//! shown-by: new-connections keep-alive-traffic
//! falls-with: availability.queue-kept, availability.no-wire-reset, keep-alive.fin-not-reset, keep-alive.answered-throughout, in-flight.completes, drain.exits, drain.starts, process.one-left, process.exit-zero, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::threaded::blocking::{self, STOPPING};
use crate::threaded::{self, Server};

pub(crate) fn main() -> io::Result<()> {
    blocking::run(accept)
}

fn accept(listener: &TcpListener, server: &Arc<Server>) {
    loop {
        let accepted = listener.accept().map(|(stream, _)| stream);
        if STOPPING.load(Ordering::SeqCst) {
            // The fault: it has to be served before that.
            return;
        }
        threaded::begin(accepted, server);
    }
}
