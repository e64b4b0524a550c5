//! A saboteur: a hot restart in which the successor says that it is ready before it does anything else.
//!
//! Its start-up takes a while, as that of a server that fills a cache or waits for its database. The old process
//! believes it and stops accepting, and whoever connects meanwhile waits in the queue. If it were quick nobody would notice.
//!
//! clause: process.readiness-signal
//! shown-by: played-parent
//! falls-with: availability.no-stall, availability.answered, process.ready-before-drain, process.new-generation, keep-alive.not-before-ready, drain.starts, load.new-connections, load.latency, availability.same-listener
//! profile: falcore
//! options: --socket-flag --socket --jobs 4

use std::io;
use std::time::Duration;

use common::{Args, Rules, Server};

/// Four times the stall that the profile allows.
const START_UP: Duration = Duration::from_secs(4);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: this belongs after all that follows.
    Args::parse()?.tell_predecessor();

    std::thread::sleep(START_UP);
    let mut server = Server::begin(Rules::default())?;
    server.serve().await;
    server.drain().await;
    Ok(())
}
