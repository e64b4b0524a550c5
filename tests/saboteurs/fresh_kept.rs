//! A saboteur: a hot restart that forgets the connections that were never used.
//!
//! The time-out for idle connections is set after each response, and the drain shortens it where it is set.
//! A connection that never sent a byte has none: what browsers and balancers open in advance keeps the old
//! process for a minute.
//!
//! clause: idle.fresh-timed-out
//! falls-with: idle.timed-out, load.idle-mass
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{IDLE_MAX, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: while it drains, this limit has to be shorter too.
    Server::begin(Rules { fresh: IDLE_MAX, ..Rules::default() })?.run().await
}
