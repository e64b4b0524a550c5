//! A saboteur: a hot restart in which the old process takes no notice of its successor.
//!
//! SIGUSR1 was taken already: it opens the log anew, as it does in other servers. The successor's word that it
//! is ready does the same, and both generations go on accepting from the shared listener for ever.
//!
//! clause: drain.starts
//! shown-by: idle-last-request
//! falls-with: drain.exits, drain.stops-accepting, availability.successor-serves, availability.same-listener, process.effective, process.one-left, process.no-zombies, process.exit-zero, keep-alive.close-announced, keep-alive.only-one, in-flight.close-announced, idle.timed-out, idle.fresh-timed-out, idle.partial-head-bounded, idle.half-closed-bounded, protocol.http10-keep-alive, protocol.pipelined, protocol.no-body, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    loop {
        server.serve().await;
        // The fault: `server.drain()` belongs here.
        eprintln!("SIGUSR1: the log is opened anew");
    }
}
