//! A saboteur: a hot restart that sets a deadline for writing on each connection when it begins to drain.
//!
//! It is meant for clients that are gone. But it counts from the beginning of the drain, and not from the last byte that
//! the client took, so downloads end with it that go on all the time.
//!
//! clause: in-flight.slow-reader
//! shown-by: in-flight-large
//! falls-with: in-flight.completes, in-flight.not-truncated, in-flight.slow-response, drain.waits, protocol.pipelined, protocol.server-sent-events
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::time::Duration;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: the deadline has to move with every byte that is taken.
    Server::begin(Rules { sending: Some(Duration::from_secs(3)), ..Rules::default() })?.run().await
}
