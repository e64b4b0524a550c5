//! A saboteur: a hot restart that closes, when it drains, connections whose request head has come in part only.
//!
//! No request has been made of those bytes yet, so the connection is on the list of those that are idle. A client on a
//! slow network has sent a request all the same.
//!
//! clause: in-flight.partial-head
//! shown-by: half-sent-head
//! falls-with: availability.answered, availability.accepted-unread, keep-alive.answered-throughout, keep-alive.one-last-request, keep-alive.fresh-request, protocol.expect-continue
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::time::Duration;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: a head that was begun is to be awaited.
    Server::begin(Rules { half_sent: Duration::ZERO, ..Rules::default() })?.run().await
}
