//! A saboteur: a hot restart that decides when a request comes whether its connection goes on after the answer.
//!
//! What was asked before the drain began is answered without `Connection: close`, however long after it. The client
//! believes that it can use the connection again.
//!
//! clause: in-flight.close-announced
//! shown-by: in-flight-upload
//! falls-with: keep-alive.only-one, idle.timed-out
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: it is to be decided when the head of the answer is written.
    Server::begin(Rules { decided_early: true, ..Rules::default() })?.run().await
}
