//! A saboteur: a hot restart that ends idle connections by RST.
//!
//! A linger time of zero spares the server the waiting state of TCP, of which an old process with thousands of
//! idle connections would leave thousands behind. Its clients see an error where there was none; and what the
//! kernel has still to send to one that reads slowly, on a connection that is idle as far as the server knows, is lost.
//!
//! clause: keep-alive.fin-not-reset
//! shown-by: idle-last-request
//! falls-with: idle.timed-out, idle.fresh-timed-out, availability.no-wire-reset, keep-alive.crossing-request, load.idle-mass, in-flight.completes, in-flight.slow-reader, in-flight.not-truncated, drain.waits, protocol.pipelined
//! cause: linger-zero
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{End, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: `End::Linger`, the default, is an end of file.
    Server::begin(Rules { after_silence: End::Reset, ..Rules::default() })?.run().await
}
