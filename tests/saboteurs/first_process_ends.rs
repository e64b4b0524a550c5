//! A saboteur: a hot restart by fork and exec whose image is said to need no init.
//!
//! The parent hands over and ends, as it should wherever an init is above it. Where it is process 1 itself the kernel ends the
//! successor with it.
//!
//! clause: process.pid-1
//! shown-by: first-process
//! falls-with: availability.not-refused, process.new-generation
//! profile: reload
//! level: should
//! options: --socket-flag --socket --pid-1 survives

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: process 1 must not end, but stay above its successors and reap.
    Server::begin(Rules::default())?.run().await
}
