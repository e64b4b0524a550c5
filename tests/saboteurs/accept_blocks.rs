//! A saboteur: a hot restart in which the old process goes when the next client comes, and not before.
//!
//! Its acceptor sits in `accept`, serves whatever that returns with, and then looks whether it is to go on: nobody is lost.
//! But where nobody connects it sits there, and with it the process and all that it holds.
//!
//! Written from scratch with threads, one for each connection.
//!
//! clause: drain.exits
//! shown-by: zero-traffic
//! falls-with: availability.successor-serves, drain.stops-accepting, drain.starts, availability.same-listener, process.one-left, process.no-zombies, process.exit-zero, process.effective, repeat.while-draining, repeat.successor-triggered
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

/// The fault: nothing wakes it from `accept` but a client.
fn accept(listener: &TcpListener, server: &Arc<Server>) {
    while !STOPPING.load(Ordering::SeqCst) {
        threaded::begin(listener.accept().map(|(stream, _)| stream), server);
    }
}
