//! A saboteur: a hot restart that closes a connection as soon as it has written its last answer.
//!
//! Where the client has sent more by then, requests that it pipelined, the kernel answers the close by RST,
//! which takes with it what the client has not yet read of the answer. It is a server for small machines, and
//! reads 32 bytes at a time: a larger buffer takes some of the requests out of the kernel's hands, and hides the fault
//! now and then.
//!
//! clause: protocol.pipelined
//! falls-with: keep-alive.fin-not-reset, keep-alive.crossing-request, availability.no-wire-reset, in-flight.not-truncated, in-flight.completes, in-flight.slow-reader, in-flight.upload, protocol.expect-continue
//! cause: closed-unread
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{End, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: `End::Linger`, the default, reads what still comes.
    Server::begin(Rules { after_answer: End::Close, read_size: 32, ..Rules::default() })?.run().await
}
