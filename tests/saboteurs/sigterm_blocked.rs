//! A saboteur: a hot restart that blocks SIGTERM while it starts its successor, and lets that inherit it.
//!
//! Being told to stop between two steps would leave half of a restart behind. The old process takes the signal again
//! afterwards. The successor never does: it can't be stopped in order any more.
//!
//! clause: process.signals-kept
//! shown-by: five-restarts
//! falls-with: repeat.terminate-amid
//! profile: reload
//! level: should
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use nix::sys::signal::{SigSet, Signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: the mask has to be as it was before anything is executed.
    server.restart.before_exec = || SigSet::from(Signal::SIGTERM).thread_block();
    server.run().await
}
