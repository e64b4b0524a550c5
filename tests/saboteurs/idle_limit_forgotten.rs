//! A saboteur: a hot restart that waits for idle connections as long as it does at other times.
//!
//! Each response of the old process says that it is the last on its connection, but connections on which
//! nothing is asked any more are kept for a minute, and so is the old process.
//!
//! clause: idle.timed-out
//! falls-with: idle.fresh-timed-out, load.idle-mass
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{IDLE_MAX, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: while it drains, the limit has to be shorter.
    Server::begin(Rules { idle: IDLE_MAX, fresh: IDLE_MAX, ..Rules::default() })?.run().await
}
