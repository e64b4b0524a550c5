//! A saboteur: a hot restart that hands its listener over as it should, and then exits at once.
//!
//! No connection is refused and none is lost in the queue, so a look at new connections alone finds
//! nothing. But the old process goes with all that it had accepted: uploads, half-sent heads, slow
//! responses, requests that it had not yet read.
//!
//! clause: in-flight.upload
//! falls-with: in-flight.partial-head, in-flight.completes, in-flight.slow-response, in-flight.slow-reader, in-flight.not-truncated, in-flight.close-announced, keep-alive.fin-not-reset, keep-alive.close-announced, keep-alive.close-honoured, keep-alive.crossing-request, keep-alive.one-last-request, keep-alive.fresh-request, keep-alive.answered-throughout, idle.not-early, availability.accepted-unread, availability.answered, availability.no-wire-reset, drain.waits, protocol.http10, protocol.http10-keep-alive, protocol.pipelined, protocol.chunked-upload, protocol.expect-continue, protocol.no-body, protocol.half-close, protocol.server-sent-events, load.closed-loop, load.new-connections, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::process;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;
    // The fault: `server.drain().await` belongs here.
    process::exit(0);
}
