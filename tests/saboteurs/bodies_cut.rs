//! A saboteur: a hot restart that breaks off, when it drains, the responses that are being sent.
//!
//! The loop that sends a body ends when the body does, or the server: it was written for a server that goes away for
//! good. `Content-Length` says that more was to come.
//!
//! clause: in-flight.not-truncated
//! shown-by: in-flight-slow
//! falls-with: in-flight.completes, in-flight.slow-response, in-flight.upload, in-flight.partial-head, in-flight.slow-reader, in-flight.close-announced, availability.accepted-unread, availability.answered, availability.queue-kept, keep-alive.one-last-request, keep-alive.fresh-request, keep-alive.answered-throughout, keep-alive.close-announced, drain.waits, protocol.http10, protocol.http10-keep-alive, protocol.pipelined, protocol.chunked-upload, protocol.expect-continue, protocol.half-close, protocol.server-sent-events, process.ready-before-drain
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Bodies, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: they have to be sent to their ends.
    Server::begin(Rules { bodies: Bodies::UntilDrain, ..Rules::default() })?.run().await
}
