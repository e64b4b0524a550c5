//! A saboteur: a hot restart that drops, when it drains, every connection of which it has read nothing yet.
//!
//! What its table of connections says is that they are new. That a request waits in some of them it would see at the next
//! turn of its loop, which they do not get.
//!
//! clause: availability.accepted-unread
//! falls-with: availability.answered, availability.queue-kept, keep-alive.fresh-request, keep-alive.answered-throughout, in-flight.completes
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: what has come has to be looked at first.
    Server::begin(Rules { drops_unread: true, ..Rules::default() })?.run().await
}
