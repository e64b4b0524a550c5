//! A saboteur: a hot restart that looks at how its successor ended, and leaves it a zombie.
//!
//! waitid(2) with WNOWAIT tells the status and leaves the child to be waited for again, by another part of the
//! program that was to tell the operator, and is not written yet.
//!
//! clause: failure.reaped
//! shown-by: failing-start
//! falls-with: process.no-zombies, process.one-left
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: whoever ended has to be reaped.
    server.restart.reaps = false;
    server.run().await
}
