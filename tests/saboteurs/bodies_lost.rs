//! A saboteur: a hot restart that closes its store of contents when it drains, and answers requests afterwards.
//!
//! The head of an answer is made from what is in memory. So the client gets a status and a length, and then the end of
//! the connection: half an answer, after which it must not send its request again.
//!
//! clause: keep-alive.crossing-request
//! shown-by: idle-last-request
//! falls-with: in-flight.completes, in-flight.slow-response, in-flight.upload, in-flight.partial-head, in-flight.not-truncated, in-flight.close-announced, availability.accepted-unread, availability.answered, availability.queue-kept, keep-alive.one-last-request, keep-alive.fresh-request, keep-alive.answered-throughout, keep-alive.close-announced, drain.waits, drain.starts, protocol.http10, protocol.http10-keep-alive, protocol.pipelined, protocol.chunked-upload, protocol.expect-continue, protocol.half-close
//! profile: reload
//! level: should
//! options: --socket-flag --socket

use std::io;

use common::{Bodies, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: the store is needed up to the end of the drain.
    Server::begin(Rules { bodies: Bodies::BegunBeforeDrain, ..Rules::default() })?.run().await
}
