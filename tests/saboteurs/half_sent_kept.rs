//! A saboteur: a hot restart that waits for half-sent request heads as long as it does at other times.
//!
//! Idle connections are closed in time, but one that has sent half a request is not idle. A client that went
//! away in the middle of its request keeps the old process for a minute.
//!
//! clause: idle.partial-head-bounded
//! falls-with: idle.timed-out
//! profile: reload
//! options: --socket-flag --socket --drain-max 12s

use std::io;

use common::{IDLE_MAX, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: while it drains, this limit has to be shorter.
    Server::begin(Rules { half_sent: IDLE_MAX, ..Rules::default() })?.run().await
}
