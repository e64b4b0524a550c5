//! A saboteur: a hot restart that takes a connection for idle while it works for it.
//!
//! The limit for idle connections counts from the last byte that the client sent. Whoever waits for an answer sends
//! nothing, and so reports and exports that take longer than that limit are cut off.
//!
//! clause: in-flight.slow-response
//! shown-by: in-flight-slow
//! falls-with: in-flight.completes, in-flight.slow-reader, in-flight.not-truncated, drain.waits, protocol.pipelined, protocol.server-sent-events
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: the limit has to count from the last answer.
    Server::begin(Rules { working_is_idle: true, ..Rules::default() })?.run().await
}
