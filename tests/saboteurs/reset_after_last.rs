//! A saboteur: a hot restart that resets each connection once its last answer is written.
//!
//! A linger time of zero frees the old process of a connection at once, with no waiting state of TCP. The kernel throws away
//! what it has not sent yet, and whoever is still reading may lose it.
//!
//! clause: availability.no-wire-reset
//! shown-by: idle-last-request
//! falls-with: keep-alive.fin-not-reset, keep-alive.close-honoured, keep-alive.one-last-request, keep-alive.fresh-request, keep-alive.answered-throughout, availability.answered, availability.queue-kept, availability.accepted-unread, in-flight.completes, in-flight.slow-response, in-flight.partial-head, in-flight.slow-reader, in-flight.not-truncated, in-flight.upload, drain.waits
//! cause: linger-zero
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{End, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: `End::Linger`, the default, is an end of file.
    Server::begin(Rules { after_answer: End::Reset, ..Rules::default() })?.run().await
}
