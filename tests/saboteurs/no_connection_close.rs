//! A saboteur: a hot restart that hands its listener over as it should and drains, but never says
//! `Connection: close`.
//!
//! The old process goes on answering on its connections as if they were there to stay, and closes each
//! one as soon as it is idle 3 s after the drain began. A client that was told nothing may have its next
//! request under way by then.
//!
//! clause: keep-alive.close-announced
//! shown-by: idle-last-request
//! falls-with: in-flight.close-announced, keep-alive.only-one, keep-alive.answered-throughout, keep-alive.close-honoured, keep-alive.crossing-request, availability.answered, protocol.http10-keep-alive, protocol.pipelined, protocol.no-body, load.closed-loop
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: `common::close_while_draining` belongs here.
    Server::begin(Rules { finish: |_answer| {}, ..Rules::default() })?.run().await
}
