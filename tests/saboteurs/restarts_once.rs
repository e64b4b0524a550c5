//! A saboteur: a hot restart that works once.
//!
//! A successor is executed with SIGHUP ignored, so that one that comes too early does not end it. What starts up
//! takes that for nohup(1), as programs should, and leaves the signal ignored for the rest of its life.
//!
//! clause: repeat.many
//! falls-with: process.new-generation, process.effective, repeat.storm, repeat.successor-triggered, repeat.double-trigger, descriptors.no-growth, load.closed-loop, load.new-connections
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use nix::sys::signal::{SigHandler, Signal, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // SAFETY: neither disposition runs code of ours.
    let before = unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }?;
    let server = Server::begin(Rules::default())?;
    // The fault: it is its own predecessor that ignored the signal.
    if matches!(before, SigHandler::SigIgn) {
        // SAFETY: as above.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    }
    server.run().await
}
