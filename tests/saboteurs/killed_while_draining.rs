//! A saboteur: a hot restart that a second SIGHUP cuts short.
//!
//! While it drains it has no use for signals, and gives them back their default meaning, so that an operator can
//! end a drain that takes too long. The default meaning of SIGHUP is to end the process.
//!
//! clause: repeat.while-draining
//! falls-with: repeat.double-trigger, repeat.storm, repeat.process-group, drain.waits, process.exit-zero
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use nix::sys::signal::{SigHandler, Signal, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;
    for given_back in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the default disposition runs no code of ours. The fault: SIGHUP is one of them.
        unsafe { signal(given_back, SigHandler::SigDfl) }?;
    }
    server.drain().await;
    Ok(())
}
