//! A saboteur: a hot restart that starts two successors when it is asked twice.
//!
//! Each SIGHUP forks and executes one, whether another is on its way or not. The first that is ready has the old
//! process drain, and nobody tells the other that it is one too many: both serve from then on.
//!
//! clause: repeat.double-trigger
//! shown-by: triggered-while-starting
//! falls-with: repeat.storm, repeat.while-draining, repeat.successor-triggered, process.one-left
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: it does not look whether a successor is starting.
    server.restart.one_at_a_time = false;
    server.run().await
}
