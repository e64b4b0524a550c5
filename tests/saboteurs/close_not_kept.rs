//! A saboteur: a hot restart that says `Connection: close` and then leaves the closing to the client.
//!
//! So the clients end up with the waiting state of TCP, and not the server. But most clients only note that
//! they must not use the connection again, and wait for the end of file; the server waits for theirs, and
//! gives up after 2 s.
//!
//! clause: keep-alive.close-honoured
//! shown-by: idle-last-request
//! falls-with: protocol.http10, protocol.http10-keep-alive, protocol.pipelined, keep-alive.only-one, availability.answered
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{End, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: `End::Linger`, the default, ends our side first.
    Server::begin(Rules { after_answer: End::ByClient, ..Rules::default() })?.run().await
}
